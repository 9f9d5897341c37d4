//! The language as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod language;
mod limits;
mod oracle;
mod places;
mod set;
mod shared;
mod soup;
