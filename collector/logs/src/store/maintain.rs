//! What is done from time to time: seal, move damage aside, merge, let go.

use super::retention::ages_until;
use super::writer::Writer;
use super::{LogStore, StoreError};
use crate::segment::Handle;
use sonde_proto::{Position, UnixNanos};
use sonde_segment::SwapError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl LogStore {
    /// Publishes what was sealed, merged and swept in the background, starts what is due,
    /// moves damaged segments aside, drops segments that are too old or too many, and ends
    /// delete requests of which nothing is left. Does not wait for anything but the
    /// manifest's swap.
    ///
    /// Returns the position before which the journal may be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written. Nothing is lost, everything
    /// stays searchable, and the next call tries again.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock();
        self.tell_time(&mut writer, now);
        let mut sealed = self.advance_seal(&mut writer);
        if sealed.is_ok() && self.is_seal_due(&mut writer, now) {
            sealed = self.freeze(&mut writer);
        }
        // Each is tried whatever became of the others: only retention makes room on a full disk.
        let quarantined = self.judge_damaged(&mut writer);
        self.look_at_suspects(&mut writer);
        let merged = self.advance_merge(&mut writer);
        let let_go = self.let_go(&mut writer, now);
        let finished = self.finish_deletes(&mut writer, now);
        sealed.inspect_err(|_| self.telemetry.fail("seal"))?;
        quarantined?;
        merged?;
        let_go?;
        finished?;
        Ok(writer.manifest.covers)
    }

    /// What time it is, and what was sealed last, decide which records are past their
    /// retention.
    pub(super) fn tell_time(&self, writer: &mut Writer, now: UnixNanos) {
        writer.now = now;
        self.view.write().now = ages_until(&writer.manifest.segments, now);
    }

    /// Seals everything that was applied, and waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written; the journal still has it.
    pub fn seal(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock();
        self.tell_time(&mut writer, now);
        self.finish_seal(&mut writer)?;
        if self.applied_to() > writer.manifest.covers {
            self.freeze(&mut writer)?;
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
        // Where the clock stepped back, nobody knows how long it has been.
        let aged =
            now < since || now.since(since) >= Duration::from_millis(self.config.seal_interval_ms);
        aged || writer.active_bytes >= self.config.tail_bytes_max / 2
    }

    /// Has the files of segments deleted that the manifest in force lists no more: with their
    /// last snapshot, or at the next start.
    pub(super) fn delete_when_unused(&self, segments: Vec<Arc<Handle>>) {
        for segment in segments {
            segment.delete_when_unused(&self.dir);
        }
    }

    /// Drops whole segments that are beyond the retention.
    pub(super) fn let_go(&self, writer: &mut Writer, now: UnixNanos) -> Result<(), SwapError> {
        let beyond = self.retention.beyond(&writer.manifest.segments, now);
        let gone: Vec<_> = beyond
            .iter()
            .map(|(segment, reason)| (segment.id, segment.records, *reason))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<u64> = gone.iter().map(|(id, ..)| *id).collect();
        let mut manifest = writer.manifest.clone();
        manifest.segments.retain(|s| !ids.contains(&s.id));
        self.dir.swap(&manifest)?;
        writer.manifest = manifest;
        writer.merge_due = true;
        let taken = self.view.write().replace_segments(&ids, None);
        self.delete_when_unused(taken);
        for (_, records, reason) in &gone {
            self.telemetry.drop(reason, *records);
        }
        tracing::info!(
            segments = gone.len(),
            "dropped segments of logs that are beyond retention"
        );
        self.show_gauges(writer);
        Ok(())
    }
}
