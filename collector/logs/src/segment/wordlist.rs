//! `words.txt`: the distinct words of a segment's bodies, one a line.
//!
//! ```text
//! CRC-32C (8 hex) of the rest, newline, (word, newline)*
//! ```
//!
//! A part of a word is looked for here with one pass of `memmem`, a hundred times as fast
//! as walking the dictionary; the words it is found in are then looked up there. A newline
//! is no word byte, so "starts with" and "ends with" are the needle with a newline.
//!
//! Memory: it is written as the dictionary is walked and read through a mapping, so a
//! segment holds none of it; what a query touched lies in the page cache.

use super::Damage;
use crate::words::{LONG_MARKER, Run};
use memchr::{memchr, memmem, memrchr};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tantivy::Directory as _;
use tantivy::directory::{MmapDirectory, OwnedBytes};
use tantivy::index::SegmentReader;
use tantivy::schema::Field;

const FILE: &str = "words.txt";
const HEAD_BYTES: usize = 8;

/// The words of a segment, mapped into memory.
pub(super) struct WordList(OwnedBytes);

impl WordList {
    /// Writes the words of a finished index into the segment's directory.
    pub(super) fn write(dir: &Path, reader: &SegmentReader, body: Field) -> tantivy::Result<()> {
        let index = reader.inverted_index(body)?;
        let mut out = Checked::create(&dir.join(FILE))?;
        out.put(b"\n")?;
        let mut terms = index.terms().stream()?;
        while terms.advance() {
            if !terms.key().starts_with(LONG_MARKER.as_bytes()) {
                out.put(terms.key())?;
                out.put(b"\n")?;
            }
        }
        Ok(out.finish()?)
    }

    /// Opens the words of a segment.
    pub(super) fn open(dir: &Path, verify: bool) -> Result<Self, Damage> {
        let damaged = |why: &dyn std::fmt::Display| Damage(format!("{FILE}: {why}"));
        let directory = MmapDirectory::open(dir).map_err(|error| damaged(&error))?;
        let file = directory
            .open_read(Path::new(FILE))
            .map_err(|error| damaged(&error))?;
        let bytes = file.read_bytes()?;
        let Some((head, list)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Err(damaged(&"it is cut short"));
        };
        let whole = list.first() == Some(&b'\n') && list.last() == Some(&b'\n');
        let right = || head == format!("{:08x}", crc32c::crc32c(list)).as_bytes();
        if !whole || (verify && !right()) {
            return Err(damaged(&"its checksum does not hold"));
        }
        Ok(Self(bytes))
    }

    /// The words that `run` can be the part of, each once.
    pub(super) fn with_part<'w>(
        &'w self,
        run: &Run<'_>,
    ) -> impl Iterator<Item = &'w str> + use<'w> {
        let list = &self.0[HEAD_BYTES..];
        let edge = |on: bool| if on { "\n" } else { "" };
        let needle = format!("{}{}{}", edge(run.starts), run.text, edge(run.ends));
        let skipped = usize::from(run.starts);
        let finder = memmem::Finder::new(needle.as_bytes()).into_owned();
        let mut from = 0;
        std::iter::from_fn(move || {
            let at = from + finder.find(list.get(from..)?)? + skipped;
            let start = memrchr(b'\n', &list[..at]).map_or(0, |newline| newline + 1);
            let end = at + memchr(b'\n', &list[at..])?;
            // The newline that ends this word begins the next.
            from = end;
            Some(&list[start..end])
        })
        // A word of damaged bytes is in no dictionary; the words after it are.
        .filter_map(|word| std::str::from_utf8(word).ok())
    }
}

/// A file whose checksum is known when its last byte is.
struct Checked {
    file: BufWriter<File>,
    checksum: u32,
}

impl Checked {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&[b'0'; HEAD_BYTES])?;
        Ok(Self { file, checksum: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.file.write_all(bytes)
    }

    fn finish(self) -> io::Result<()> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.write_all_at(format!("{:08x}", self.checksum).as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests;
