//! From the bytes of a data point to the numbers of its series.
//!
//! A point that looks like an earlier one, byte for byte in resource, metric and attributes,
//! has the same series. The key is 128 bits of two independent hashes, so a wrong answer is
//! out of question for anything but an attack on one's own tenant.

use super::grow;
use ahash::{AHasher, RandomState};
use hashbrown::HashTable;
use smallvec::SmallVec;
use std::hash::{BuildHasher as _, Hasher as _};

/// Numbers from here on stand for series that were refused; which one tells why.
const REFUSED: u32 = u32::MAX - 6;
/// About what an entry takes.
const GROUP_BYTES: usize = size_of::<Entry>() + 10;
/// Above this many entries the table starts afresh: it can always be worked out again.
const GROUPS_MAX: usize = 4 << 20;
/// And above this many bytes: a histogram's entry has a number for each of its buckets.
const BYTES_MAX: usize = 256 << 20;
/// And above so many entries for each series, and these beside them: the same series may come
/// in ever other words, say with its attributes in another order.
const GROUPS_PER_SERIES_MAX: usize = 4;
const GROUPS_ANYHOW: usize = 64 << 10;

/// So many groups with refused series are remembered. One more is refused the slow way, every
/// time: attributes that are never the same must not fill memory.
const REFUSED_MAX: usize = 64 << 10;

/// What identifies a data point's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64, u64);

/// Makes keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys(RandomState, RandomState);

/// The series of one data point.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What else must be equal: bounds, quantiles.
    pub(crate) shape: u64,
    /// In the order of the point's values.
    pub(crate) series: SmallVec<[u32; 4]>,
}

/// Why a series was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The tenant has as many as it may.
    SeriesMax,
    /// All tenants together have as many as they may.
    SeriesTotalMax,
    /// Its metric has as many as one may.
    SeriesOfMetricMax,
    /// The texts of all labels take as many bytes as they may.
    SymbolsMax,
    /// It has too many labels.
    Labels,
    /// A name or value is too long.
    LabelBytes,
}

impl Refusal {
    const ALL: [Self; 6] = [
        Self::SeriesMax,
        Self::SeriesTotalMax,
        Self::SeriesOfMetricMax,
        Self::SymbolsMax,
        Self::Labels,
        Self::LabelBytes,
    ];

    /// Whether it is the number of series that is too large, not one of them.
    pub(crate) fn is_of_number(self) -> bool {
        matches!(
            self,
            Self::SeriesMax | Self::SeriesTotalMax | Self::SeriesOfMetricMax | Self::SymbolsMax
        )
    }

    /// The number that stands for a series refused for this reason.
    pub(crate) fn number(self) -> u32 {
        REFUSED + self as u32
    }

    /// Why the series of that number was refused; `None` if it was not.
    pub(crate) fn of(series: u32) -> Option<Self> {
        Self::ALL
            .get(series.checked_sub(REFUSED)? as usize)
            .copied()
    }
}

/// The series of all data points seen lately. There are as many entries as there are points,
/// so they lie close together, and the table has only their numbers.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    entries: Vec<Entry>,
    numbers: HashTable<u32>,
    /// Numbers of series that lie outside of the entries.
    outside: usize,
    refused: usize,
    /// The entry after the one found last: senders send in the same order again.
    next: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    shape: u64,
    series: Numbers,
}

/// The numbers of a group's series; most have one.
#[derive(Debug)]
enum Numbers {
    One(u32),
    Some(Box<[u32]>),
}

impl Default for Keys {
    fn default() -> Self {
        Self(
            RandomState::with_seeds(11, 13, 17, 19),
            RandomState::with_seeds(23, 29, 31, 37),
        )
    }
}

impl Keys {
    /// The key of `parts` within what `parent` stands for.
    pub(crate) fn key(&self, parent: Key, parts: &[&[u8]]) -> Key {
        let hash = |state: &RandomState, parent: u64| {
            let mut hasher = state.build_hasher();
            hasher.write_u64(parent);
            for part in parts {
                hasher.write(part);
                hasher.write_usize(part.len());
            }
            hasher.finish()
        };
        Key(hash(&self.0, parent.0), hash(&self.1, parent.1))
    }

    /// The key of other keys, one after the other, within what `parent` stands for.
    pub(crate) fn joined(&self, parent: Key) -> Joined {
        let begun = |state: &RandomState, parent: u64| {
            let mut hasher = state.build_hasher();
            hasher.write_u64(parent);
            hasher
        };
        Joined(begun(&self.0, parent.0), begun(&self.1, parent.1))
    }

    /// A hasher for shapes.
    pub(crate) fn shapes(&self) -> &RandomState {
        &self.0
    }
}

/// A key in the making.
pub(crate) struct Joined(AHasher, AHasher);

impl Joined {
    #[inline]
    pub(crate) fn add(&mut self, key: Key) {
        self.0.write_u64(key.0);
        self.1.write_u64(key.1);
    }

    pub(crate) fn key(self) -> Key {
        Key(self.0.finish(), self.1.finish())
    }
}

impl Key {
    /// The key that every other one starts from.
    pub(crate) const ROOT: Self = Self(0, 0);
}

impl Group {
    fn is_refused(&self) -> bool {
        self.series.iter().any(|id| *id >= REFUSED)
    }
}

impl Groups {
    pub(crate) fn get(&mut self, key: Key) -> Option<Group> {
        let entry = self.find(key)?;
        Some(Group {
            shape: entry.shape,
            series: SmallVec::from_slice(entry.series.as_slice()),
        })
    }

    /// The first series of a group.
    #[inline]
    pub(crate) fn first(&mut self, key: Key) -> Option<u32> {
        self.find(key)?.series.as_slice().first().copied()
    }

    #[inline]
    fn find(&mut self, key: Key) -> Option<&Entry> {
        let expected = self.entries.get(self.next);
        if expected.is_none_or(|entry| entry.key != key) {
            let is_it = |number: &u32| self.entries[*number as usize].key == key;
            self.next = *self.numbers.find(key.0, is_it)? as usize;
        }
        let found = self.entries.get(self.next);
        self.next += 1;
        found
    }

    /// The same as [`Self::get`], for whoever may change nothing.
    pub(crate) fn peek(&self, key: Key) -> Option<Group> {
        let is_it = |number: &u32| self.entries[*number as usize].key == key;
        let entry = self
            .entries
            .get(*self.numbers.find(key.0, is_it)? as usize)?;
        Some(Group {
            shape: entry.shape,
            series: SmallVec::from_slice(entry.series.as_slice()),
        })
    }

    /// Notes the series of a data point, one of so many series.
    pub(crate) fn insert(&mut self, key: Key, group: Group, of_series: usize) {
        if group.is_refused() {
            if self.refused >= REFUSED_MAX {
                return;
            }
            self.refused += 1;
        }
        let entries_max = of_series.saturating_mul(GROUPS_PER_SERIES_MAX) + GROUPS_ANYHOW;
        if self.entries.len() >= entries_max.min(GROUPS_MAX) || self.bytes() >= BYTES_MAX {
            *self = Self {
                refused: usize::from(group.is_refused()),
                ..Self::default()
            };
        }
        self.put(Entry {
            key,
            shape: group.shape,
            series: Numbers::of(group.series),
        });
    }

    fn put(&mut self, entry: Entry) {
        self.outside += entry.series.outside();
        let is_it = |number: &u32| self.entries[*number as usize].key == entry.key;
        if let Some(known) = self.numbers.find(entry.key.0, is_it) {
            let known = &mut self.entries[*known as usize];
            self.outside -= known.series.outside();
            *known = entry;
            return;
        }
        let number = self.entries.len() as u32;
        let hash = entry.key.0;
        grow(&mut self.entries, 1);
        self.entries.push(entry);
        let entries = &self.entries;
        let rehash = |number: &u32| entries[*number as usize].key.0;
        self.numbers.insert_unique(hash, number, rehash);
    }

    /// About how much memory the table takes.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.len() * GROUP_BYTES + self.outside * 4
    }

    /// Gives refused series another chance.
    pub(crate) fn forget_refused(&mut self) {
        if std::mem::take(&mut self.refused) > 0 {
            let old = std::mem::take(self).entries.into_iter();
            old.filter(|entry| !entry.series.is_refused())
                .for_each(|entry| self.put(entry));
        }
    }
}

impl Numbers {
    fn of(series: SmallVec<[u32; 4]>) -> Self {
        match series.as_slice() {
            [one] => Self::One(*one),
            _ => Self::Some(series.into_boxed_slice()),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Some(all) => all,
        }
    }

    fn is_refused(&self) -> bool {
        self.as_slice().iter().any(|id| *id >= REFUSED)
    }

    fn outside(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Some(all) => all.len(),
        }
    }
}
