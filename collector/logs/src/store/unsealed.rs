//! What cannot be sealed, however often it is tried: one tenant's records must not keep those
//! of all others in memory.
//!
//! A disk that refuses is waited for. But where it is the records themselves over which a
//! segment cannot be written, they are tried once more with plain bodies, and then set aside:
//! written into the store's quarantine as lines of JSON, counted, and told of.

use super::LogStore;
use super::seal::{Sealed, Task};
use crate::config::BodyEncoding;
use crate::record::LogRecord;
use crate::segment::{Handle, WriteError};
use crate::tail::{Batch, TailRecord};
use serde_json::{Value, json};
use sonde_segment::SegmentDir;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// Why a tenant's part of the tail could not be sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsealed {
    /// Another attempt may do better.
    Now(String),
    /// It lies in the records.
    Ever(String),
}

impl From<String> for Unsealed {
    fn from(why: String) -> Self {
        Self::Now(why)
    }
}

impl From<WriteError> for Unsealed {
    fn from(error: WriteError) -> Self {
        match error.lies_in_records() {
            true => Self::Ever(error.to_string()),
            false => Self::Now(error.to_string()),
        }
    }
}

/// Records that are no segment.
#[derive(Debug)]
pub(super) struct SetAside {
    path: PathBuf,
    tenant: String,
    records: u64,
    why: String,
}

impl SetAside {
    /// Deletes them.
    pub(super) fn discard(&self, dir: &SegmentDir) {
        if let Err(error) = dir.take_back(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not delete log records that are to be set aside again");
        }
    }
}

impl Task {
    /// Writes the records of `batches` as one segment, durably; or sets them aside, where no
    /// attempt can.
    ///
    /// # Errors
    /// Why it is to be tried again.
    pub(super) fn seal_or_set_aside(&self, batches: &[Arc<Batch>]) -> Result<Sealed, String> {
        let mut why = String::new();
        for bodies in [None, Some(BodyEncoding::Plain)] {
            match self.seal_guarded(batches, bodies) {
                Ok(segment) => return Ok(Sealed::Segment(segment)),
                Err(Unsealed::Now(error)) => return Err(error),
                Err(Unsealed::Ever(error)) => why = error,
            }
            tracing::error!(tenant = %self.tenant, why, "log records could not be sealed, which is a defect; please report it");
        }
        let all = || batches.iter().flat_map(|batch| batch.records());
        let written = self.dir.set_aside(self.id, "unsealed", |file| {
            all().try_for_each(|record| writeln!(file, "{}", shown(&record)))
        });
        Ok(Sealed::Aside(SetAside {
            path: written.map_err(|error| error.to_string())?,
            tenant: self.tenant.as_str().to_owned(),
            records: all().count() as u64,
            why,
        }))
    }

    fn seal_guarded(
        &self,
        batches: &[Arc<Batch>],
        bodies: Option<BodyEncoding>,
    ) -> Result<Arc<Handle>, Unsealed> {
        let seal = AssertUnwindSafe(|| self.seal(batches, bodies));
        catch_unwind(seal).unwrap_or_else(|_| {
            self.discard();
            Err(Unsealed::Ever("writing them panicked".into()))
        })
    }
}

/// A record for a person; its bytes, where it is none.
fn shown(record: &TailRecord<'_>) -> Value {
    let unpack = AssertUnwindSafe(|| {
        let unpacked = LogRecord::unpack(record.key.time, record.stream, record.packed);
        serde_json::to_value(unpacked?).ok()
    });
    let unpacked = catch_unwind(unpack).ok().flatten();
    unpacked.unwrap_or_else(|| {
        let hex = |byte: &u8| format!("{byte:02x}");
        json!({
            "time": record.key.time,
            "labels": record.stream.labels,
            "packed": record.packed.iter().map(hex).collect::<String>(),
        })
    })
}

impl LogStore {
    /// Says that records were set aside.
    pub(super) fn tell_of(&self, aside: &SetAside) {
        let SetAside {
            path,
            tenant,
            records,
            why,
        } = aside;
        self.telemetry.drop("unsealed", *records);
        let trouble = format!(
            "{records} records of tenant {tenant} could not be sealed and lie in {}: {why}; please report it",
            path.display()
        );
        tracing::error!("{trouble}");
        self.view.write().note_unsealed(trouble);
    }
}
