//! Segments that the manifest lists and that are not there.
//!
//! What the manifest said of one is written into quarantine, durably, before any manifest that
//! lists it no more can come into force: `<number>-missing.json`. It is told of at every start
//! until a person deletes that note. Should files be there again that a note is of (a disk
//! that was away, a backup), they are moved into quarantine and not deleted, as what no
//! manifest lists is otherwise: what was asked to be deleted meanwhile may be in them, so only
//! a person can say whether they are wanted.

use super::aside::QUARANTINE;
use super::files::{children, sync_dir};
use super::{OpenError, SegmentDir, open_error};
use crate::{Manifest, SegmentMeta};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const NOTE: &str = "missing.json";
/// So many are told of one by one.
const TOLD_MAX: usize = 8;
/// A note has no more bytes than this, whatever lies there.
const NOTE_BYTES_MAX: u64 = 1 << 20;

impl SegmentDir {
    /// Moves the files of segments aside that are noted as missing and are there again: nobody
    /// lists them, and what nobody lists is deleted.
    pub(super) fn keep_returned(&mut self, manifest: &Manifest) -> Result<(), OpenError> {
        for (note, meta) in self.notes()? {
            let path = self.path(&meta.tenant, meta.id);
            if !path.exists() {
                continue;
            }
            if manifest.segment(meta.id).is_some() {
                // There was no manifest without it, so it never went.
                fs::remove_file(&note).map_err(open_error("delete", &note))?;
                continue;
            }
            let moved = self.move_aside(&path, "returned");
            moved.map_err(|error| open_error("move aside", &path)(error.cause))?;
            let quarantine = self.root.join(QUARANTINE);
            sync_dir(&quarantine).map_err(open_error("sync", &quarantine))?;
            // It says no more than the files now.
            fs::remove_file(&note).map_err(open_error("delete", &note))?;
            let trouble = format!(
                "segment {:016x} of tenant {} was missing and is there again; it is not served and was moved to {}/, which nothing deletes",
                meta.id,
                meta.tenant.as_str(),
                quarantine.display()
            );
            tracing::error!("{trouble}");
            self.troubles.push(trouble);
        }
        Ok(())
    }

    /// Takes segments out of the manifest that are not there, and sees to it that this is not
    /// forgotten.
    ///
    /// # Errors
    /// [`OpenError`] where it cannot be noted: what nobody knows of would be deleted once its
    /// files are there again.
    pub(super) fn note_missing(&mut self, manifest: &mut Manifest) -> Result<(), OpenError> {
        let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut manifest.segments)
            .into_iter()
            .partition(|meta| self.is_there(meta));
        manifest.segments = there;
        let quarantine = self.root.join(QUARANTINE);
        let aside = children(&quarantine).map_err(open_error("list", &quarantine))?;
        for meta in &missing {
            self.quarantined.fetch_add(1, Ordering::Relaxed);
            // A crash came between moving it and the manifest that lists it no more; or it was
            // noted before, and there was no other manifest since.
            let number = format!("{:016x}-", meta.id);
            let is_known = |path: &PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with(&number))
            };
            if !aside.iter().any(is_known) {
                let note = open_error("note that a segment is missing in", &quarantine);
                self.write_note(meta).map_err(note)?;
            }
        }
        self.tell_of_missing()
    }

    fn tell_of_missing(&mut self) -> Result<(), OpenError> {
        let notes = self.notes()?;
        for (note, meta) in notes.iter().take(TOLD_MAX) {
            let trouble = format!(
                "segment {:016x} of tenant {} with {} records is missing from {}; find out where its files went, and delete {} once it need not be told of",
                meta.id,
                meta.tenant.as_str(),
                meta.records,
                self.tenant_dir(&meta.tenant).display(),
                note.display()
            );
            tracing::error!("{trouble}");
            self.troubles.push(trouble);
        }
        if let Some(more) = notes.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
            let quarantine = self.root.join(QUARANTINE);
            let trouble = format!(
                "{more} more segments are missing; see {}",
                quarantine.display()
            );
            self.troubles.push(trouble);
        }
        Ok(())
    }

    /// The notes and what they are of, by their numbers.
    fn notes(&self) -> Result<Vec<(PathBuf, SegmentMeta)>, OpenError> {
        let quarantine = self.root.join(QUARANTINE);
        let aside = children(&quarantine).map_err(open_error("list", &quarantine))?;
        let is_note = |path: &PathBuf| path.to_string_lossy().ends_with(NOTE);
        let mut notes: Vec<_> = aside
            .into_iter()
            .filter(is_note)
            .filter_map(|path| read_note(&path).map(|meta| (path, meta)))
            .collect();
        notes.sort_unstable_by_key(|(_, meta)| meta.id);
        Ok(notes)
    }

    fn write_note(&self, meta: &SegmentMeta) -> io::Result<()> {
        let quarantine = self.root.join(QUARANTINE);
        let mut file = File::create(quarantine.join(format!("{:016x}-{NOTE}", meta.id)))?;
        file.write_all(&serde_json::to_vec_pretty(meta)?)?;
        file.sync_all()?;
        sync_dir(&quarantine)
    }
}

fn read_note(path: &Path) -> Option<SegmentMeta> {
    let meta = fs::metadata(path).ok()?;
    if meta.len() > NOTE_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
