//! Joins the lists of streams of several segments as they lie: what is compared and copied
//! are the bytes of a stream, and of each list a few are unpacked at a time. Segments of fifty
//! thousand streams each would otherwise become hundreds of megabytes of texts for the moment
//! that it takes to sort them.

use super::write::ListWriter;
use super::{FILE, Streams, pair, pairs, unreadable};
use crate::segment::Damage;
use crate::segment::numbers::take_count;
use crate::segment::packing::Unpacker;
use crate::stream::Level;
use std::cmp::Ordering;
use std::io;

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
    /// They have more streams together than a list can have.
    TooMany,
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
    let (mut count, mut joined) = (0_u32, ListWriter::new()?);
    let (mut key, mut stream) = (Vec::new(), Vec::new());
    while let Some(least) = fronts.iter().min_by(|a, b| a.order_of(&b.key, &b.stream)) {
        key.clone_from(&least.key);
        stream.clone_from(&least.stream);
        joined.add(&stream).ok_or(ListsError::TooMany)?;
        for front in &mut fronts {
            if front.order_of(&key, &stream).is_eq() {
                ordinals[front.at].push(count);
                front.has = front.advance().map_err(of_list(front.at))?;
            }
        }
        fronts.retain(|front| front.has);
        count = count.checked_add(1).ok_or(ListsError::TooMany)?;
    }
    Ok(JoinedStreams {
        file: joined.finish().ok_or(ListsError::TooMany)?,
        ordinals,
    })
}

/// Where a list is being read.
struct Front<'a> {
    /// The place of the list.
    at: usize,
    list: &'a Streams,
    unpacker: Unpacker,
    /// The next section.
    section: u32,
    /// The one here, and how much of it was read.
    unpacked: Vec<u8>,
    read: usize,
    /// How many streams are left behind this one.
    left: u32,
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
        list.check_index()?;
        Ok(Self {
            at,
            list,
            unpacker: Unpacker::new()?,
            section: 0,
            unpacked: Vec::new(),
            read: 0,
            left: list.len(),
            has: true,
            stream: Vec::new(),
            key: Vec::new(),
            stream_before: Vec::new(),
            key_before: Vec::new(),
        })
    }

    /// Goes to the next stream; false where there is none.
    fn advance(&mut self) -> Result<bool, Damage> {
        if self.read == self.unpacked.len() && !self.unpack()? {
            return match self.left {
                0 => Ok(false),
                _ => Err(unreadable()),
            };
        }
        std::mem::swap(&mut self.key, &mut self.key_before);
        std::mem::swap(&mut self.stream, &mut self.stream_before);
        self.take()?;
        self.left = self.left.checked_sub(1).ok_or_else(unreadable)?;
        // The first has nothing before it.
        let is_first = self.stream_before.is_empty();
        if is_first || self.order_of(&self.key_before, &self.stream_before).is_gt() {
            return Ok(true);
        }
        Err(Damage(format!("the streams of {FILE} are not in order")))
    }

    /// Takes the stream that comes next.
    fn take(&mut self) -> Result<(), Damage> {
        let from = self.unpacked.get(self.read..).unwrap_or_default();
        let mut rest = from;
        self.key.clear();
        passed(&mut rest, &mut self.key).ok_or_else(unreadable)?;
        let length = from.len() - rest.len();
        self.stream.clear();
        self.stream.extend_from_slice(&from[..length]);
        self.read += length;
        Ok(())
    }

    /// Unpacks the next section; false where there is none.
    fn unpack(&mut self) -> Result<bool, Damage> {
        if self.section == self.list.sections() {
            return Ok(false);
        }
        let Self {
            list,
            unpacker,
            unpacked,
            ..
        } = self;
        list.unpack(self.section, unpacker, unpacked)?;
        self.section += 1;
        self.read = 0;
        Ok(!self.unpacked.is_empty())
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

#[cfg(test)]
mod tests;
