//! A segment of the store, whether it is open or not.
//!
//! - Everything that knows of a segment has its [`Handle`]. Its files are mapped when somebody
//!   reads of it, and stay so while anybody does, or while [`Mapped`](super::Mapped) has room.
//! - Who wants the same segment at the same time waits for one opening. Nobody waits for the
//!   opening of another segment.
//! - What was found out once, as that a checksum holds, is not looked at again after the next
//!   opening.
//! - The files of a segment that the manifest lists no more are deleted with its last handle,
//!   so that whoever still has one can open it.

use super::Damage;
use super::common::Common;
use super::fetch::Scratch;
use super::reader::Segment;
use super::streams::StreamList;
use super::templates::Dictionaries;
use crate::stream::KeptStreams;
use parking_lot::Mutex;
use sonde_proto::Deadline;
use sonde_segment::{SegmentDir, SegmentMeta};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use tantivy::TantivyError;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError};

/// A segment that can be opened.
pub(crate) struct Handle {
    /// What the manifest says of it.
    pub(crate) meta: Arc<SegmentMeta>,
    path: PathBuf,
    common: Arc<Common>,
    known: Known,
    /// The segment, while somebody has it open.
    open: Mutex<Weak<Segment>>,
    /// From where its files are to be deleted, once the manifest lists it no more.
    unlisted: OnceLock<Arc<SegmentDir>>,
}

/// What is known of a segment however often it is opened.
#[derive(Default)]
pub(super) struct Known {
    pub(super) directory: Checked,
    pub(super) tokens: Checked,
    pub(super) words: Checked,
    pub(super) list: Checked,
    pub(super) streams: Arc<KeptStreams>,
    /// By which the dictionary of its first part is known among those of other segments.
    /// And how many parts there were.
    dictionaries: OnceLock<(u64, u32)>,
    /// How many bytes its files have.
    bytes: OnceLock<u64>,
}

impl Known {
    /// By which the dictionary of the first of so many parts is known.
    pub(super) fn dictionaries(&self, parts: u32, kept: &Dictionaries) -> u64 {
        let new = || (kept.next_ids(parts), parts);
        match self.dictionaries.get_or_init(new) {
            (first, known) if *known == parts => *first,
            // It has other parts than it had: that is damage, but of no other segment.
            _ => kept.next_ids(parts),
        }
    }

    /// Notes how many bytes its files have. Where they are others than before, what was found
    /// to be right is so no more.
    pub(super) fn note_bytes(&self, bytes: u64) -> Result<(), Damage> {
        let known = *self.bytes.get_or_init(|| bytes);
        match known == bytes {
            true => Ok(()),
            false => Err(Damage(format!(
                "its files have {bytes} bytes, and had {known} before"
            ))),
        }
    }
}

/// Whether a checksum holds, once somebody looked.
pub(super) type Checked = Arc<OnceLock<bool>>;

/// Why nothing can be read of a segment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Its bytes are not those that were written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The system does not let it be read, as where too many files are open. That says nothing
    /// about its bytes.
    #[error("{0}")]
    Unreadable(io::Error),
}

impl ReadError {
    /// What an answer says that has nothing of the segment.
    pub(crate) fn left_out(&self, segment: u64) -> String {
        match self {
            Self::Damaged(damage) => {
                format!("segment {segment:016x} is damaged and was left out: {damage}")
            }
            Self::Unreadable(error) => {
                format!("segment {segment:016x} could not be read and was left out: {error}")
            }
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::of_io(&error)
    }
}

impl ReadError {
    /// What the system says is about the system, unless a file is missing; what tantivy finds
    /// wrong with bytes has no number of the system's.
    fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        let is_missing = matches!(error.kind(), NotFound | NotADirectory | IsADirectory);
        match error.raw_os_error() {
            Some(number) if !is_missing => Self::Unreadable(io::Error::from_raw_os_error(number)),
            _ => Self::Damaged(Damage(error.to_string())),
        }
    }
}

impl From<OpenReadError> for ReadError {
    fn from(error: OpenReadError) -> Self {
        match &error {
            OpenReadError::IoError { io_error, .. } => Self::of_io(io_error),
            _ => Self::Damaged(Damage(error.to_string())),
        }
    }
}

impl From<OpenDirectoryError> for ReadError {
    fn from(error: OpenDirectoryError) -> Self {
        match &error {
            OpenDirectoryError::IoError { io_error, .. } => Self::of_io(io_error),
            _ => Self::Damaged(Damage(error.to_string())),
        }
    }
}

impl From<TantivyError> for ReadError {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::IoError(error) => Self::of_io(&error),
            TantivyError::OpenReadError(error) => error.into(),
            TantivyError::OpenDirectoryError(error) => error.into(),
            error => Self::Damaged(error.into()),
        }
    }
}

impl Handle {
    /// The segment in the directory at `path`, which is not looked at yet.
    pub(crate) fn new(meta: SegmentMeta, path: PathBuf, common: &Arc<Common>) -> Self {
        Self {
            meta: Arc::new(meta),
            path,
            common: Arc::clone(common),
            known: Known::default(),
            open: Mutex::default(),
            unlisted: OnceLock::new(),
        }
    }

    /// The segment, open for as long as it is held.
    pub(crate) fn open(&self) -> Result<Arc<Segment>, ReadError> {
        let segment = self.opened()?;
        self.common.mapped.keep(&segment);
        Ok(segment)
    }

    fn opened(&self) -> Result<Arc<Segment>, ReadError> {
        let mut open = self.open.lock();
        if let Some(segment) = open.upgrade() {
            return Ok(segment);
        }
        let meta = Arc::clone(&self.meta);
        let segment = Segment::open_known(meta, &self.path, &self.common, &self.known)?;
        let segment = Arc::new(segment);
        *open = Arc::downgrade(&segment);
        Ok(segment)
    }

    /// Holds every byte against its checksum.
    pub(crate) fn verify(&self) -> Result<(), ReadError> {
        Ok(self.open()?.verify()?)
    }

    /// The streams its records are of, ascending.
    pub(crate) fn streams(&self) -> Result<StreamList, ReadError> {
        Ok(self.open()?.streams()?)
    }

    /// Has its files deleted from `dir` when nobody can open it any more. The manifest in
    /// force lists it no more.
    pub(crate) fn delete_when_unused(&self, dir: &Arc<SegmentDir>) {
        self.unlisted.get_or_init(|| Arc::clone(dir));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(segment) = self.open.get_mut().upgrade() {
            self.common.mapped.forget(&segment);
        }
        if let Some(dir) = self.unlisted.get() {
            dir.remove(&self.meta.tenant, self.meta.id);
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.meta.id)
            .field("records", &self.meta.records)
            .finish_non_exhaustive()
    }
}

/// What a thread reads blocks with: the segment of the last one stays open until another is
/// wanted, for mostly the next one is of the same.
#[derive(Default)]
pub(crate) struct Reader {
    in_hand: Option<Arc<Segment>>,
    scratch: Option<Scratch>,
    deadline: Deadline,
}

impl Reader {
    /// Pipelines drop what is read after the deadline.
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            ..Self::default()
        }
    }

    /// The segment, in the place of the one before, and room for what is read of it.
    pub(crate) fn of(&mut self, handle: &Handle) -> Result<(&Segment, &mut Scratch), ReadError> {
        let is_it = |segment: &Arc<Segment>| Arc::ptr_eq(&segment.meta, &handle.meta);
        let segment = match self.in_hand.take().filter(is_it) {
            Some(segment) => segment,
            None => handle.open()?,
        };
        let scratch = match self.scratch.take() {
            Some(scratch) => scratch,
            None => Scratch::until(&self.deadline, handle.common.needle_bytes_max)?,
        };
        Ok((self.in_hand.insert(segment), self.scratch.insert(scratch)))
    }
}

/// The readers of one query, which hand their room from one piece of work to the next: what a
/// needle looks at is soon read, and room for a block not soon made.
#[derive(Default)]
pub(crate) struct Readers {
    spare: Mutex<Vec<Reader>>,
    deadline: Deadline,
}

impl Readers {
    /// Pipelines drop what is read after the deadline.
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            spare: Mutex::default(),
            deadline: deadline.clone(),
        }
    }

    /// Does `work` with a reader that nobody else has.
    pub(crate) fn lend<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        let spare = self.spare.lock().pop();
        let mut reader = spare.unwrap_or_else(|| Reader::until(&self.deadline));
        let done = work(&mut reader);
        self.spare.lock().push(reader);
        done
    }
}

#[cfg(test)]
mod tests;
