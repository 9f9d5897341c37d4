//! Which series have which label: lists of series per label value, and matching over them.

use crate::promql::source::Stop;
use crate::symbols::{Symbol, Symbols};
use ahash::AHashMap;
use sonde_proto::{Deadline, Labels, MatchOp, Matcher};
use std::borrow::Cow;

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

    /// The series with a value of a label.
    pub(crate) fn list(&self, name: Symbol, value: Symbol) -> &[u32] {
        let values = self.by_name.get(&name);
        values
            .and_then(|values| values.get(&value))
            .map_or(&[], Vec::as_slice)
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
        let (narrow, wide) = split(matchers);
        let mut known = known.into_iter();
        let found = self.narrowed(&narrow, &wide);
        let mut found = found.unwrap_or_else(|| (0..self.count()).collect());
        for matcher in wide {
            let known = known.next().unwrap_or_default();
            self.keep(&mut found, matcher, known, deadline)?;
        }
        Ok(found)
    }

    /// How many series have a value of a label.
    fn count_with(&self, name: &str, value: &str) -> usize;

    /// The series that have a value of a label, by number.
    fn list_with(&self, name: &str, value: &str) -> Cow<'_, [u32]>;

    /// What lists alone say of matchers split by [`split`]: the series with every one of the
    /// values, of which those that others stand for as choices are a part where they are fewest.
    /// `None` where there is no list.
    fn narrowed(&self, narrow: &[&Matcher], wide: &[&Matcher]) -> Option<Vec<u32>> {
        let counted = narrow
            .iter()
            .map(|m| (self.count_with(&m.name, &m.value), *m));
        let mut lists: Vec<_> = counted.collect();
        lists.sort_by_key(|(count, _)| *count);
        let fewest = lists.first().map_or(usize::MAX, |(count, _)| *count);
        let choices = wide.iter().filter_map(|m| self.count_of_choice(m, fewest));
        let mut lists = lists.into_iter().map(|(_, matcher)| matcher);
        let mut found = match choices.min_by_key(|(count, _)| *count) {
            Some((_, choice)) => self.list_of_choice(choice),
            None => {
                let first = lists.next()?;
                self.list_with(&first.name, &first.value).into_owned()
            }
        };
        for matcher in lists {
            if found.is_empty() {
                break;
            }
            let other = self.list_with(&matcher.name, &matcher.value);
            found.retain(|id| other.binary_search(id).is_ok());
        }
        Some(found)
    }

    /// How many series have one of the values that a matcher stands for, where it stands for
    /// such and they are fewer than that many.
    fn count_of_choice<'m>(
        &self,
        matcher: &'m Matcher,
        fewer_than: usize,
    ) -> Option<(usize, &'m Matcher)> {
        matcher.alternatives().next()?;
        let mut count = 0;
        for value in matcher.alternatives() {
            count += self.count_with(&matcher.name, value);
            if count >= fewer_than {
                return None;
            }
        }
        Some((count, matcher))
    }

    /// They, by number. A series has one value of a label, so no two lists have it; a value that
    /// is named twice has one list.
    fn list_of_choice(&self, matcher: &Matcher) -> Vec<u32> {
        let mut found = Vec::new();
        for value in matcher.alternatives() {
            found.extend_from_slice(&self.list_with(&matcher.name, value));
        }
        found.sort_unstable();
        found.dedup();
        found
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

    /// Whatever the lists are, the answer is that of asking every series.
    #[test]
    fn choices_of_values_are_lists_in_memory_and_in_a_segment() {
        use crate::Config;
        use crate::testing::*;
        let bed = Bed::new(&Config::default());
        let (pods, nodes): (Vec<String>, Vec<String>) = (0..40)
            .map(|n| (format!("web.{n}"), format!("n{}", n % 4)))
            .unzip();
        for name in ["a", "b", "c"] {
            let points = pods.iter().zip(&nodes);
            let points = points.map(|(pod, node)| point(&[("pod", pod), ("node", node)], 0, 1.0));
            bed.send(&[], vec![gauge(name, points.collect())]);
        }
        let all = bed.all();
        let check = |selector: &str, expected: usize| {
            let matchers = crate::parse_selector(selector).unwrap();
            let found = bed.matching(selector);
            assert_eq!(found.len(), expected, "{selector}");
            let mut labels = found.iter().map(|(labels, _)| labels);
            assert!(labels.all(|one| all.iter().any(|(other, _)| one == other)));
            let tenant = bed.store.tenant(&sonde_proto::Tenant::default()).unwrap();
            let state = tenant.state.read();
            let head = &state.head;
            let plain = (0..head.count()).filter(|id| {
                let labels = head.labels(*id);
                matchers.iter().all(|m| m.matches_labels(&labels))
            });
            assert_eq!(head.matching(&matchers), plain.collect::<Vec<_>>());
        };
        for _ in 0..2 {
            check(r#"{__name__=~"a|b",pod=~"web\\.1|web\\.2|web\\.99"}"#, 4);
            check(r#"{__name__=~"(a|c|nothing)"}"#, 80);
            check(r#"{node="n1",pod=~"web\\.1|web\\.2|web\\.1"}"#, 3);
            check(r#"a{node=~"n1|n2|n3"}"#, 30);
            check(r#"a{node=~"n1|",pod=~"web\\.1|web\\.5"}"#, 2);
            check(r#"{pod=~"x|y"}"#, 0);
            check(r#"{pod!~"web\\.1|web\\.2",__name__="b"}"#, 38);
            bed.store.seal(sonde_proto::UnixNanos(0)).unwrap();
        }
    }

    /// What looks like a choice of values and is none, and the other way round: the answer is that
    /// of the pattern alone.
    #[test]
    fn patterns_of_all_sorts_are_answered_as_by_asking_every_series() {
        use crate::Config;
        use crate::testing::*;
        use rand::{Rng as _, SeedableRng as _, seq::IndexedRandom as _};
        use sonde_proto::Tenant;
        const PARTS: [&str; 45] = [
            "a", "a", "b", "ab", "A", "\u{e9}", "\u{65e5}", "|", "|", "|", "|", "|", "(", ")",
            "()", "(a|b)", ".", r"\.", r"\\", r"\|", r"\(", r"\)", r"\<", r"\>", r"\_", r"\-",
            r"\/", "<", "-", "^", "$", "*", "?", "+", "[ab]", "{2}", "{", "}", "]", "(?i)",
            "(?:a|b)", r"\Qa|b\E", r"\n", "\n", r"\b",
        ];
        const VALUES: [&str; 26] = [
            "a",
            "b",
            "ab",
            "aa",
            "A",
            "\u{e9}",
            "\u{65e5}a",
            "|",
            "a|b",
            "(",
            ")",
            "(a",
            "a)",
            ".",
            "a.b",
            "\\",
            "<",
            "<b",
            ">",
            "_",
            "-",
            "/",
            "^",
            "\n",
            "{2}",
            "]a",
        ];
        let seed = 20;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let bed = Bed::new(&Config::default());
        let mut points: Vec<_> = VALUES.iter().map(|v| point(&[("l", v)], 0, 1.0)).collect();
        points.push(point(&[], 0, 1.0));
        bed.send(&[], vec![gauge("m", points.clone()), gauge("n", points)]);
        let tenant = bed.store.tenant(&Tenant::default()).unwrap();
        let (mut choices, mut tried) = (0, 0);
        let mut check = |by: &dyn Fn(&[Matcher]) -> Vec<String>| {
            for _ in 0..2_000 {
                let length = rng.random_range(0..6);
                let parts = (0..length).map(|_| *PARTS.choose(&mut rng).unwrap());
                let pattern = parts.collect::<String>();
                let ops = [MatchOp::Regex, MatchOp::Regex, MatchOp::NotRegex];
                let op = *ops.choose(&mut rng).unwrap();
                let Ok(own) = Matcher::new("l", op, &pattern) else {
                    continue;
                };
                let name = match rng.random_range(0..3) {
                    0 => Matcher::new(sonde_proto::METRIC_NAME, MatchOp::Equal, "m"),
                    1 => Matcher::new(sonde_proto::METRIC_NAME, MatchOp::Regex, "m|n|o"),
                    _ => Matcher::new("l", MatchOp::Regex, "a|.*|b"),
                };
                let both = [name.unwrap(), own];
                tried += 1;
                choices += usize::from(both[1].alternatives().next().is_some());
                let mut expected: Vec<String> = Vec::new();
                for name in ["m", "n"] {
                    for value in VALUES.iter().chain(&[""]) {
                        let labels = [(sonde_proto::METRIC_NAME, name), ("l", value)];
                        let labels: Labels =
                            labels.into_iter().filter(|(_, v)| !v.is_empty()).collect();
                        if both.iter().all(|m| m.matches_labels(&labels)) {
                            expected.push(labels.to_string());
                        }
                    }
                }
                expected.sort();
                let mut found = by(&both);
                found.sort();
                assert_eq!(found, expected, "seed {seed}, {both:?}");
            }
        };
        check(&|matchers| {
            let head = &tenant.state.read().head;
            let found = head.matching(matchers).into_iter();
            found.map(|id| head.labels(id).to_string()).collect()
        });
        bed.store.seal(sonde_proto::UnixNanos(0)).unwrap();
        check(&|matchers| {
            let lookup = crate::Lookup {
                selectors: &[matchers.to_vec()],
                start: sonde_proto::UnixNanos(0),
                end: sonde_proto::UnixNanos(u64::MAX),
                limit: usize::MAX,
                deadline: &Deadline::never(),
            };
            let found = bed.store.series(&Tenant::default(), &lookup).unwrap();
            found.items.iter().map(ToString::to_string).collect()
        });
        assert!(choices > 300 && tried > 2_000, "{choices} of {tried}");
    }
}
