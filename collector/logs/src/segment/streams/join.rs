//! Joins the lists of streams of several segments as they lie: what is compared and copied
//! are the bytes of a stream, and of each list a few are unpacked at a time. Segments of fifty
//! thousand streams each would otherwise become hundreds of megabytes of texts for the moment
//! that it takes to sort them.

use super::{CHECKSUM, FILE, Streams, pair, pairs, seal};
use crate::segment::Damage;
use crate::segment::numbers::{put_varint, take_count};
use crate::segment::packing::{PieceReader, PieceWriter};
use crate::stream::Level;
use std::cmp::Ordering;
use std::io::{self, Read as _, Write as _};

/// How many bytes of a list are unpacked at once, or more where a stream is longer.
const UNPACKED: usize = 64 << 10;

/// The streams of several segments together, in their order.
pub(in crate::segment) struct JoinedStreams {
    /// The file.
    pub(in crate::segment) file: Vec<u8>,
    /// Of each segment, the place of each of its streams among all.
    pub(in crate::segment) ordinals: Vec<Vec<u32>>,
}

/// Why lists could not be joined.
#[derive(Debug)]
pub(in crate::segment) enum ListsError {
    /// The list at this place is damaged.
    Damaged(usize, Damage),
    Io(io::Error),
}

impl From<io::Error> for ListsError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Joins lists.
pub(in crate::segment) fn join(lists: &[&Streams]) -> Result<JoinedStreams, ListsError> {
    let of_list = |at: usize| move |damage| ListsError::Damaged(at, damage);
    let mut fronts = Vec::with_capacity(lists.len());
    let mut ordinals = vec![Vec::new(); lists.len()];
    for (at, list) in lists.iter().enumerate() {
        let mut front = Front::of(at, list).map_err(of_list(at))?;
        if front.advance().map_err(of_list(at))? {
            fronts.push(front);
        }
    }
    let (mut count, mut length) = (0_u32, 0);
    let mut packed = PieceWriter::new()?;
    let (mut key, mut stream) = (Vec::new(), Vec::new());
    while let Some(least) = fronts.iter().min_by(|a, b| a.order_of(&b.key, &b.stream)) {
        key.clone_from(&least.key);
        stream.clone_from(&least.stream);
        packed.write_all(&stream)?;
        length += stream.len();
        for front in &mut fronts {
            if front.order_of(&key, &stream).is_eq() {
                ordinals[front.at].push(count);
                front.has = front.advance().map_err(of_list(front.at))?;
            }
        }
        fronts.retain(|front| front.has);
        count += 1;
    }
    // How many there are is known only now. A piece may have several parts.
    let mut start = Vec::new();
    put_varint(u64::from(count), &mut start);
    let mut counted = PieceWriter::new()?;
    counted.write_all(&start)?;
    let mut file = vec![0; CHECKSUM];
    put_varint((start.len() + length) as u64, &mut file);
    file.append(&mut counted.finish()?);
    file.append(&mut packed.finish()?);
    Ok(JoinedStreams {
        file: seal(file),
        ordinals,
    })
}

/// Where a list is being read.
struct Front<'a> {
    /// The place of the list.
    at: usize,
    packed: PieceReader<'a>,
    /// What was unpacked, and how much of that was read.
    unpacked: Vec<u8>,
    read: usize,
    /// How many streams are left behind this one.
    left: usize,
    /// Whether there is one here.
    has: bool,
    /// The stream here, as it lies, and the texts of its labels, each with a zero behind it:
    /// what the order is of first.
    stream: Vec<u8>,
    key: Vec<u8>,
    /// The same of the one before.
    stream_before: Vec<u8>,
    key_before: Vec<u8>,
}

/// What a stream has: labels, attributes of the resource, level. Streams of equal texts are
/// in the order of these.
type Content<'a> = (Vec<(&'a str, &'a str)>, Vec<(&'a str, &'a str)>, u8);

impl<'a> Front<'a> {
    /// Before the first stream of a list.
    fn of(at: usize, list: &'a Streams) -> Result<Self, Damage> {
        let mut packed = list.packed()?;
        take_count(&mut packed).ok_or_else(unreadable)?;
        let mut front = Self {
            at,
            packed: PieceReader::new(packed)?,
            unpacked: Vec::new(),
            read: 0,
            left: 0,
            has: true,
            stream: Vec::new(),
            key: Vec::new(),
            stream_before: Vec::new(),
            key_before: Vec::new(),
        };
        front.left = front.take(|at, _| take_count(at))?;
        front.stream.clear();
        Ok(front)
    }

    /// Goes to the next stream; false where there is none.
    fn advance(&mut self) -> Result<bool, Damage> {
        if self.left == 0 {
            return Ok(false);
        }
        std::mem::swap(&mut self.key, &mut self.key_before);
        std::mem::swap(&mut self.stream, &mut self.stream_before);
        self.take(passed)?;
        self.left -= 1;
        // The first has nothing before it.
        let is_first = self.stream_before.is_empty();
        if is_first || self.order_of(&self.key_before, &self.stream_before).is_gt() {
            return Ok(true);
        }
        Err(Damage(format!("the streams of {FILE} are not in order")))
    }

    /// Takes what comes next, which `pass` passes; more is unpacked where it ends too early.
    fn take<T>(
        &mut self,
        pass: impl Fn(&mut &[u8], &mut Vec<u8>) -> Option<T>,
    ) -> Result<T, Damage> {
        loop {
            let from = &self.unpacked[self.read..];
            let mut rest = from;
            self.key.clear();
            if let Some(passed) = pass(&mut rest, &mut self.key) {
                let length = from.len() - rest.len();
                self.stream.clear();
                self.stream.extend_from_slice(&from[..length]);
                self.read += length;
                return Ok(passed);
            }
            if !self.unpack()? {
                return Err(unreadable());
            }
        }
    }

    /// Unpacks as much again as is left to be read; false where nothing more comes.
    fn unpack(&mut self) -> Result<bool, Damage> {
        self.unpacked.drain(..self.read);
        self.read = 0;
        let more = self.unpacked.len().max(UNPACKED) as u64;
        let mut part = (&mut self.packed).take(more);
        Ok(part.read_to_end(&mut self.unpacked)? > 0)
    }

    /// How it stands to another stream.
    fn order_of(&self, key: &[u8], stream: &[u8]) -> Ordering {
        let texts = self.key.as_slice().cmp(key);
        texts.then_with(|| match self.stream == stream {
            true => Ordering::Equal,
            false => content(&self.stream).cmp(&content(stream)),
        })
    }
}

/// Passes a stream, and collects the texts of its labels.
fn passed(at: &mut &[u8], key: &mut Vec<u8>) -> Option<()> {
    let (level, rest) = at.split_first()?;
    Level::of_number(*level)?;
    *at = rest;
    for _ in 0..take_count(at)? {
        let (name, value) = pair(at)?;
        for text in [name, value] {
            key.extend_from_slice(text.as_bytes());
            key.push(0);
        }
    }
    for _ in 0..take_count(at)? {
        pair(at)?;
    }
    Some(())
}

/// What a stream has, which was passed before.
fn content(stream: &[u8]) -> Option<Content<'_>> {
    let (level, mut at) = stream.split_first()?;
    let labels = pairs(&mut at)?;
    Some((labels, pairs(&mut at)?, *level))
}

fn unreadable() -> Damage {
    Damage(format!("{FILE} cannot be read"))
}

#[cfg(test)]
mod tests;
