//! Streams that many segments have in common, kept once and within bytes.
//!
//! Every segment has its streams, and those of neighbours are nearly the same: with a copy
//! each, memory would grow with streams times segments. Where every record has a stream of its
//! own, it would grow with the disk. So what is unpacked of lists of streams is kept section by
//! section, equal streams once, and what was not used for longest goes where there is no room.

use super::Stream;
use ahash::AHashSet;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

type List = Arc<[Arc<Stream>]>;

/// What a section takes that is kept, beside eight bytes a stream.
const SECTION_BYTES: u64 = 64;

/// Fewer streams than this are not worth a look.
const SWEEP_MIN: usize = 1024;

/// The streams of all segments.
#[derive(Debug)]
pub(crate) struct StreamPool {
    bytes_max: u64,
    pooled: Mutex<Pooled>,
}

#[derive(Debug, Default)]
struct Pooled {
    streams: AHashSet<Arc<Stream>>,
    bytes: u64,
    /// The sections that are kept, those that came or were found used longest ago first.
    sections: VecDeque<(Weak<KeptStreams>, u32)>,
    /// How many streams there were after the last look for those that nobody has any more.
    after_sweep: usize,
}

/// What is kept of the streams of one segment, by sections.
#[derive(Debug, Default)]
pub(crate) struct KeptStreams(OnceLock<Box<[Slot]>>);

#[derive(Debug, Default)]
struct Slot {
    list: Mutex<Option<List>>,
    /// Whether somebody asked for it since it came or was last looked at.
    used: AtomicBool,
}

impl KeptStreams {
    /// A section, where it is kept.
    pub(crate) fn get(&self, section: u32) -> Option<List> {
        let slot = self.slot(section)?;
        let list = slot.list.lock().clone()?;
        slot.used.store(true, Ordering::Relaxed);
        Some(list)
    }

    fn slot(&self, section: u32) -> Option<&Slot> {
        self.0.get()?.get(section as usize)
    }
}

impl StreamPool {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            pooled: Mutex::default(),
        }
    }

    /// Keeps the streams of a section, in the place of those that were not used for longest.
    /// Streams that there are already are taken from the pool. `of` is what is kept of the
    /// segment, which section it is, and of how many.
    pub(crate) fn keep(
        &self,
        mut streams: Vec<Arc<Stream>>,
        (kept, section, sections): (&Arc<KeptStreams>, u32, u32),
    ) -> List {
        let slots = kept
            .0
            .get_or_init(|| (0..sections).map(|_| Slot::default()).collect());
        let mut left = Vec::new();
        let mut pooled = self.pooled.lock();
        for stream in &mut streams {
            pooled.share(stream);
        }
        let list: List = streams.into();
        if let Some(slot) = slots.get(section as usize) {
            let mut own = slot.list.lock();
            if let Some(list) = &*own {
                // Somebody else was quicker.
                return Arc::clone(list);
            }
            *own = Some(Arc::clone(&list));
            drop(own);
            // Or it would be the first to go.
            slot.used.store(true, Ordering::Relaxed);
            pooled.bytes += bytes_of(&list);
            pooled.sections.push_back((Arc::downgrade(kept), section));
        }
        if pooled.streams.len() >= SWEEP_MIN.max(2 * pooled.after_sweep) {
            pooled.sweep();
        }
        pooled.make_room(self.bytes_max, &mut left);
        drop(pooled);
        // The texts of what was let go are freed without the lock.
        drop(left);
        list
    }

    /// How many streams there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pooled.lock().streams.len()
    }

    /// How many bytes they and the sections take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.pooled.lock().bytes
    }
}

impl Pooled {
    /// Puts the pool's own in the place of a stream, or takes it.
    fn share(&mut self, stream: &mut Arc<Stream>) {
        if let Some(known) = self.streams.get(stream) {
            *stream = Arc::clone(known);
            return;
        }
        self.bytes += stream.bytes();
        self.streams.insert(Arc::clone(stream));
    }

    /// Lets sections go until the rest has room.
    fn make_room(&mut self, bytes_max: u64, left: &mut Vec<Arc<Stream>>) {
        // Each is looked at twice: whether it was used, and whether it was used again.
        for _ in 0..2 * self.sections.len() {
            if self.bytes <= bytes_max {
                return;
            }
            let Some((kept, section)) = self.sections.pop_front() else {
                break;
            };
            let Some(kept) = kept.upgrade() else {
                // The segment is gone: so may be many.
                self.sweep();
                continue;
            };
            let Some(slot) = kept.slot(section) else {
                continue;
            };
            if slot.used.swap(false, Ordering::Relaxed) {
                self.sections.push_back((Arc::downgrade(&kept), section));
            } else if let Some(list) = slot.list.lock().take() {
                self.bytes = self.bytes.saturating_sub(bytes_of(&list));
                self.forget(&list, left);
            }
        }
        // Streams that a query had when their sections went are nobody's once it is done.
        if self.bytes > bytes_max {
            self.sweep();
        }
    }

    /// Forgets the streams of a section that nobody else has.
    fn forget(&mut self, list: &List, left: &mut Vec<Arc<Stream>>) {
        for stream in list.iter() {
            // The pool has it, and this list: another query or section would be a third.
            if Arc::strong_count(stream) <= 2
                && let Some(stream) = self.streams.take(stream)
            {
                self.bytes = self.bytes.saturating_sub(stream.bytes());
                left.push(stream);
            }
        }
    }

    /// Forgets what nobody has, and counts anew.
    fn sweep(&mut self) {
        self.sections.retain(|(kept, _)| kept.strong_count() > 0);
        self.streams.retain(|stream| Arc::strong_count(stream) > 1);
        let lists = self.sections.iter().filter_map(|(kept, section)| {
            let kept = kept.upgrade()?;
            let list = kept.slot(*section)?.list.lock();
            list.as_ref().map(bytes_of)
        });
        let lists: u64 = lists.sum();
        self.bytes = lists + self.streams.iter().map(|s| s.bytes()).sum::<u64>();
        self.after_sweep = self.streams.len();
    }
}

fn bytes_of(list: &List) -> u64 {
    size_of_val(&list[..]) as u64 + SECTION_BYTES
}

#[cfg(test)]
mod tests;
