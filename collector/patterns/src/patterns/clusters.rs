//! Patterns that are nearly alike made one, as Drain does it.
//!
//! A pattern is cut into words and what stands behind each. Two patterns may be one when they
//! begin with the same word, have as many and the same between them, and have more than half
//! of those in common that are not variables already; the words in which they differ become
//! variables. A pattern is compared only with those that begin alike, so adding one costs
//! little whatever there is.

use super::{VARIABLE, pattern_with};
use crate::split::Splitter;
use ahash::AHashMap;
use std::collections::BTreeMap;

/// How much [`Clusters`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct ClusterLimits {
    /// The patterns that are given back. Twice as many are held; then the rarer half goes.
    pub patterns_max: usize,
    /// The words of a pattern. A longer one ends with a variable.
    pub words_max: usize,
    /// The time buckets of a pattern. What falls into others is counted in the last.
    pub buckets_max: usize,
}

impl Default for ClusterLimits {
    fn default() -> Self {
        Self {
            patterns_max: 300,
            words_max: 128,
            buckets_max: 11_000,
        }
    }
}

/// Texts whose cluster is remembered, so that it need not be looked for again.
pub(super) const REMEMBERED_MAX: usize = 8192;
const REMEMBERED_BYTES_MAX: usize = 4096;

/// A pattern and when how many lines had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern, with `<_>` for variables.
    pub text: String,
    /// How many lines.
    pub count: u64,
    /// How many in each time bucket, upwards.
    pub samples: Vec<(i64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word {
    text: String,
    /// What stands behind it.
    gap: String,
}

pub(super) struct Cluster {
    words: Vec<Word>,
    pub(super) count: u64,
    samples: BTreeMap<i64, u64>,
}

/// Counts lines by pattern.
pub struct Clusters {
    limits: ClusterLimits,
    pub(super) clusters: Vec<Cluster>,
    /// The clusters that begin alike and have as many words.
    by_start: AHashMap<String, Vec<usize>>,
    pub(super) remembered: AHashMap<String, usize>,
    splitter: Splitter,
    forgotten: u64,
}

impl Clusters {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: ClusterLimits) -> Self {
        Self {
            limits,
            clusters: Vec::new(),
            by_start: AHashMap::new(),
            remembered: AHashMap::new(),
            splitter: Splitter::default(),
            forgotten: 0,
        }
    }

    /// Counts `lines` lines of a pattern in a time bucket.
    pub fn add_template(&mut self, pattern: &str, bucket: i64, lines: u64) {
        let at = match self.remembered.get(pattern) {
            Some(at) => *at,
            None => self.place(pattern),
        };
        let cluster = &mut self.clusters[at];
        cluster.count = cluster.count.saturating_add(lines);
        let full = cluster.samples.len() >= self.limits.buckets_max.max(1);
        let last = cluster.samples.keys().next_back().copied();
        let bucket = match last {
            Some(last) if full && !cluster.samples.contains_key(&bucket) => last,
            _ => bucket,
        };
        let sample = cluster.samples.entry(bucket).or_default();
        *sample = sample.saturating_add(lines);
    }

    /// Counts a body that is in no block yet.
    pub fn add_line(&mut self, body: &[u8], bucket: i64) {
        let pattern = pattern_with(&mut self.splitter, body);
        self.add_template(&pattern, bucket, 1);
    }

    /// How many lines had patterns that were too rare to be held.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The patterns, the most frequent first.
    #[must_use]
    pub fn finish(mut self) -> Vec<Pattern> {
        self.clusters.sort_by_key(|c| std::cmp::Reverse(c.count));
        self.clusters.truncate(self.limits.patterns_max);
        let pattern = |cluster: Cluster| Pattern {
            text: text_of(&cluster.words),
            count: cluster.count,
            samples: cluster.samples.into_iter().collect(),
        };
        self.clusters.into_iter().map(pattern).collect()
    }

    /// The cluster of a pattern, a new one if none is like it.
    fn place(&mut self, pattern: &str) -> usize {
        let words = words_of(pattern, self.limits.words_max.max(1));
        let at = match self.like(&words) {
            Some(at) => {
                self.clusters[at].take_in(&words);
                at
            }
            None => self.add(words),
        };
        if pattern.len() <= REMEMBERED_BYTES_MAX {
            if self.remembered.len() >= REMEMBERED_MAX {
                self.remembered.clear();
            }
            self.remembered.insert(pattern.to_owned(), at);
        }
        at
    }

    fn like(&self, words: &[Word]) -> Option<usize> {
        let candidates = self.by_start.get(&start_of(words))?;
        let alike = candidates
            .iter()
            .filter_map(|at| Some((self.clusters[*at].common(words)?, *at)));
        alike.max_by_key(|(common, _)| *common).map(|(_, at)| at)
    }

    fn add(&mut self, words: Vec<Word>) -> usize {
        if self.clusters.len() >= self.limits.patterns_max.max(1) * 2 {
            self.forget_rare();
        }
        let at = self.clusters.len();
        self.by_start.entry(start_of(&words)).or_default().push(at);
        self.clusters.push(Cluster {
            words,
            count: 0,
            samples: BTreeMap::new(),
        });
        at
    }

    /// Keeps the more frequent half.
    fn forget_rare(&mut self) {
        self.clusters.sort_by_key(|c| std::cmp::Reverse(c.count));
        let rare = self.clusters.drain(self.limits.patterns_max..);
        self.forgotten = rare.fold(self.forgotten, |sum, c| sum.saturating_add(c.count));
        self.remembered.clear();
        self.by_start.clear();
        for (at, cluster) in self.clusters.iter().enumerate() {
            let start = start_of(&cluster.words);
            self.by_start.entry(start).or_default().push(at);
        }
    }
}

impl Cluster {
    /// How many words it has in common with a pattern of the same length, if these are more
    /// than half of its words that are no variables.
    fn common(&self, words: &[Word]) -> Option<usize> {
        let pairs = self.words.iter().zip(words);
        let fixed = pairs.filter(|(mine, _)| mine.text != VARIABLE);
        let (mut common, mut total) = (0, 0);
        for (mine, theirs) in fixed {
            total += 1;
            common += usize::from(mine.text == theirs.text);
        }
        (common == total || common * 2 > total).then_some(common)
    }

    /// Makes the words variables in which a pattern differs.
    fn take_in(&mut self, words: &[Word]) {
        for (mine, theirs) in self.words.iter_mut().zip(words) {
            if mine.text != theirs.text {
                mine.text = VARIABLE.to_owned();
            }
        }
    }
}

/// What two patterns must have in common to be compared: the first word, and what stands
/// between the words but for the length of white space.
fn start_of(words: &[Word]) -> String {
    let mut start = String::new();
    if let Some(first) = words.first() {
        start.push_str(&first.text);
    }
    for word in words {
        let mut space = false;
        for c in word.gap.chars() {
            if !c.is_whitespace() {
                start.push(c);
            } else if !space {
                start.push(' ');
            }
            space = c.is_whitespace();
        }
        start.push('\n');
    }
    start
}

fn words_of(pattern: &str, words_max: usize) -> Vec<Word> {
    let is_gap = |c: char| c.is_whitespace() || ",;:=\"'()[]{}|".contains(c);
    let mut words = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if words.len() + 1 == words_max && rest.contains(is_gap) {
            words.push(Word {
                text: VARIABLE.to_owned(),
                gap: String::new(),
            });
            return words;
        }
        let end = rest.find(is_gap).unwrap_or(rest.len());
        let gap = &rest[end..];
        let gap_end = gap.find(|c| !is_gap(c)).unwrap_or(gap.len());
        words.push(Word {
            text: rest[..end].to_owned(),
            gap: gap[..gap_end].to_owned(),
        });
        rest = &gap[gap_end..];
    }
    words
}

/// The text of words. A variable beside a variable is one.
fn text_of(words: &[Word]) -> String {
    let mut text = String::new();
    for word in words {
        if word.text != VARIABLE || !text.ends_with(VARIABLE) {
            text.push_str(&word.text);
        }
        text.push_str(&word.gap);
    }
    text
}
