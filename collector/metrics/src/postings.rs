//! Which series have which label: lists of series per label value, and matching over them.

use crate::promql::source::Stop;
use crate::symbols::{Symbol, Symbols};
use ahash::AHashMap;
use sonde_proto::{Deadline, Labels, MatchOp, Matcher};

/// How many series are looked at between two looks at the clock.
const LOOKS: usize = 1024;
/// Asking a regular expression takes as long as looking at so many series, and as one more for
/// each byte it is asked about.
const REGEX_LOOKS: usize = 32;

/// Names and values of one series, by name.
pub(crate) type Pairs = [(Symbol, Symbol)];

/// Lists of series per label name and value. Numbers of series only rise while it is built.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    by_name: AHashMap<Symbol, AHashMap<Symbol, Vec<u32>>>,
}

impl Postings {
    /// Adds a series.
    pub(crate) fn add(&mut self, series: u32, labels: &Pairs) {
        for (name, value) in labels {
            self.by_name
                .entry(*name)
                .or_default()
                .entry(*value)
                .or_default()
                .push(series);
        }
    }

    /// Every label with its values, and the series of each.
    pub(crate) fn names(
        &self,
    ) -> impl Iterator<Item = (Symbol, &AHashMap<Symbol, Vec<u32>>)> + Clone {
        self.by_name.iter().map(|(name, values)| (*name, values))
    }

    /// The values of a label, and the series of each.
    pub(crate) fn values(&self, name: Symbol) -> Option<&AHashMap<Symbol, Vec<u32>>> {
        self.by_name.get(&name)
    }
}

/// Of each matcher that is no list of series, what it says about values by their numbers.
pub(crate) type Known = Vec<AHashMap<Option<Symbol>, bool>>;

/// The matchers that are a list of series, and the others.
pub(crate) fn split(matchers: &[Matcher]) -> (Vec<&Matcher>, Vec<&Matcher>) {
    let is_list = |m: &&Matcher| m.op == MatchOp::Equal && !m.value.is_empty();
    matchers.iter().partition(is_list)
}

/// Something that can be searched for series.
pub(crate) trait Index {
    fn symbols(&self) -> &Symbols;
    fn postings(&self) -> &Postings;
    fn count(&self) -> u32;
    fn pairs(&self, series: u32) -> &Pairs;

    /// The labels of a series.
    fn labels(&self, series: u32) -> Labels {
        let text = |symbol: &Symbol| self.symbols().text(*symbol);
        let pairs = self.pairs(series).iter();
        pairs.map(|(n, v)| (text(n), text(v))).collect()
    }

    /// The series that satisfy every matcher, by number.
    #[cfg(test)]
    fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        self.matching_within(matchers, &Deadline::never())
            .unwrap_or_default()
    }

    /// The same, until it is too late.
    ///
    /// # Errors
    /// [`Stop::Deadline`] when it was.
    fn matching_within(&self, matchers: &[Matcher], deadline: &Deadline) -> Result<Vec<u32>, Stop> {
        self.matching_known(matchers, Known::default(), deadline)
    }

    /// The same, where something is known already.
    ///
    /// # Errors
    /// As [`Self::matching_within`].
    fn matching_known(
        &self,
        matchers: &[Matcher],
        known: Known,
        deadline: &Deadline,
    ) -> Result<Vec<u32>, Stop> {
        let (mut narrow, wide) = split(matchers);
        let mut known = known.into_iter();
        let found = self.equal_to_all(&mut narrow);
        let mut found = found.unwrap_or_else(|| (0..self.count()).collect());
        for matcher in wide {
            let known = known.next().unwrap_or_default();
            self.keep(&mut found, matcher, known, deadline)?;
        }
        Ok(found)
    }

    /// The series with every one of these values; `None` if there is no matcher.
    fn equal_to_all(&self, matchers: &mut [&Matcher]) -> Option<Vec<u32>> {
        let list = |m: &&Matcher| -> &[u32] {
            let name = self.symbols().find(&m.name);
            let value = self.symbols().find(&m.value);
            let values = name.and_then(|name| self.postings().values(name));
            values
                .zip(value)
                .and_then(|(values, value)| values.get(&value))
                .map_or(&[], |l| l)
        };
        matchers.sort_by_key(|m| list(m).len());
        let (first, rest) = matchers.split_first()?;
        let mut found = list(first).to_vec();
        for matcher in rest {
            let other = list(matcher);
            found.retain(|id| other.binary_search(id).is_ok());
        }
        Some(found)
    }

    /// Keeps the series that satisfy a matcher, asking it once per value.
    fn keep(
        &self,
        found: &mut Vec<u32>,
        matcher: &Matcher,
        mut known: AHashMap<Option<Symbol>, bool>,
        deadline: &Deadline,
    ) -> Result<(), Stop> {
        let Some(name) = self.symbols().find(&matcher.name) else {
            if !matcher.matches("") {
                found.clear();
            }
            return Ok(());
        };
        let mut clock = Clock::new(deadline);
        found.retain(|id| {
            if clock.has_passed() {
                return false;
            }
            let pair = self.pairs(*id).iter().find(|(n, _)| *n == name);
            let value = pair.map(|(_, value)| *value);
            let text = value.map_or("", |v| self.symbols().text(v));
            *known.entry(value).or_insert_with(|| {
                clock.work(matcher, text);
                matcher.matches(text)
            })
        });
        clock.check()
    }
}

/// Looks at the clock now and then.
pub(crate) struct Clock<'d> {
    deadline: &'d Deadline,
    looks: usize,
    has_passed: bool,
}

impl<'d> Clock<'d> {
    pub(crate) fn new(deadline: &'d Deadline) -> Self {
        Self {
            deadline,
            looks: 0,
            has_passed: false,
        }
    }

    /// Whether it was too late when it was looked at last.
    pub(crate) fn has_passed(&mut self) -> bool {
        if self.looks.is_multiple_of(LOOKS) {
            self.has_passed |= self.deadline.has_passed();
        }
        self.looks += 1;
        self.has_passed
    }

    /// Counts what a matcher does with a text; a pattern may take long for each byte.
    pub(crate) fn work(&mut self, matcher: &Matcher, text: &str) {
        if matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex) {
            let before = self.looks / LOOKS;
            self.looks += REGEX_LOOKS + text.len();
            if self.looks / LOOKS != before {
                self.has_passed |= self.deadline.has_passed();
            }
        }
    }

    /// The same as an error.
    pub(crate) fn check(&mut self) -> Result<(), Stop> {
        if self.has_passed() {
            return Err(Stop::Deadline);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_looked_at_as_often_as_patterns_take_long() {
        let matcher = |op| Matcher::new("a", op, "x.*y").unwrap();
        let looks = |op, text: &str| {
            let deadline = Deadline::never();
            let mut clock = Clock::new(&deadline);
            assert!(!clock.has_passed());
            drop(deadline.give_up_on_drop());
            let texts = (0..).take_while(|_| {
                clock.work(&matcher(op), text);
                !clock.has_passed()
            });
            texts.count()
        };
        assert_eq!(looks(MatchOp::Equal, "x"), LOOKS - 1);
        assert!((20..40).contains(&looks(MatchOp::Regex, "x")));
        assert_eq!(looks(MatchOp::NotRegex, &"x".repeat(LOOKS)), 0);
    }
}
