//! The series of one target: what was worked out once, and which were there last time.

use super::points::attributes;
use crate::scrape::Labels;
use crate::scrape::relabel::get;
use sonde_exposition::{Family, Kind};
use sonde_proto::METRIC_NAME;
use sonde_proto::scrape::ScrapedMetadata;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The most families that are described for each target.
const METADATA_MAX: usize = 10_000;
/// Families are told apart up to this many; beyond it all are one.
const FAMILIES_MAX: usize = 100_000;

/// Stands for a series.
pub(super) type Number = u32;

/// What is said of metrics of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    name: String,
    pub(super) kind: Kind,
    pub(super) help: String,
    pub(super) unit: String,
}

impl Described {
    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Gauge,
            help: help.to_owned(),
            unit: String::new(),
        }
    }
}

/// A series as it leaves.
#[derive(Debug)]
pub(super) struct One {
    pub(super) name: Box<str>,
    pub(super) described: Arc<Described>,
    /// OTLP.
    pub(super) attributes: Box<[u8]>,
    /// The text that finds it.
    text: Arc<[u8]>,
    /// In which scrape it was seen last.
    seen: u64,
    /// In which scrape it had a sample last, and which is to be missed when it vanishes.
    taken: u64,
    tracked: u64,
    tracked_before: u64,
}

/// What is known of a sample's text.
pub(super) enum Known {
    No,
    Dropped,
    Series(Number),
    /// It was seen in another family.
    OtherFamily(Number),
}

#[derive(Debug)]
struct Raw {
    number: Option<Number>,
    family: u32,
    seen: u64,
}

/// All series of one target.
#[derive(Debug, Default)]
pub(super) struct Series {
    scrape: u64,
    /// By the text of a sample.
    raw: HashMap<Box<[u8]>, Raw>,
    /// By name and attributes.
    numbers: HashMap<Arc<[u8]>, Number>,
    all: Vec<Option<One>>,
    free: Vec<Number>,
    families: HashMap<String, (u32, Arc<Described>)>,
    families_made: u32,
    metadata_changed: bool,
    /// How many texts there were in the last scrape that succeeded.
    usual: usize,
}

impl Series {
    /// A scrape begins.
    pub(super) fn begin(&mut self) {
        self.scrape += 1;
    }

    /// The family as it is told now, and its number, which changes with what is said of it.
    pub(super) fn family(&mut self, family: &Family<'_>) -> (u32, Arc<Described>) {
        if let Some((number, known)) = self.families.get(family.name.as_ref()) {
            let same = known.kind == family.kind && known.help == family.help;
            if same && known.unit == family.unit {
                return (*number, Arc::clone(known));
            }
        }
        let described = Arc::new(Described {
            name: family.name.to_string(),
            kind: family.kind,
            help: family.help.to_string(),
            unit: family.unit.to_string(),
        });
        if self.families.len() >= FAMILIES_MAX && !self.families.contains_key(&described.name) {
            return (u32::MAX, described);
        }
        self.families_made = self.families_made.wrapping_add(1);
        self.metadata_changed = true;
        let entry = (self.families_made, Arc::clone(&described));
        self.families.insert(described.name.clone(), entry);
        (self.families_made, described)
    }

    /// What is known of a sample by its text.
    pub(super) fn known(&mut self, text: &[u8], family: u32) -> Known {
        let Some(raw) = self.raw.get_mut(text) else {
            return Known::No;
        };
        raw.seen = self.scrape;
        let Some(number) = raw.number else {
            return Known::Dropped;
        };
        // The series may be gone while its text is still known.
        match self.all.get_mut(number as usize).and_then(Option::as_mut) {
            None => return Known::No,
            Some(one) => one.seen = self.scrape,
        }
        if raw.family == family {
            Known::Series(number)
        } else {
            Known::OtherFamily(number)
        }
    }

    /// Remembers a text, and its series or that it is dropped.
    pub(super) fn remember(&mut self, text: &[u8], family: u32, number: Option<Number>) {
        let raw = Raw {
            number,
            family,
            seen: self.scrape,
        };
        self.raw.insert(text.into(), raw);
    }

    /// The series with these labels, which is made where there is none. `target` gives those
    /// that the resource says.
    pub(super) fn keep(
        &mut self,
        labels: &Labels,
        target: &Labels,
        described: &Arc<Described>,
    ) -> Number {
        let name = get(labels, METRIC_NAME);
        let attributes = attributes(labels, target);
        let mut text = name.as_bytes().to_vec();
        text.push(0xff);
        text.extend_from_slice(&attributes);
        if let Some(number) = self.numbers.get(text.as_slice()) {
            if let Some(one) = self.all[*number as usize].as_mut() {
                one.seen = self.scrape;
            }
            return *number;
        }
        let text: Arc<[u8]> = text.into();
        let one = One {
            name: name.into(),
            described: Arc::clone(described),
            attributes: attributes.into(),
            text: Arc::clone(&text),
            seen: self.scrape,
            taken: 0,
            tracked: 0,
            tracked_before: 0,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.all[number as usize] = Some(one);
                number
            }
            None => {
                self.all.push(Some(one));
                (self.all.len() - 1) as Number
            }
        };
        self.numbers.insert(text, number);
        number
    }

    /// More is said of a series than before.
    pub(super) fn describe(
        &mut self,
        number: Number,
        text: &[u8],
        family: u32,
        described: &Arc<Described>,
    ) {
        if let Some(raw) = self.raw.get_mut(text) {
            raw.family = family;
        }
        if let Some(one) = self.all[number as usize].as_mut() {
            one.described = Arc::clone(described);
        }
    }

    /// A series, while it is there: in the scrape in which it was seen, at least.
    pub(super) fn get(&self, number: Number) -> Option<&One> {
        self.all.get(number as usize)?.as_ref()
    }

    /// Whether the series had a sample in this scrape.
    pub(super) fn is_taken(&self, number: Number) -> bool {
        self.get(number).is_some_and(|one| one.taken == self.scrape)
    }

    /// The series has a sample; `track` says whether it is missed once it has none.
    pub(super) fn took(&mut self, number: Number, track: bool) {
        let scrape = self.scrape;
        if let Some(one) = self.all[number as usize].as_mut() {
            one.taken = scrape;
            if track && one.tracked != scrape {
                one.tracked_before = std::mem::replace(&mut one.tracked, scrape);
            }
        }
    }

    /// The scrape failed: it had no samples.
    pub(super) fn untrack(&mut self) {
        for one in self.all.iter_mut().flatten() {
            if one.tracked == self.scrape {
                one.tracked = one.tracked_before;
            }
        }
    }

    /// The series that were there in the last scrape and are not in this one.
    pub(super) fn vanished(&self) -> Vec<Number> {
        let before = self.scrape - 1;
        let is_gone = |one: &One| before > 0 && one.tracked == before;
        let numbered = self.all.iter().enumerate();
        let gone = numbered.filter(|(_, one)| one.as_ref().is_some_and(is_gone));
        gone.map(|(number, _)| number as Number).collect()
    }

    /// Forgets what was not in this scrape, if it succeeded: a target that is down for a while
    /// is not new when it is back. One that fails with ever other series must not fill memory.
    pub(super) fn finish(&mut self, succeeded: bool) {
        if succeeded {
            self.usual = self.raw.len();
        }
        if !succeeded && self.raw.len() <= self.usual.saturating_mul(2) + 1_000 {
            return;
        }
        let scrape = self.scrape;
        self.raw.retain(|_, raw| raw.seen == scrape);
        for (number, slot) in self.all.iter_mut().enumerate() {
            // The first are the report's, which no text leads to.
            if number < super::REPORT.len() || slot.as_ref().is_none_or(|one| one.seen == scrape) {
                continue;
            }
            if let Some(one) = slot.take() {
                self.numbers.remove(&one.text);
                self.free.push(number as Number);
            }
        }
        if self.families.len() > 2 * self.raw.len() + 1_000 {
            self.families.clear();
        }
    }

    /// How many texts and series are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.raw.len() + self.numbers.len()
    }

    /// What is said of the families, if that is news.
    pub(super) fn metadata_if_changed(&mut self) -> Option<Arc<[ScrapedMetadata]>> {
        if !std::mem::take(&mut self.metadata_changed) {
            return None;
        }
        let sorted: BTreeMap<_, _> = self.families.iter().collect();
        let told = sorted.into_values().take(METADATA_MAX);
        let told = told.map(|(_, family)| ScrapedMetadata {
            metric: family.name.clone(),
            kind: family.kind.word().to_owned(),
            help: family.help.clone(),
            unit: family.unit.clone(),
        });
        Some(told.collect())
    }
}
