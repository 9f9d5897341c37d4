//! Joins the lists of streams of several segments as they lie: what is compared and copied
//! are the bytes of a stream. Segments of fifty thousand streams each would otherwise become
//! hundreds of megabytes of texts for the moment that it takes to sort them.

use super::{FILE, Streams, pair, write_raw};
use crate::segment::Damage;
use crate::segment::numbers::{put_varint, take_count};
use crate::segment::packing::Packer;
use crate::stream::Level;
use std::cmp::Ordering;

/// The streams of several segments together, in their order.
pub(in crate::segment) struct JoinedStreams {
    /// The file.
    pub(in crate::segment) file: Vec<u8>,
    /// Of each segment, the place of each of its streams among all.
    pub(in crate::segment) ordinals: Vec<Vec<u32>>,
}

/// Joins lists; damage comes with the place of the list that has it.
pub(in crate::segment) fn join(
    lists: &[&Streams],
    packer: &mut Packer,
) -> Result<JoinedStreams, (usize, Damage)> {
    let of_list = |at: usize| move |damage| (at, damage);
    let mut lists_raw = Vec::with_capacity(lists.len());
    for (at, list) in lists.iter().enumerate() {
        lists_raw.push(list.raw().map_err(of_list(at))?);
    }
    let mut fronts = Vec::with_capacity(lists.len());
    let mut ordinals = vec![Vec::new(); lists.len()];
    for (at, raw) in lists_raw.iter().enumerate() {
        let mut front = Front::of(at, raw).map_err(of_list(at))?;
        ordinals[at].reserve(front.left.min(raw.len()));
        if front.advance().map_err(of_list(at))? {
            fronts.push(front);
        }
    }
    let (mut all, mut count) = (Vec::new(), 0_u32);
    let mut key = Vec::new();
    while let Some(least) = fronts.iter().min_by(|a, b| a.order_of(&b.key, b.stream)) {
        key.clone_from(&least.key);
        let stream = least.stream;
        all.extend_from_slice(stream);
        for front in &mut fronts {
            if front.order_of(&key, stream).is_eq() {
                ordinals[front.at].push(count);
                front.has = front.advance().map_err(of_list(front.at))?;
            }
        }
        fronts.retain(|front| front.has);
        count += 1;
    }
    drop(lists_raw);
    let mut raw = Vec::with_capacity(all.len() + 10);
    put_varint(u64::from(count), &mut raw);
    raw.append(&mut all);
    Ok(JoinedStreams {
        file: write_raw(&raw, packer),
        ordinals,
    })
}

/// Where a list is being read.
struct Front<'a> {
    /// The place of the list.
    at: usize,
    rest: &'a [u8],
    /// How many streams are left behind this one.
    left: usize,
    /// Whether there is one here.
    has: bool,
    /// The stream here, as it lies.
    stream: &'a [u8],
    /// The texts of its labels, each with a zero behind it: what the order is of first.
    key: Vec<u8>,
}

/// What a stream has: labels, attributes of the resource, level. Streams of equal texts are
/// in the order of these.
type Content<'a> = (Vec<(&'a str, &'a str)>, Vec<(&'a str, &'a str)>, u8);

impl<'a> Front<'a> {
    /// Before the first stream of a list.
    fn of(at: usize, raw: &'a [u8]) -> Result<Self, Damage> {
        let mut rest = raw;
        let left = take_count(&mut rest).ok_or_else(unreadable)?;
        Ok(Self {
            at,
            rest,
            left,
            has: true,
            stream: &[],
            key: Vec::new(),
        })
    }

    /// Goes to the next stream; false where there is none.
    fn advance(&mut self) -> Result<bool, Damage> {
        if self.left == 0 {
            return Ok(false);
        }
        let (key, stream) = (std::mem::take(&mut self.key), self.stream);
        let mut at = self.rest;
        self.key.reserve(key.len() + 8);
        passed(&mut at, &mut self.key).ok_or_else(unreadable)?;
        let length = self.rest.len() - at.len();
        (self.stream, self.rest) = self.rest.split_at(length);
        self.left -= 1;
        // The first has nothing before it.
        if stream.is_empty() || self.order_of(&key, stream).is_gt() {
            return Ok(true);
        }
        Err(Damage(format!("the streams of {FILE} are not in order")))
    }

    /// How it stands to another stream.
    fn order_of(&self, key: &[u8], stream: &[u8]) -> Ordering {
        let texts = self.key.as_slice().cmp(key);
        texts.then_with(|| match self.stream == stream {
            true => Ordering::Equal,
            false => content(self.stream).cmp(&content(stream)),
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
    let labels = super::pairs(&mut at)?;
    Some((labels, super::pairs(&mut at)?, *level))
}

fn unreadable() -> Damage {
    Damage(format!("{FILE} cannot be read"))
}

#[cfg(test)]
mod tests;
