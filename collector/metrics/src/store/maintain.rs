//! What is done from time to time: seal, move damage aside, let go, merge.

use super::writer::Writer;
use super::{MetricStore, StoreError};
use crate::deletion;
use crate::postings::Index as _;
use crate::tenant::TenantStore;
use parking_lot::MutexGuard;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{Manifest, SwapError, plan};
use std::sync::Arc;
use std::time::Duration;

/// How often series and tenants that ended are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

impl MetricStore {
    /// Publishes what was sealed and merged in the background, starts what is due, moves
    /// damaged segments aside and lets old ones go. Does not wait for anything but the
    /// manifest's swap. Returns where the journal must be replayed from.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses; what was in force stays in force. A merge that
    /// fails is no error: it is counted, and nothing waits for it.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut writer = self.writer.lock();
        writer.now = now;
        let cleared = self.quarantine_damaged(&mut writer);
        let mut sealed = self.advance_seal(&mut writer);
        if sealed.is_ok() && self.is_seal_due(&writer, now) {
            sealed = self.freeze(&mut writer);
        }
        // Also when there was no room to seal: this is what makes some.
        let kept = self.expire(&mut writer, now);
        if sealed.is_ok() {
            self.advance_merge(&mut writer);
        }
        self.sweep(&mut writer, now);
        drop(writer);
        self.indexes.trim();
        self.refresh_gauges();
        cleared.and(sealed).and(kept)?;
        Ok(self.resume_from())
    }

    /// Seals everything that was applied, and waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses; the samples stay in memory and in the journal.
    pub fn seal(&self, now: UnixNanos) -> Result<Position, StoreError> {
        self.seal_all(&mut self.writer.lock(), now)?;
        Ok(self.resume_from())
    }

    /// Seals everything that was applied, while nothing more is.
    pub(super) fn seal_all(&self, writer: &mut Writer, now: UnixNanos) -> Result<(), StoreError> {
        writer.now = now;
        self.finish_seal(writer)?;
        if self.applied_to() > writer.manifest.covers {
            self.freeze(writer)?;
            self.finish_seal(writer)?;
        }
        Ok(())
    }

    /// Waits until everything is sealed that was applied before, and holds the store at an instant
    /// at which nothing is being sealed. Others take entries meanwhile, but for that instant.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    pub(super) fn when_sealed(&self, now: UnixNanos) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let until = self.applied_to();
        self.writer.lock().waiting += 1;
        loop {
            let mut writer = self.writer.lock();
            writer.now = now;
            let mut sealed = self.advance_seal(&mut writer);
            let is_sealed = writer.frozen.is_none() && writer.manifest.covers >= until;
            if sealed.is_ok() && writer.frozen.is_none() && !is_sealed {
                sealed = self.freeze(&mut writer);
            }
            if is_sealed || sealed.is_err() {
                writer.waiting -= 1;
                return sealed.map(|()| writer);
            }
            let finished = writer.sealing.finished();
            drop(writer);
            finished.wait();
        }
    }

    fn is_seal_due(&self, writer: &Writer, now: UnixNanos) -> bool {
        let interval = Duration::from_secs(self.config.seal_interval_seconds);
        let aged = |since: UnixNanos| now.since(since) >= interval;
        let full = writer.active_bytes >= self.config.head_bytes_max / 2
            || writer.active_samples >= self.config.unsealed_samples_max;
        let due = full || writer.active_since.is_some_and(aged);
        due && writer.waiting == 0 && writer.frozen.is_none() && writer.active_since.is_some()
    }

    /// Puts a manifest in force, or deletes the segments that were written for it. Where only
    /// the directory could not be synced, the manifest on disk may be the new one, and they stay.
    pub(super) fn swap(&self, writer: &mut Writer, mut next: Manifest) -> Result<(), SwapError> {
        if let Ok(deletions) = deletion::listed(&next) {
            deletion::list(&mut next, deletions);
        }
        if let Err(error) = self.dir.swap(&next) {
            if !error.may_be_in_force() {
                discard(self, &writer.manifest, &next);
            }
            return Err(error);
        }
        if writer.manifest.segments != next.segments {
            writer.merge_due = true;
        }
        writer.manifest = next;
        #[cfg(test)]
        crate::testing::step(self.dir.root()).ok();
        Ok(())
    }

    /// Lets go of what is older than retention or too much. Age counts from the newest sample
    /// that is sealed: a machine whose clock is years ahead must not lose everything by it.
    fn expire(&self, writer: &mut Writer, now: UnixNanos) -> Result<(), StoreError> {
        let newest = writer.manifest.segments.iter().map(|s| s.end).max();
        let newest = newest.map_or(now, |newest| newest.min(now));
        let keep_from = newest.minus(Duration::from_secs(self.config.retention_seconds));
        let gone = plan::expire(&writer.manifest.segments, keep_from, self.config.bytes_max);
        if gone.is_empty() {
            return Ok(());
        }
        let mut next = writer.manifest.clone();
        next.segments.retain(|s| !gone.contains(&s.id));
        let old = writer.manifest.segments.clone();
        self.swap(writer, next)?;
        self.unlist(&gone);
        for meta in old.iter().filter(|s| gone.contains(&s.id)) {
            self.dir.remove(&meta.tenant, meta.id);
        }
        Ok(())
    }

    /// Forgets series, and then tenants, that ended. A seal does so too, for the tenants that
    /// it seals: those that send nothing any more are in none.
    fn sweep(&self, writer: &mut Writer, now: UnixNanos) {
        let idle = Duration::from_secs(self.config.series_idle_seconds);
        if now.since(writer.swept) < SWEEP_EVERY.min(idle) {
            return;
        }
        writer.swept = now;
        let keep_from = now.minus(idle).as_millis();
        let mut gone = Vec::new();
        for (name, tenant) in self.all_tenants() {
            let mut state = tenant.state.write();
            // What is being sealed counts on the numbers of the series.
            if state.head.frozen().is_none() {
                state.head.forget_idle(keep_from);
                self.count_series(&tenant, &state);
                if state.head.count() == 0 && state.segments.is_empty() {
                    gone.push(name);
                }
            }
        }
        if !gone.is_empty() {
            let mut tenants = self.tenants.write();
            gone.iter().for_each(|name| drop(tenants.remove(name)));
        }
    }

    /// Takes segments out of sight.
    fn unlist(&self, gone: &[u64]) {
        for (_, tenant) in self.all_tenants() {
            let mut state = tenant.state.write();
            state.segments.retain(|s| !gone.contains(&s.meta.id));
        }
        self.indexes.forget(gone);
    }

    fn quarantine_damaged(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let is_damaged = |(_, tenant): &(Tenant, Arc<TenantStore>)| -> Vec<u64> {
            let state = tenant.state.read();
            let damaged = state.segments.iter().filter(|s| s.is_damaged());
            damaged.map(|s| s.meta.id).collect()
        };
        for id in self.all_tenants().iter().flat_map(is_damaged) {
            self.dir.quarantine(&mut writer.manifest, id, "damaged")?;
            self.unlist(&[id]);
            writer.merge_due = true;
            self.telemetry.quarantined.inc();
        }
        Ok(())
    }

    /// Lets everything that is due be done, and waits for it.
    #[cfg(test)]
    pub(crate) fn settle(&self, now: UnixNanos) -> Result<Position, StoreError> {
        loop {
            self.maintain(now)?;
            let mut writer = self.writer.lock();
            self.finish_seal(&mut writer)?;
            if let Some(result) = writer.merging.wait() {
                self.publish_merge(&mut writer, result);
            } else if writer.frozen.is_none() && !writer.merge_due {
                drop(writer);
                return self.maintain(now);
            }
        }
    }
}

/// Deletes the segments of a manifest that will not come into force.
fn discard(store: &MetricStore, manifest: &Manifest, next: &Manifest) {
    let written = next.segments.iter();
    for meta in written.filter(|meta| manifest.segment(meta.id).is_none()) {
        store.dir.remove(&meta.tenant, meta.id);
    }
}
