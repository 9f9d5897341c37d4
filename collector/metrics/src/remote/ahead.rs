//! What a Prometheus wrote, unpacked ahead of the thread that applies.
//!
//! While the store catches up with the journal, it is given many bodies at once. To unpack them
//! and to work out what their series are known by needs nothing of the store, so that another
//! thread does it for the next bodies while one is applied. Where entries come one by one it
//! is not worth a thread, and the thread that applies does everything.

use super::KnownBy;
use crate::head::groups::{Key, Keys};
use sonde_proto::remote_write::Version;
use sonde_proto::snappy::Unpacker;
use sonde_proto::walk::remote_write::Request;
use sonde_proto::{Entry, Format, Position};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// From so many packed bytes on another thread is worth its start; tests have little to pack.
const BYTES_MIN: usize = if cfg!(test) { 1 } else { 512 << 10 };
/// So many unpacked bodies wait at most.
const WAITING: usize = 4;

/// A body, unpacked, and the key of each of its series as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    unpacker: Unpacker,
    is_unpacked: bool,
    pub(super) keys: Vec<Option<Key>>,
}

/// The bodies that are unpacked ahead, in the order of their entries.
pub(crate) struct Ahead {
    unpacked: Receiver<(Position, Unpacked)>,
    used: SyncSender<Unpacked>,
}

impl Ahead {
    /// Lets `apply` run beside a thread that unpacks the entries ahead of it, where that is
    /// worth it and there is a thread.
    pub(crate) fn of(
        keys: &Keys,
        entries: &[(Position, Entry)],
        apply: impl FnOnce(Option<&Self>),
    ) {
        if !is_worth_it(entries) {
            return apply(None);
        }
        let (sender, unpacked) = sync_channel(WAITING);
        let (used, returned) = sync_channel(WAITING + 2);
        std::thread::scope(|scope| {
            let work = move || unpack(keys, entries, &sender, &returned);
            let started = std::thread::Builder::new()
                .name("metrics-unpack".into())
                .spawn_scoped(scope, work);
            let ahead = started.is_ok().then_some(Self { unpacked, used });
            apply(ahead.as_ref());
        });
    }

    /// The entry at a position, unpacked; `None` where there is nothing to unpack, or it has to
    /// be done here.
    pub(crate) fn take(&self, position: Position, entry: &Entry) -> Option<Unpacked> {
        version(entry)?;
        // Those that were left out meanwhile come first.
        let mut all = self.unpacked.iter();
        let found = all.find(|(at, _)| *at >= position)?;
        (found.0 == position).then_some(found.1)
    }

    /// Gives back what was taken, so that its memory is used again.
    pub(crate) fn give_back(&self, unpacked: Unpacked) {
        // Where there are enough already, it is freed.
        let _ = self.used.try_send(unpacked);
    }
}

fn is_worth_it(entries: &[(Position, Entry)]) -> bool {
    let packed = entries.iter().filter(|(_, entry)| version(entry).is_some());
    let bytes: usize = packed.map(|(_, entry)| entry.payload.len()).sum();
    entries.len() > 1 && bytes >= BYTES_MIN
}

/// The version of an entry that a Prometheus wrote.
fn version(entry: &Entry) -> Option<Version> {
    match entry.format {
        Format::Otlp => None,
        Format::RemoteWrite1 => Some(Version::V1),
        Format::RemoteWrite2 => Some(Version::V2),
    }
}

/// Unpacks one entry after the other until nobody wants more.
fn unpack(
    keys: &Keys,
    entries: &[(Position, Entry)],
    sender: &SyncSender<(Position, Unpacked)>,
    returned: &Receiver<Unpacked>,
) {
    for (position, entry) in entries {
        let Some(version) = version(entry) else {
            continue;
        };
        let mut next = returned.try_recv().unwrap_or_default();
        next.fill(keys, version, &entry.payload);
        if sender.send((*position, next)).is_err() {
            return;
        }
    }
}

impl Unpacked {
    /// Unpacks a body; where it is damaged there are fewer keys, which whoever applies it finds
    /// out again.
    fn fill(&mut self, keys: &Keys, version: Version, body: &[u8]) {
        self.keys.clear();
        let unpacked = self.unpacker.unpacked(body, super::REQUEST_BYTES_MAX);
        self.is_unpacked = unpacked.is_ok();
        let request = unpacked.map(|plain| Request::open(version, plain));
        let Ok(Ok(request)) = request else { return };
        let known_by = KnownBy::of(keys, version, &request);
        let out = &mut self.keys;
        let _ = request.each_unread(|series| {
            out.push(known_by.bytes(series)?);
            Ok(())
        });
    }

    /// The body, unless it could not be unpacked.
    pub(super) fn plain(&self) -> Option<&[u8]> {
        self.is_unpacked.then(|| self.unpacker.plain())
    }
}

#[cfg(test)]
mod tests;
