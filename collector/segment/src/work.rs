//! Work beside the thread that takes what comes in: one seal and one merge at a time, and how
//! a merge holds back.

mod background;
mod pace;
mod barred;

pub use background::{Background, Finished};
pub use barred::Barred;
pub use pace::{Pace, Sealing};
