//! A copy of the store as it is, made of links to its segments: it takes no room until these are
//! merged or let go, and another Sonde can open it.

use super::{MetricStore, StoreError};
use sonde_proto::UnixNanos;
use sonde_segment::SegmentDir;
use std::fs;
use std::io;
use std::path::Path;

impl MetricStore {
    /// Where the store lies.
    pub fn dir(&self) -> &Path {
        self.dir.root()
    }

    /// Makes a store in `to`, which must not be there yet, of everything that was applied; or,
    /// where `sealed_only`, of what is sealed. `to` must lie on the same disk. It is there whole
    /// or not at all.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn snapshot(&self, to: &Path, sealed_only: bool, now: UnixNanos) -> Result<(), StoreError> {
        let failed = |cause: io::Error| StoreError::Snapshot {
            path: to.to_owned(),
            cause,
        };
        if to.exists() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let half_done = to.with_extension("new");
        let written = self.write_snapshot(&half_done, sealed_only, now);
        let done = written.and_then(|()| {
            fs::rename(&half_done, to).map_err(&failed)?;
            let above = to.parent().unwrap_or(to);
            fs::File::open(above)
                .and_then(|dir| dir.sync_all())
                .map_err(failed)
        });
        if done.is_err() {
            // It may not be there at all.
            fs::remove_dir_all(&half_done).ok();
        }
        done
    }

    fn write_snapshot(
        &self,
        to: &Path,
        sealed_only: bool,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        let failed = |cause: io::Error| StoreError::Snapshot {
            path: to.to_owned(),
            cause,
        };
        // One that was not finished before.
        if to.exists() {
            fs::remove_dir_all(to).map_err(failed)?;
        }
        let (dir, _) = SegmentDir::open(to).map_err(|error| failed(io::Error::other(error)))?;
        // Nothing is merged or let go meanwhile, so that every link finds its file.
        let writer = match sealed_only {
            true => self.writer.lock(),
            false => self.when_sealed(now)?,
        };
        for meta in &writer.manifest.segments {
            let link = dir.create(&meta.tenant, meta.id)?;
            fs::hard_link(self.dir.path(&meta.tenant, meta.id), link).map_err(failed)?;
            dir.persist(&meta.tenant, meta.id)?;
        }
        Ok(dir.swap(&writer.manifest)?)
    }
}
