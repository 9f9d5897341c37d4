//! What the query languages share: places in a text and errors that show them, strings with
//! Go's escapes, numbers, durations, byte sizes, comments.
//!
//! Each language cuts its own tokens, because their signs and words differ; what a string or
//! a duration is, and how a mistake is shown, is the same in all of them. Every function here
//! reads from the start of what it is given and says how many bytes it took.

mod blank;
mod string;
mod number;
mod duration;
mod bytes;
mod error;

pub use blank::skip_blank;
pub use bytes::{byte_size, byte_size_text};
pub use duration::{duration, duration_text, go_duration, prometheus_duration};
pub use error::ParseError;
pub use number::{number, number_text, number_word};
pub use string::{quoted, string};
