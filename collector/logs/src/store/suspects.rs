//! Segments that could not be read, and whether that is a reason to move them aside.
//!
//! Only bytes that are not as they were written are: see [`prove`]. What the system does not
//! let us read may come back, and what is whole and cannot be read all the same waits for a
//! program that can. Such segments stay listed, are left out of merging and sweeping for a
//! while, and are told of in the store's troubles.

use super::LogStore;
use super::writer::Writer;
use crate::segment::{Handle, Proof, ReadError, prove};
use sonde_proto::UnixNanos;
use sonde_segment::{SegmentMeta, SwapError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// After so long a suspect is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// Segments that stay listed although they could not be read, and why they could not.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<u64, Suspect>);

#[derive(Debug)]
struct Suspect {
    why: String,
    since: UnixNanos,
}

impl Suspects {
    pub(super) fn has(&self, segment: u64) -> bool {
        self.0.contains_key(&segment)
    }

    /// Adds a segment that the system does not let us read.
    pub(super) fn add_unreadable(&mut self, meta: &SegmentMeta, error: &str, now: UnixNanos) {
        let why = format!("it cannot be read: {error}; mend that, and it is served again");
        self.add(meta, why, now);
    }

    /// Adds a segment that is as it was written.
    pub(super) fn add_whole(&mut self, meta: &SegmentMeta, reason: &str, now: UnixNanos) {
        let why = format!(
            "reading it failed ({reason}) although every byte is as it was written: please report it"
        );
        self.add(meta, why, now);
    }

    fn add(&mut self, meta: &SegmentMeta, why: String, since: UnixNanos) {
        if !self.has(meta.id) {
            tracing::error!(segment = meta.id, tenant = %meta.tenant, records = meta.records, why, "a segment of logs is not served; it stays where it is");
        }
        self.0.insert(meta.id, Suspect { why, since });
    }

    /// What a person should do something about.
    pub(super) fn troubles(&self) -> impl Iterator<Item = String> {
        let all = self.0.iter();
        all.map(|(id, suspect)| format!("segment {id:016x} is not served: {}", suspect.why))
    }

    fn due(&self, now: UnixNanos) -> Vec<u64> {
        let is_due = |s: &Suspect| now < s.since || now.since(s.since) >= LOOK_AGAIN;
        let due = self.0.iter().filter(|(_, suspect)| is_due(suspect));
        due.map(|(id, _)| *id).collect()
    }
}

impl LogStore {
    /// Moves segments aside that somebody could not read, where their bytes prove that nobody
    /// can; others become suspects.
    pub(super) fn judge_damaged(&self, writer: &mut Writer) -> Result<(), SwapError> {
        let mut damaged = std::mem::take(&mut *self.damaged.lock());
        while let Some((id, reason)) = damaged.pop() {
            let Some(meta) = writer.manifest.segment(id) else {
                continue;
            };
            if self.view.read().suspects.has(id) {
                continue;
            }
            match prove(&self.dir.path(&meta.tenant, id)) {
                Proof::Damaged(why) => {
                    if let Err(error) = self.move_aside(writer, id, &why) {
                        damaged.push((id, reason));
                        self.damaged.lock().append(&mut damaged);
                        return Err(error);
                    }
                }
                Proof::Unreadable(error) => {
                    let mut view = self.view.write();
                    let error = error.to_string();
                    view.suspects.add_unreadable(meta, &error, writer.now);
                }
                Proof::Whole | Proof::Version => self.suspect_whole(meta, &reason, writer.now),
            }
            writer.merge_due = true;
        }
        Ok(())
    }

    fn move_aside(&self, writer: &mut Writer, id: u64, why: &str) -> Result<(), SwapError> {
        self.dir.quarantine(&mut writer.manifest, id, why)?;
        self.telemetry.drop("damaged_segment", 1);
        let aside = BTreeSet::from([id]);
        let aside = self.view.write().replace_segments(&aside, None);
        drop(aside);
        Ok(())
    }

    fn suspect_whole(&self, meta: &SegmentMeta, reason: &str, now: UnixNanos) {
        // What was found out about its checksums cannot be trusted any more.
        let path = self.dir.path(&meta.tenant, meta.id);
        let fresh = Arc::new(Handle::new(meta.clone(), path, &self.common));
        let mut view = self.view.write();
        let old = view.replace_segments(&BTreeSet::from([meta.id]), Some(fresh));
        view.suspects.add_whole(meta, reason, now);
        drop(view);
        drop(old);
    }

    /// Has suspects take part in everything again that can be opened now: if that was not all
    /// there is to it, somebody will say so.
    pub(super) fn look_at_suspects(&self, writer: &mut Writer) {
        let due = self.view.read().suspects.due(writer.now);
        for id in due {
            let segment = self.view.read().segment(id);
            let opened = segment.as_ref().map(|segment| segment.open().map(drop));
            let mut view = self.view.write();
            match (segment, opened) {
                (Some(segment), Some(Err(ReadError::Unreadable(error)))) => {
                    let error = error.to_string();
                    view.suspects
                        .add_unreadable(&segment.meta, &error, writer.now);
                }
                (..) => {
                    view.suspects.0.remove(&id);
                    writer.merge_due = true;
                }
            }
        }
    }
}
