//! From the journal into the stores: one thread per signal.
//!
//! A pump reads its partition in order, applies batches to its consumer, lets the consumer
//! seal and tidy when it is due, and trims the journal before the position from which the
//! consumer would resume after a crash. Nothing else moves a consumer forward, so its
//! position alone says what has been seen.

mod logs;
mod pump;
mod spans;
mod store;

pub(crate) use logs::LogConsumer;
pub(crate) use pump::{Progress, Pump};
pub(crate) use spans::SpanConsumer;
pub(crate) use store::StoreConsumer;

use sonde_proto::{Entry, Position, UnixNanos};

/// What a pump feeds.
pub(crate) trait Consumer: Send + 'static {
    /// Where reading must begin after a crash so that nothing is missed: everything before
    /// is covered and durable, and the journal may forget it.
    fn resume_from(&self) -> Position;

    /// Everything before this position has been taken.
    fn applied_to(&self) -> Position;

    /// Takes entries in the order of their positions; those already covered are ignored.
    /// One that has no room takes none of the rest, which [`Self::applied_to`] shows; it
    /// is offered them again.
    fn apply(&mut self, entries: &[(Position, Entry)]);

    /// Does what is due: seals, merges, drops what is too old, and, once the replay has
    /// caught up, emits what was derived. [`Self::resume_from`] shows what is covered then,
    /// also after a failure.
    ///
    /// # Errors
    /// What could not be done. Nothing is lost: the journal still has it.
    fn maintain(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String>;

    /// Seals everything applied, before a stop, and emits as [`Self::maintain`] does.
    ///
    /// # Errors
    /// What could not be sealed; the next start replays it from the journal.
    fn seal(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String>;
}

#[cfg(test)]
mod tests;
