//! Follows a partition from file to file.

use super::partition::{Damage, Shared};
use super::scan::Scan;
use super::storage::Storage;
use crate::{ReadError, Reader};
use sonde_proto::{Entry, Position};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A reader of one partition.
pub(super) struct FileReader<S: Storage> {
    shared: Arc<Shared<S>>,
    next: Position,
    /// How far the file with `next` has been read.
    place: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    first: Position,
    offset: u64,
    /// The position that stands at `offset`, or a later one.
    expected: Position,
}

/// The stretch of a file to read now.
struct Stretch<F> {
    place: Place,
    name: String,
    file: Arc<F>,
    limit: u64,
    /// The first position of the file behind it, if there is one.
    behind: Option<Position>,
    /// The position after the last entry that was durable when the stretch was taken.
    end: Position,
}

impl<S: Storage> FileReader<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, from: Position) -> Self {
        Self {
            shared,
            next: from,
            place: None,
        }
    }

    /// Waits until there is something to read, or the time is up, or the journal closes.
    fn wait(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut index = self.shared.index.lock();
        while index.end <= self.next && !index.closed {
            if self.shared.grown.wait_until(&mut index, until).timed_out() {
                break;
            }
        }
        index.end > self.next
    }

    /// Where to read on. `None` when everything durable has been read.
    fn stretch(&mut self) -> Option<Stretch<S::File>> {
        let index = self.shared.index.lock();
        if index.end <= self.next {
            return None;
        }
        let at = index
            .files
            .partition_point(|file| file.first <= self.next)
            .saturating_sub(1);
        let file = index.files.get(at)?;
        self.next = self.next.max(file.first);
        let known = self.place.filter(|place| place.first == file.first);
        Some(Stretch {
            place: known.unwrap_or(Place {
                first: file.first,
                offset: 0,
                expected: file.first,
            }),
            name: file.name.clone(),
            file: Arc::clone(&file.file),
            limit: file.end,
            behind: index.files.get(at + 1).map(|behind| behind.first),
            end: index.end,
        })
    }

    /// Whether a file is still the one that was read, and not in another use.
    fn still_there(&self, first: Position) -> bool {
        self.shared
            .index
            .lock()
            .files
            .iter()
            .any(|file| file.first == first)
    }

    /// Reads some of a stretch. Empty when there was nothing but what had to be passed.
    fn read(
        &mut self,
        stretch: &Stretch<S::File>,
        bytes_max: usize,
    ) -> io::Result<Vec<(Position, Entry)>> {
        let scan = Scan {
            file: &*stretch.file,
            limit: stretch.limit,
            key: self.shared.key,
        };
        let Place {
            first,
            offset,
            expected,
        } = stretch.place;
        let run = scan.run(offset, expected, bytes_max)?;
        if !self.still_there(first) {
            self.place = None;
            return Ok(Vec::new());
        }
        let expected = run
            .frames
            .last()
            .map_or(expected, |last| last.position.next());
        self.place = Some(Place {
            first,
            offset: run.end,
            expected,
        });
        if run.frames.is_empty() {
            self.pass(stretch, &scan, run.end)?;
            return Ok(Vec::new());
        }
        let wanted = run
            .frames
            .into_iter()
            .filter(|frame| frame.position >= self.next);
        let entries: Vec<_> = wanted.map(|frame| (frame.position, frame.entry)).collect();
        if let Some((last, _)) = entries.last() {
            self.next = last.next();
        }
        Ok(entries)
    }

    /// Nothing readable stands at `offset`: pass on to the next frame of the file, or to
    /// the next file.
    fn pass(
        &mut self,
        stretch: &Stretch<S::File>,
        scan: &Scan<'_, S::File>,
        offset: u64,
    ) -> io::Result<()> {
        let first = stretch.place.first;
        let expected = stretch.place.expected;
        let behind = if offset < stretch.limit {
            scan.frame_behind(offset, expected)?
        } else {
            None
        };
        let to = match (behind, stretch.behind) {
            (Some(to), _) => {
                self.place = Some(Place {
                    first,
                    offset: to,
                    expected: expected.next(),
                });
                to
            }
            (None, Some(next_file)) => {
                self.place = None;
                if next_file <= self.next {
                    return Ok(());
                }
                self.next = next_file;
                stretch.limit
            }
            (None, None) => {
                // The writer has published these bytes, so they were whole once. What it
                // has published since stands behind them.
                self.next = stretch.end.max(self.next);
                self.place = Some(Place {
                    first,
                    offset: stretch.limit,
                    expected: self.next,
                });
                stretch.limit
            }
        };
        if offset >= stretch.limit {
            // Positions of an append that failed, or that were skipped: nothing stood there.
            return Ok(());
        }
        self.shared
            .damaged(&stretch.name, &stretch.file, &Damage { from: offset, to })
    }
}

impl<S: Storage> Reader for FileReader<S> {
    fn next_batch(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<(Position, Entry)>, ReadError> {
        if !self.wait(wait) {
            return Ok(Vec::new());
        }
        while let Some(stretch) = self.stretch() {
            let read = self.read(&stretch, bytes_max);
            let entries = read.map_err(|source| ReadError {
                file: stretch.name.clone(),
                source,
            })?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    }
}
