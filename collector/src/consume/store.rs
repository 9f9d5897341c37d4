//! A store as a consumer. The stores of logs and metrics need nothing beside them.

use super::Consumer;
use sonde_proto::{Entry, Position, UnixNanos};
use std::sync::Arc;

/// What every store offers its pump.
pub(crate) trait Store: Send + Sync + 'static {
    fn resume_from(&self) -> Position;
    fn applied_to(&self) -> Position;
    fn apply(&self, entries: &[(Position, Entry)]);
    fn maintain(&self, now: UnixNanos) -> Result<(), String>;
    fn seal(&self, now: UnixNanos) -> Result<(), String>;
}

macro_rules! store {
    ($name:ty) => {
        impl Store for $name {
            fn resume_from(&self) -> Position {
                <$name>::resume_from(self)
            }

            fn applied_to(&self) -> Position {
                <$name>::applied_to(self)
            }

            fn apply(&self, entries: &[(Position, Entry)]) {
                <$name>::apply(self, entries);
            }

            fn maintain(&self, now: UnixNanos) -> Result<(), String> {
                let maintained = <$name>::maintain(self, now);
                maintained.map(drop).map_err(|error| error.to_string())
            }

            fn seal(&self, now: UnixNanos) -> Result<(), String> {
                let sealed = <$name>::seal(self, now);
                sealed.map(drop).map_err(|error| error.to_string())
            }
        }
    };
}

store!(sonde_logs::LogStore);
store!(sonde_traces::TraceStore);
store!(sonde_metrics::MetricStore);

/// Feeds one store.
pub(crate) struct StoreConsumer<S>(pub(crate) Arc<S>);

impl<S: Store> Consumer for StoreConsumer<S> {
    fn resume_from(&self) -> Position {
        self.0.resume_from()
    }

    fn applied_to(&self) -> Position {
        self.0.applied_to()
    }

    fn apply(&mut self, entries: &[(Position, Entry)]) {
        self.0.apply(entries);
    }

    fn maintain(&mut self, now: UnixNanos, _caught_up: bool) -> Result<(), String> {
        self.0.maintain(now)
    }

    fn seal(&mut self, now: UnixNanos, _caught_up: bool) -> Result<(), String> {
        self.0.seal(now)
    }
}
