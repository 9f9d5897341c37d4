//! The three formats, read and written: cases from their descriptions, property tests, and
//! other people's programs beside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collect;
mod slow;
mod text;
mod open_metrics;
mod messages;
mod protobuf;
mod generate;
mod round_trip;
mod damage;
mod bounds;
mod programs;
mod foreign;
mod python;
