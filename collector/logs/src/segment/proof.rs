//! Whether the bytes of a segment are those that were written.
//!
//! That a query could not read a segment proves nothing: a defect of this program, memory that
//! is exhausted, or a version of the format that it does not know look the same. Before a
//! segment is taken away from those who ask, every byte is held against its checksum here, by
//! nothing but reading files: no mapping, no tantivy, no decoding.

use super::directory::{self, Directory, Section};
use super::handle::ReadError;
use super::parts::Part;
use super::tokens::{self, Tokens};
use super::writer::BLOCKS;
use super::{Damage, guarded, streams, templates, vocabulary};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tantivy::directory::OwnedBytes;

/// What the bytes of a segment say.
#[derive(Debug)]
pub(crate) enum Proof {
    /// All of them are as they were written.
    Whole,
    /// Some are not, or are gone.
    Damaged(String),
    /// The system does not let them be read.
    Unreadable(io::Error),
    /// They are of another version of the format.
    Version,
}

/// Holds all files of the segment in `dir` against their checksums.
pub(crate) fn prove(dir: &Path) -> Proof {
    let mut is_version = false;
    let proved = guarded::<_, Damage>(|| Ok(hold(dir, &mut is_version)));
    match proved {
        _ if is_version => Proof::Version,
        Ok(Ok(())) => Proof::Whole,
        Ok(Err(ReadError::Damaged(Damage(why)))) => Proof::Damaged(why),
        Ok(Err(ReadError::Unreadable(error))) => Proof::Unreadable(error),
        // Nothing above panics over bytes; if it does, that proves nothing.
        Err(_) => Proof::Whole,
    }
}

fn hold(dir: &Path, is_version: &mut bool) -> Result<(), ReadError> {
    let bytes = fs::read(dir.join(directory::FILE))?;
    if let Some(mut as_ours) = directory::of_another_version(&bytes) {
        // Or it is of ours, and the byte that says so is damaged.
        *is_version = as_ours
            .all(|bytes| Directory::open(OwnedBytes::new(bytes)).is_ok_and(|d| d.check().is_err()));
        return Err(damage(directory::FILE));
    }
    let directory = Directory::open(OwnedBytes::new(bytes))?;
    directory.check()?;
    hold_blocks(&directory, &dir.join(BLOCKS))?;
    let parts = (0..directory.parts()).map(|number| directory.part(number));
    hold_templates(
        &parts.collect::<Result<Vec<_>, _>>()?,
        &dir.join(templates::FILE),
    )?;
    Tokens::open(OwnedBytes::new(fs::read(dir.join(tokens::FILE))?))?.check()?;
    streams::check_file(fs::read(dir.join(streams::FILE))?)?;
    if vocabulary::checksum_of(dir)? != directory.words_checksum() {
        return Err(damage(vocabulary::DIR));
    }
    Ok(())
}

fn hold_blocks(directory: &Directory, path: &Path) -> Result<(), ReadError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut end, mut bytes) = (0, Vec::new());
    for number in 0..directory.blocks() {
        let head = directory.head(number)?;
        for section in Section::ALL {
            let (range, checksum) = head.extent(section).ok_or_else(|| damage(BLOCKS))?;
            let (from, to) = (range.start as u64, range.end as u64);
            if from != end || to > length {
                return Err(damage(BLOCKS));
            }
            bytes.resize(range.len(), 0);
            file.read_exact_at(&mut bytes, from)?;
            if crc32c::crc32c(&bytes) != checksum {
                return Err(damage(BLOCKS));
            }
            end = to;
        }
    }
    match end == length {
        true => Ok(()),
        false => Err(damage(BLOCKS)),
    }
}

fn hold_templates(parts: &[Part], path: &Path) -> Result<(), ReadError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let mut end = 0;
    for place in parts.iter().map(|part| part.dictionary) {
        if place.length == 0 {
            continue;
        }
        let range = place.range().filter(|range| range.start == end);
        let written = range.clone().and_then(|range| bytes.get(range));
        if written.is_none_or(|bytes| crc32c::crc32c(bytes) != place.checksum) {
            return Err(damage(templates::FILE));
        }
        end = range.map_or(end, |range| range.end);
    }
    match end == bytes.len() {
        true => Ok(()),
        false => Err(damage(templates::FILE)),
    }
}

fn damage(file: &str) -> ReadError {
    ReadError::Damaged(Damage(format!("the checksum of {file} does not hold")))
}
