//! Whether what was acknowledged is there, once and unchanged.
//!
//! Every request has a span of time to itself: a count for each span tells a request that is
//! lost, torn or doubled. The records of some requests are read and compared with what was
//! sent.

use crate::Failure;
use crate::ask::{Question, Shape, ask, number};
use crate::corpus::{Corpus, Line, RECORDS_PER_REQUEST};
use crate::process::Sonde;
use crate::send::{Fate, Ledger};
use rand::SeedableRng as _;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// Points of one answer; Loki's API has 11,000 at most.
const POINTS_MAX: u64 = 10_000;
/// How many requests are read.
const READ_MAX: usize = 200;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) records: u64,
    /// Acknowledged and not there.
    pub(crate) lost: u64,
    /// There more than once, or though they were never sent.
    pub(crate) doubled: u64,
    /// Requests without an answer, and how many of them are there.
    pub(crate) unknown: u64,
    pub(crate) unknown_there: u64,
    /// Requests that were read, and how many of them differ from what was sent.
    pub(crate) read: usize,
    pub(crate) changed: usize,
    pub(crate) took: Duration,
}

impl Found {
    /// Prints it.
    ///
    /// # Errors
    /// When something is lost, doubled or changed.
    pub(crate) fn report(&self) -> Result<(), Failure> {
        println!(
            "records: {} there, {} lost, {} doubled; {} of {} unanswered requests are there; {} of {} requests read back differ ({:.1} s)",
            self.records,
            self.lost,
            self.doubled,
            self.unknown_there,
            self.unknown,
            self.changed,
            self.read,
            self.took.as_secs_f64(),
        );
        if self.lost + self.doubled > 0 || self.changed > 0 {
            return Err("records are lost, doubled or changed".into());
        }
        Ok(())
    }

    fn count(&mut self, fate: Fate, there: u64) {
        self.records += there;
        match fate {
            Fate::Acknowledged => {
                self.lost += RECORDS_PER_REQUEST.saturating_sub(there);
                self.doubled += there.saturating_sub(RECORDS_PER_REQUEST);
            }
            Fate::Unsent => self.doubled += there,
            Fate::Unknown => {
                self.unknown += 1;
                self.unknown_there += u64::from(there > 0);
                self.doubled += there.saturating_sub(RECORDS_PER_REQUEST);
                if there > 0 {
                    // Requests are stored whole or not at all.
                    self.lost += RECORDS_PER_REQUEST.saturating_sub(there);
                }
            }
        }
    }
}

/// Counts and compares what is stored.
pub(crate) async fn check(
    sonde: &Sonde,
    corpus: &Corpus,
    ledger: &Ledger,
) -> Result<Found, Failure> {
    let begun = Instant::now();
    let counts = counts(sonde, corpus).await?;
    let mut found = Found::default();
    for (request, there) in counts.iter().enumerate() {
        found.count(ledger.fate(request as u64), *there);
    }
    // What lies outside of every span was never sent.
    let stored = sonde.status().await?.records;
    found.doubled += stored.abs_diff(found.records);
    let sent = |n: &u64| ledger.fate(*n) == Fate::Acknowledged;
    let sent: Vec<u64> = (0..corpus.requests).filter(sent).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for at in index::sample(&mut rng, sent.len(), sent.len().min(READ_MAX)) {
        found.read += 1;
        let there = lines(sonde, corpus, sent[at]).await?;
        found.changed += usize::from(there != corpus.lines(sent[at]));
    }
    found.took = begun.elapsed();
    Ok(found)
}

/// How many records there are in the span of each request.
async fn counts(sonde: &Sonde, corpus: &Corpus) -> Result<Vec<u64>, Failure> {
    let span = corpus.span_ms();
    let mut counts = vec![0; corpus.requests as usize];
    let mut from = 0;
    while from < corpus.requests {
        let to = corpus.requests.min(from + POINTS_MAX);
        let question = Question {
            query: format!("sum(count_over_time({{}}[{span}ms]))"),
            // A point counts what lies in the span before it.
            period_ms: (corpus.begin_ms(from + 1), corpus.begin_ms(to)),
            shape: Shape::Every(span),
        };
        let answer = ask(sonde, &question).await?;
        for (_, point) in answer.pairs() {
            let seconds = point[0].as_f64().unwrap_or(f64::NAN);
            let request = corpus.ending_at((seconds * 1e3).round() as u64);
            let request =
                request.ok_or_else(|| format!("a point at {seconds} was not asked for"))?;
            counts[request as usize] += number(point) as u64;
        }
        from = to;
    }
    Ok(counts)
}

/// The records in the span of a request, by time.
async fn lines(sonde: &Sonde, corpus: &Corpus, request: u64) -> Result<Vec<Line>, Failure> {
    let question = Question {
        query: "{}".into(),
        period_ms: (corpus.begin_ms(request), corpus.begin_ms(request + 1)),
        shape: Shape::Oldest(2 * RECORDS_PER_REQUEST),
    };
    let answer = ask(sonde, &question).await?;
    let lines = answer.pairs().map(|(labels, value)| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Line {
            time: text(&value[0]).parse().unwrap_or(0),
            service: text(&labels["service_name"]),
            text: text(&value[1]),
        }
    });
    let mut lines: Vec<Line> = lines.collect();
    lines.sort();
    Ok(lines)
}
