//! What the labels of neighbouring streams are, so that mostly no stream need be read to say
//! which of them a selector asks for.
//!
//! ```text
//! summary = told u8 (1: all names are told, else nothing follows)
//!           │ count varint, label* │ count varint, names of resource attributes*
//! label   = name │ flags u8 (1: every stream has it │ 2: these are all values
//!           │ 4: these are the least and the greatest) │ count varint, values
//! texts are (length varint, bytes)
//! ```
//!
//! A summary says nothing where that would take too many bytes; then the streams decide.

use super::super::numbers::{put_sized, put_varint, take_count, take_sized};
use super::unreadable;
use crate::segment::Damage;
use std::ops::Range;

/// How many names are told.
const NAMES_MAX: usize = 64;
/// How many values of a label are told, and how many bytes of them.
const VALUES_MAX: usize = 16;
const VALUE_BYTES_MAX: usize = 128;

const OF_ALL: u8 = 1;
const VALUES: u8 = 2;
const BOUNDS: u8 = 4;

/// What is known of the labels of some streams; read where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary<'a> {
    /// Nothing where it says nothing.
    told: Option<&'a [u8]>,
}

/// What values a label has in some streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values<'a> {
    /// These, and none where a stream lacks the label (`""` is among them then).
    Are(Vec<&'a str>),
    /// Some between these, both among them; `""` too where a stream lacks the label.
    Between(&'a str, &'a str, bool),
    /// Any.
    Unknown,
}

impl<'a> Summary<'a> {
    /// Reads the summary at the start of `bytes`.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (told, rest) = bytes.split_first()?;
        Some(Self {
            told: (*told == 1).then_some(rest),
        })
    }

    /// What is wrong where nothing can be read of it.
    pub(crate) fn damage() -> Damage {
        unreadable()
    }

    /// What values of a label there are; nothing where the summary is none.
    pub(crate) fn values(&self, label: &str) -> Option<Values<'a>> {
        let Some(mut at) = self.told else {
            return Some(Values::Unknown);
        };
        for _ in 0..take_count(&mut at)? {
            let name = text(&mut at)?;
            let (flags, rest) = at.split_first()?;
            at = rest;
            let count = take_count(&mut at)?;
            if name != label {
                for _ in 0..count {
                    take_sized(&mut at)?;
                }
                continue;
            }
            let texts = (0..count).map(|_| text(&mut at));
            let mut texts = texts.collect::<Option<Vec<&str>>>()?;
            let lacks = flags & OF_ALL == 0;
            if flags & VALUES != 0 {
                texts.extend(lacks.then_some(""));
                return Some(Values::Are(texts));
            }
            return Some(match texts[..] {
                [least, greatest] if flags & BOUNDS != 0 => Values::Between(least, greatest, lacks),
                _ => Values::Unknown,
            });
        }
        Some(Values::Are(vec![""]))
    }

    /// Whether a stream may have a resource attribute whose name `is_it`; nothing where the
    /// summary is none.
    pub(crate) fn may_have_resource(&self, is_it: impl Fn(&str) -> bool) -> Option<bool> {
        let Some(mut at) = self.told else {
            return Some(true);
        };
        for _ in 0..take_count(&mut at)? {
            take_sized(&mut at)?;
            at = at.get(1..)?;
            for _ in 0..take_count(&mut at)? {
                take_sized(&mut at)?;
            }
        }
        for _ in 0..take_count(&mut at)? {
            if is_it(text(&mut at)?) {
                return Some(true);
            }
        }
        Some(false)
    }
}

fn text<'a>(at: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take_sized(at)?).ok()
}

/// A summary in the making.
#[derive(Default)]
pub(super) struct Seen<'a> {
    streams: usize,
    labels: Vec<Label<'a>>,
    resource: Vec<&'a str>,
    too_many: bool,
}

struct Label<'a> {
    name: &'a str,
    streams: usize,
    last: &'a str,
    values: Told<'a>,
}

enum Told<'a> {
    All(Vec<&'a str>),
    Bounds(&'a str, &'a str),
}

impl<'a> Seen<'a> {
    /// Takes a stream in.
    pub(super) fn add(&mut self, labels: &[(&'a str, &'a str)], resource: &[(&'a str, &'a str)]) {
        self.streams += 1;
        for (place, (name, value)) in labels.iter().enumerate() {
            self.add_label(place, name, value);
        }
        for (place, (name, _)) in resource.iter().enumerate() {
            let is_known = self.resource.get(place) == Some(name) || self.resource.contains(name);
            if is_known {
                continue;
            }
            match self.resource.len() < NAMES_MAX {
                true => self.resource.push(name),
                false => self.too_many = true,
            }
        }
    }

    fn add_label(&mut self, place: usize, name: &'a str, value: &'a str) {
        // Mostly all streams have the same labels.
        let is_it = |label: &Label<'a>| label.name == name;
        let at = match self.labels.get(place).is_some_and(is_it) {
            true => Some(place),
            false => self.labels.iter().position(is_it),
        };
        let Some(at) = at else {
            if self.labels.len() >= NAMES_MAX {
                self.too_many = true;
                return;
            }
            self.labels.push(Label {
                name,
                streams: 1,
                last: value,
                values: Told::All(vec![value]),
            });
            return;
        };
        let label = &mut self.labels[at];
        label.streams += 1;
        if label.last == value {
            return;
        }
        label.last = value;
        match &mut label.values {
            Told::Bounds(least, greatest) => {
                (*least, *greatest) = ((*least).min(value), (*greatest).max(value));
            }
            Told::All(values) if values.contains(&value) => {}
            Told::All(values) => {
                values.push(value);
                let bytes: usize = values.iter().map(|value| value.len()).sum();
                if values.len() > VALUES_MAX || bytes > VALUE_BYTES_MAX {
                    let least = values.iter().min().copied().unwrap_or_default();
                    let greatest = values.iter().max().copied().unwrap_or_default();
                    label.values = Told::Bounds(least, greatest);
                }
            }
        }
    }

    /// Appends the summary; where it lies.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Range<usize> {
        let from = out.len();
        out.push(u8::from(!self.too_many));
        if self.too_many {
            return from..out.len();
        }
        put_varint(self.labels.len() as u64, out);
        for label in &self.labels {
            put_sized(label.name.as_bytes(), out);
            let of_all = if label.streams == self.streams {
                OF_ALL
            } else {
                0
            };
            let (flag, values) = match &label.values {
                Told::All(values) => (VALUES, &values[..]),
                Told::Bounds(least, greatest) => (BOUNDS, &[*least, *greatest][..]),
            };
            let bytes: usize = values.iter().map(|value| value.len()).sum();
            let fits = bytes <= 2 * VALUE_BYTES_MAX;
            out.push(of_all | if fits { flag } else { 0 });
            let values = if fits { values } else { &[] };
            put_varint(values.len() as u64, out);
            values
                .iter()
                .for_each(|value| put_sized(value.as_bytes(), out));
        }
        put_varint(self.resource.len() as u64, out);
        let names = self.resource.iter();
        names.for_each(|name| put_sized(name.as_bytes(), out));
        from..out.len()
    }
}
