//! What is done from time to time: seal, move damage aside, merge, let go.

use super::seal::last_time;
use super::writer::Writer;
use super::{LogStore, StoreError};
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::SwapError;
use std::collections::BTreeSet;
use std::time::Duration;

impl LogStore {
    /// Publishes what was sealed and merged in the background, starts what is due, moves
    /// damaged segments aside, and drops segments that are too old or too many. Does not
    /// wait for anything but the manifest's swap.
    ///
    /// Returns the position before which the journal may be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written. Nothing is lost, everything
    /// stays searchable, and the next call tries again.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock();
        let sealed = self.advance_seal(&mut writer);
        if sealed.is_ok() && self.is_seal_due(&mut writer, now) {
            self.freeze(&mut writer);
        }
        // Each is tried whatever became of the others: only retention makes room on a full disk.
        let quarantined = self.quarantine_damaged(&mut writer);
        let merged = self.advance_merge(&mut writer);
        let let_go = self.let_go(&mut writer, now);
        sealed.inspect_err(|_| self.telemetry.fail("seal"))?;
        quarantined?;
        merged?;
        let_go?;
        Ok(writer.manifest.covers)
    }

    /// Seals everything that was applied, and waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written; the journal still has it.
    pub fn seal(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock();
        self.finish_seal(&mut writer)?;
        if self.applied_to() > writer.manifest.covers {
            self.freeze(&mut writer);
            self.finish_seal(&mut writer)?;
        }
        self.let_go(&mut writer, now)?;
        Ok(writer.manifest.covers)
    }

    fn is_seal_due(&self, writer: &mut Writer, now: UnixNanos) -> bool {
        if writer.frozen.is_some() || self.applied_to() <= writer.manifest.covers {
            return false;
        }
        let since = *writer.tail_since.get_or_insert(now);
        let aged = now.since(since) >= Duration::from_millis(self.config.seal_interval_ms);
        aged || writer.active_bytes >= self.config.tail_bytes_max / 2
    }

    fn quarantine_damaged(&self, writer: &mut Writer) -> Result<(), SwapError> {
        let mut damaged = std::mem::take(&mut *self.damaged.lock());
        while let Some((id, reason)) = damaged.pop() {
            let Some(meta) = writer.manifest.segment(id) else {
                continue;
            };
            if let Some(error) = self.dir.why_unreadable(&meta.tenant, id) {
                tracing::error!(segment = id, %error, "a segment of logs cannot be read; it stays, in case that passes");
                continue;
            }
            if let Err(error) = self.dir.quarantine(&mut writer.manifest, id, &reason) {
                damaged.push((id, reason));
                self.damaged.lock().append(&mut damaged);
                return Err(error);
            }
            self.telemetry.drop("damaged_segment", 1);
            self.view
                .write()
                .replace_segments(&BTreeSet::from([id]), None);
            writer.merge_due = true;
        }
        Ok(())
    }

    /// Drops whole segments: those whose newest record is too old, then the oldest while
    /// there are too many bytes.
    pub(super) fn let_go(&self, writer: &mut Writer, now: UnixNanos) -> Result<(), SwapError> {
        let gone = self.let_go_of(writer, now);
        if gone.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<u64> = gone.iter().map(|gone| gone.id).collect();
        let mut manifest = writer.manifest.clone();
        manifest.segments.retain(|s| !ids.contains(&s.id));
        self.dir.swap(&manifest)?;
        writer.manifest = manifest;
        writer.merge_due = true;
        self.view.write().replace_segments(&ids, None);
        for segment in &gone {
            self.telemetry.drop(segment.reason, segment.records);
            self.dir.remove(&segment.tenant, segment.id);
        }
        tracing::info!(
            segments = gone.len(),
            "dropped segments of logs that are beyond retention"
        );
        self.show_gauges(writer);
        Ok(())
    }

    fn let_go_of(&self, writer: &Writer, now: UnixNanos) -> Vec<Gone> {
        let horizon = match self.config.retention_seconds {
            0 => UnixNanos(0),
            seconds => now.minus(Duration::from_secs(seconds)),
        };
        let bytes_max = match self.config.retention_bytes_max {
            0 => u64::MAX,
            bytes => bytes,
        };
        let mut oldest_first: Vec<_> = writer.manifest.segments.iter().collect();
        oldest_first.sort_unstable_by_key(|s| (last_time(s), s.id));
        let mut bytes: u64 = oldest_first.iter().map(|s| s.bytes).sum();
        let mut gone = Vec::new();
        for segment in oldest_first {
            let reason = match (last_time(segment) < horizon, bytes > bytes_max) {
                (true, _) => "retention_age",
                (false, true) => "retention_bytes",
                (false, false) => break,
            };
            bytes -= segment.bytes;
            gone.push(Gone {
                tenant: segment.tenant.clone(),
                id: segment.id,
                records: segment.records,
                reason,
            });
        }
        gone
    }
}

/// A segment that is let go, and why.
struct Gone {
    tenant: Tenant,
    id: u64,
    records: u64,
    reason: &'static str,
}
