//! The store of a world as the source of numbers.

use crate::worlds::Stored;
use sonde_logql::source::{Scan, Scanned, Sink, Source, Stop};
use sonde_logql_oracle::World;
use sonde_proto::Tenant;
use std::marker::PhantomData;
use std::sync::Arc;

/// The store that has a world.
pub(crate) struct Scattered<'w> {
    stored: Arc<Stored>,
    world: PhantomData<&'w World>,
}

impl<'w> Scattered<'w> {
    pub(crate) fn new(_: &'w World, seed: u64) -> Self {
        Self {
            stored: crate::stored(seed),
            world: PhantomData,
        }
    }
}

impl Source for Scattered<'_> {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let source = self
            .stored
            .store
            .source(&Tenant::default(), &sonde_proto::Deadline::never());
        let (sinks, scanned) = source.scan(scan, make)?;
        match scanned.cut {
            Some(cut) => Err(Stop::Source(cut)),
            None => Ok((sinks, scanned)),
        }
    }
}
