//! Reads runs of frames from one file, and finds the next frame behind damage.

use super::frame::{self, Found, Frame, Key};
use super::storage::StoredFile;
use bytes::Bytes;
use sonde_proto::Position;
use std::io;

/// What is searched at once for the frame behind damage, in bytes.
const SEARCH_BYTES: usize = 1 << 20;
/// The piece that is skipped at once where it holds only zeros.
const PAGE: usize = 4096;
/// How far positions may jump over damage: more than any group of appends has.
const JUMP_MAX: u64 = 1 << 32;

/// A readable stretch of a file.
pub(super) struct Scan<'a, F> {
    pub(super) file: &'a F,
    /// Where the stretch ends, in bytes from the start of the file.
    pub(super) limit: u64,
    pub(super) key: Key,
}

/// Frames that follow one another without a gap in the file.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) frames: Vec<Frame>,
    /// Where the last of them ends.
    pub(super) end: u64,
    /// Whether no frame stands at `end`; otherwise the budget was used up.
    pub(super) nothing_follows: bool,
}

impl<F: StoredFile> Scan<'_, F> {
    /// Reads frames from `offset` on whose positions are `next` or later, about `bytes_max`
    /// of them, at least one if one stands there.
    pub(super) fn run(&self, offset: u64, next: Position, bytes_max: usize) -> io::Result<Run> {
        let mut window = self.window(offset, bytes_max)?;
        let mut run = Run {
            frames: Vec::new(),
            end: offset,
            nothing_follows: false,
        };
        let (mut at, mut next) = (0, next);
        loop {
            match frame::read(&window, at, self.key) {
                Found::Frame(frame) if frame.position >= next => {
                    at += frame.bytes;
                    next = frame.position.next();
                    run.frames.push(frame);
                    run.end = offset + at as u64;
                }
                Found::Short(needed) if run.end + needed as u64 <= self.limit => {
                    if !run.frames.is_empty() {
                        return Ok(run);
                    }
                    window = self.window(offset, needed)?;
                    if window.len() < needed {
                        run.nothing_follows = true;
                        return Ok(run);
                    }
                }
                Found::Frame(_) | Found::Short(_) | Found::Nothing => {
                    run.nothing_follows = true;
                    return Ok(run);
                }
            }
        }
    }

    /// The first frame after `offset` whose position is later than `next`, and its place.
    pub(super) fn frame_behind(&self, offset: u64, next: Position) -> io::Result<Option<u64>> {
        let mut from = offset + 1;
        while from < self.limit {
            let window = self.window(from, SEARCH_BYTES + frame::PREFIX + 8)?;
            let searched = window.len().min(SEARCH_BYTES);
            if let Some(at) = self.first_in(&window, searched, from, next)? {
                return Ok(Some(from + at as u64));
            }
            if searched == 0 {
                break;
            }
            from += searched as u64;
        }
        Ok(None)
    }

    fn first_in(
        &self,
        window: &Bytes,
        searched: usize,
        from: u64,
        next: Position,
    ) -> io::Result<Option<usize>> {
        let mut at = 0;
        while at < searched {
            if window[at..].len() >= PAGE && window[at..at + PAGE] == [0; PAGE] {
                // The last bytes of the page may still begin a frame's length.
                at += PAGE - frame::PREFIX;
                continue;
            }
            let plausible = frame::position_at(window, at, self.key)
                .is_some_and(|p| p > next && p.0 - next.0 < JUMP_MAX);
            if plausible
                && !self
                    .run(from + at as u64, next.next(), 1)?
                    .frames
                    .is_empty()
            {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    fn window(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut window = vec![0; bytes.max(PAGE).min(left)];
        let filled = self.file.read_at(&mut window, offset)?;
        window.truncate(filled);
        Ok(window.into())
    }
}
