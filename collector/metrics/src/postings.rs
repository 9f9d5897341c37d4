//! Which series have which label: lists of series per label value, and matching over them.

use crate::symbols::{Symbol, Symbols};
use ahash::AHashMap;
use sonde_proto::{Labels, MatchOp, Matcher};

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

    fn values(&self, name: Symbol) -> Option<&AHashMap<Symbol, Vec<u32>>> {
        self.by_name.get(&name)
    }
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

    /// The value of a series' label.
    fn value(&self, series: u32, name: Option<Symbol>) -> &str {
        let pair = name.and_then(|name| self.pairs(series).iter().find(|(n, _)| *n == name));
        pair.map_or("", |(_, value)| self.symbols().text(*value))
    }

    /// The series that satisfy every matcher, by number.
    fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        let (mut narrow, wide): (Vec<&Matcher>, Vec<&Matcher>) = matchers
            .iter()
            .partition(|m| m.op == MatchOp::Equal && !m.value.is_empty());
        let Some(mut found) = self.equal_to_all(&mut narrow) else {
            return (0..self.count())
                .filter(|id| self.satisfies(*id, matchers))
                .collect();
        };
        for matcher in wide {
            self.keep(&mut found, matcher);
        }
        found
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
    fn keep(&self, found: &mut Vec<u32>, matcher: &Matcher) {
        let Some(name) = self.symbols().find(&matcher.name) else {
            if !matcher.matches("") {
                found.clear();
            }
            return;
        };
        let mut known: AHashMap<Option<Symbol>, bool> = AHashMap::new();
        found.retain(|id| {
            let pair = self.pairs(*id).iter().find(|(n, _)| *n == name);
            let value = pair.map(|(_, value)| *value);
            let text = value.map_or("", |v| self.symbols().text(v));
            *known.entry(value).or_insert_with(|| matcher.matches(text))
        });
    }

    fn satisfies(&self, series: u32, matchers: &[Matcher]) -> bool {
        matchers
            .iter()
            .all(|m| m.matches(self.value(series, self.symbols().find(&m.name))))
    }
}
