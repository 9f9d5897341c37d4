//! Questions about real text, how soon they have an answer, and whether it is right.

use super::text::{self, Text};
use crate::measure::{median, seconds};
use crate::search;
use memchr::memmem;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::Value;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_logs::{LinePatterns, LogStore};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

const NEEDLES: usize = 100;
/// How many of them are looked for in the text, too.
const CHECKED: usize = 20;
const HITS_MAX: usize = 100;
/// A word that is common stands in about so many lines.
const COMMON: f64 = 0.1;
const PATTERNS_SHOWN: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// Milliseconds, and how many patterns there are.
pub(super) struct Answers {
    pub(super) identifier: Times,
    pub(super) part: Times,
    pub(super) count: f64,
    /// A plain scan for the same word.
    pub(super) scan: f64,
    pub(super) newest: f64,
    pub(super) patterns_time: f64,
    pub(super) patterns: usize,
    pub(super) patterns_of_most: usize,
}

/// Of one kind of question.
pub(super) struct Times {
    p50: f64,
    p99: f64,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}; {:.1}", self.p50, self.p99)
    }
}

pub(super) fn ask(store: &LogStore, text: &Text) -> Answers {
    let whole = identifiers(text);
    // Their ends are missing, so that no token is equal.
    let parts: Vec<_> = whole.iter().map(|id| id[1..id.len() - 1].into()).collect();
    let word = common_word(text);
    let lines = text.all().filter(|line| line.contains(&word)).count();
    let finder = memmem::Finder::new(&word);
    let scan = middle(5, || {
        let found = text
            .all()
            .filter(|line| finder.find(line.as_bytes()).is_some());
        assert_eq!(found.count(), lines);
    });
    let count = middle(5, || assert_eq!(counted(store, &word), lines as f64));
    println!(
        "`{word}` is in {lines} lines; identifiers such as {:?}",
        &whole[..3]
    );
    // Once to warm up.
    times(store, text, &whole);
    let (mut found, from) = (LinePatterns::default(), UnixNanos(text::PERIOD.0));
    let patterns_time = middle(3, || {
        found = store.patterns(
            &Tenant::default(),
            &[],
            (from, UnixNanos(text::PERIOD.1)),
            HOUR,
            &Deadline::never(),
        );
    });
    Answers {
        identifier: times(store, text, &whole),
        part: times(store, text, &parts),
        count,
        scan,
        newest: middle(9, || {
            assert_eq!(hits(store, &word), lines.min(HITS_MAX));
        }),
        patterns_time,
        patterns: found.patterns.len(),
        patterns_of_most: show(&found, text.lines()),
    }
}

/// The middle of some milliseconds.
fn middle(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<_> = (0..rounds).map(|_| seconds(&mut work) * 1e3).collect();
    times.sort_by(f64::total_cmp);
    median(&times)
}

fn times(store: &LogStore, text: &Text, needles: &[String]) -> Times {
    let mut times = Vec::new();
    for (n, needle) in needles.iter().enumerate() {
        let mut found = 0;
        times.push(seconds(|| found = hits(store, needle)) * 1e3);
        if n < CHECKED {
            let there = text.all().filter(|line| line.contains(needle));
            assert_eq!(found, there.count().min(HITS_MAX), "lines with {needle}");
        }
    }
    times.sort_by(f64::total_cmp);
    Times {
        p50: median(&times),
        p99: times[times.len() * 99 / 100],
    }
}

fn hits(store: &LogStore, needle: &str) -> usize {
    let found = store.search(
        &Tenant::default(),
        &search(&format!("{{}} |= `{needle}`"), HITS_MAX),
    );
    found.map_or(0, |found| found.records.len())
}

fn counted(store: &LogStore, word: &str) -> f64 {
    let query = format!("sum(count_over_time({{}} |= `{word}` [11h]))");
    let Ok(Expr::Metric(expr)) = sonde_logql::parse(&query) else {
        panic!("{query} is a query for numbers");
    };
    let source = store.source(&Tenant::default(), &Deadline::never());
    let end = UnixNanos(text::PERIOD.1);
    let value = eval::instant(
        &expr,
        end,
        &source,
        &EvalLimits::default(),
        &Deadline::never(),
    )
    .expect("the bench's queries are within all limits");
    match value.value {
        Value::Vector(samples) => samples.first().map_or(0.0, |sample| sample.value),
        other => panic!("{query} gave {other:?}"),
    }
}

/// Of random lines the word with a digit that is the rarest of the text, of those the longest: a
/// request, a duration, a port, whatever tells the line from others.
fn identifiers(text: &Text) -> Vec<String> {
    fn words(line: &str) -> impl Iterator<Item = &str> {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        let ids = words.filter(|word| word.contains(|c: char| c.is_ascii_digit()));
        ids.filter(|id| (5..=64).contains(&id.len()))
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let of_all = text.all().flat_map(words);
    of_all.for_each(|word| *counts.entry(word).or_default() += 1);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let lines: Vec<_> = text.all().collect();
    let mut found = Vec::new();
    while found.len() < NEEDLES {
        let from = rng.random_range(0..lines.len());
        let mut rarest = lines[from..]
            .iter()
            .filter_map(|line| words(line).min_by_key(|id| (counts[id], Reverse(id.len()))));
        found.extend(rarest.next().map(str::to_owned));
    }
    found
}

/// The word whose share of the lines is nearest to a tenth.
fn common_word(text: &Text) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let lines: Vec<_> = text.all().collect();
    let sample: Vec<_> = lines.choose_multiple(&mut rng, 5000).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in &sample {
        let mut words: Vec<_> = line.split(|c: char| !c.is_ascii_alphabetic()).collect();
        words.retain(|word| word.len() >= 4);
        words.sort_unstable();
        words.dedup();
        words
            .into_iter()
            .for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let aim = sample.len() as f64 * COMMON;
    let distance = |count: usize| (count as f64 / aim).ln().abs();
    let nearest = counts
        .into_iter()
        .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)).then(a.0.cmp(b.0)));
    nearest.expect("the text has words").0.to_owned()
}

/// Shows the most frequent, for a person to judge; how many it takes for most of the lines.
fn show(found: &LinePatterns, lines: usize) -> usize {
    let counts: Vec<_> = found.patterns.iter().map(|pattern| pattern.count).collect();
    let (mut sum, mut of_most) = (0, counts.len());
    for (n, count) in counts.iter().enumerate() {
        sum += count;
        if sum as f64 >= lines as f64 * 0.9 {
            of_most = n + 1;
            break;
        }
    }
    let once = counts.iter().filter(|count| **count == 1).count();
    println!(
        "{} patterns, {of_most} for 90 % of the lines, {once} of one line each; cut: {:?}",
        counts.len(),
        found.reading.cut
    );
    for pattern in found.patterns.iter().take(PATTERNS_SHOWN) {
        let shown: String = pattern.text.chars().take(240).collect();
        println!(
            "{:>7.2} %  {shown}",
            pattern.count as f64 * 100.0 / lines as f64
        );
    }
    of_most
}
