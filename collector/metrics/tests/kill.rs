//! A real process applies, seals, merges and deletes, and is killed, 52 times on one
//! directory, at the instant when it has said a random number of things, or while it opens.
//! Afterwards every sample before the position that the store resumes from is there, none is
//! there that was not applied, and what was deleted stays so. Played to its end, every sample
//! lies on the disk exactly once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../segment/tests/kill/life.rs"]
mod life;

use life::{live_and_die, say};
use prometheus_client::registry::Registry;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_metrics::{Config, Delete, MetricStore, Selection, parse_selector};
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::{Deadline, Entry, Position, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::path::Path;

const KILLS: u64 = 52;
const SEED: u64 = 0x3e7a;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const SERVICES: u64 = 6;
/// How many samples an entry has at most.
const SAMPLES_MAX: u64 = 64;

/// Little memory and few segments, so that something is always being sealed, merged or
/// rewritten.
fn config() -> Config {
    Config {
        seal_interval_seconds: 0,
        head_bytes_max: 16 << 10,
        merge_fan_in: 2,
        merge_bytes_per_second_max: 0,
        index_cache_bytes_max: 64 << 10,
        ..Config::default()
    }
}

fn open(dir: &Path) -> MetricStore {
    MetricStore::open(dir, &config(), &mut Registry::default(), NOW).unwrap()
}

fn random(what: u64, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED ^ what << 56 ^ number)
}

/// A service and a time in milliseconds.
type Key = (u64, i64);

/// The samples of the entry at a position. No two entries have a time in common, and of eight
/// that come one after the other each is older than the one before.
fn samples(position: u64) -> BTreeMap<Key, f64> {
    let mut random = random(1, position);
    let count = random.random_range(0..SAMPLES_MAX);
    let times = (position ^ 7) * SAMPLES_MAX;
    let sample = |index: u64| {
        let time = NOW.as_millis() - 1_000_000 + (times + index) as i64;
        let service = random.random_range(0..SERVICES);
        ((service, time), random.random_range(0..1000u32).into())
    };
    (0..count).map(sample).collect()
}

fn entry(position: u64) -> Entry {
    let mut series: BTreeMap<u64, Vec<(i64, f64)>> = BTreeMap::new();
    for ((service, time), value) in samples(position) {
        series.entry(service).or_default().push((time, value));
    }
    let series = series.into_iter().map(|(service, samples)| Series {
        labels: vec![
            ("__name__".into(), "m".into()),
            ("service".into(), service.to_string()),
        ],
        samples,
        ..Series::default()
    });
    let series: Vec<Series> = series.collect();
    let version = Version::ALL[(position % 2) as usize];
    let body = body(version, &series).unwrap();
    Entry::remote_write(Tenant::default(), version, NOW, body.into())
}

/// The `number`th deletion of a life, made when everything before a position was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    before: u64,
    life: u64,
    number: u64,
}

impl Asked {
    /// The services, as a pattern, and the times, both inclusive.
    fn what(self) -> (u64, (i64, i64)) {
        let mut random = random(2, self.life << 20 | self.number);
        let last = (self.before * SAMPLES_MAX) as i64;
        let start = random.random_range(0..=last);
        let end = start + random.random_range(0..=last / 8);
        let from = NOW.as_millis() - 1_000_000;
        (random.random_range(0..SERVICES), (from + start, from + end))
    }

    fn carry_out(self, store: &MetricStore) {
        let (service, (start, end)) = self.what();
        let selector = format!("m{{service=~\"{service}|none\"}}");
        let delete = Delete {
            selectors: &[parse_selector(&selector).unwrap()],
            start,
            end,
        };
        store.delete(&Tenant::default(), &delete, NOW).unwrap();
    }

    fn deletes(self) -> impl Fn(u64, Key) -> bool {
        let (of, (start, end)) = self.what();
        move |position, (service, time)| {
            position < self.before && service == of && (start..=end).contains(&time)
        }
    }
}

/// What a child has printed.
#[derive(Clone, Copy, Debug)]
enum Said {
    Applied,
    /// Everything before this position lies in segments.
    Covers(u64),
    /// It is about to ask for this.
    Deletes(Asked),
    /// It was told that this is in force.
    Deleted(Asked),
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        let (what, numbers) = line.split_once(' ')?;
        let numbers: Vec<u64> = numbers.split(' ').map_while(|n| n.parse().ok()).collect();
        let asked = |before, life, number| Asked {
            before,
            life,
            number,
        };
        match (what, &numbers[..]) {
            ("applied", &[_]) => Some(Self::Applied),
            ("covers", &[before]) => Some(Self::Covers(before)),
            ("deletes", &[a, b, c]) => Some(Self::Deletes(asked(a, b, c))),
            ("deleted", &[a, b, c]) => Some(Self::Deleted(asked(a, b, c))),
            _ => None,
        }
    }
}

/// Not a test of its own: the process to be killed, when it is told so.
#[test]
fn the_process_that_is_killed() {
    let Some((life, dir)) = life::told() else {
        return;
    };
    let store = open(&dir);
    let mut random = random(3, life);
    let mut number = 0;
    loop {
        let position = store.applied_to().0;
        store.apply(&[(Position(position), entry(position))]);
        say(&format!("applied {position}"));
        let covers = match random.random_range(0..20) {
            0..6 => Some(store.maintain(NOW).unwrap()),
            6 => Some(store.seal(NOW).unwrap()),
            _ => None,
        };
        if let Some(covers) = covers {
            say(&format!("covers {}", covers.0));
        }
        if random.random_bool(0.05) {
            let asked = Asked {
                before: store.applied_to().0,
                life,
                number,
            };
            number += 1;
            let name = format!("{} {life} {}", asked.before, asked.number);
            say(&format!("deletes {name}"));
            asked.carry_out(&store);
            say(&format!("deleted {name}"));
        }
        if random.random_bool(0.02) {
            store.clean_deleted().unwrap();
        }
    }
}

/// What the process was told, and what must be so.
#[derive(Default)]
struct Promised {
    covers: u64,
    deletes: Vec<Asked>,
    /// One that was asked for, and nobody knows what became of it.
    open: Option<Asked>,
}

impl Promised {
    fn take(&mut self, said: Said) {
        match said {
            Said::Applied => {}
            Said::Covers(before) => self.covers = self.covers.max(before),
            Said::Deletes(asked) => self.open = Some(asked),
            Said::Deleted(asked) => {
                self.open = None;
                self.deletes.push(asked);
            }
        }
    }

    fn expected(&self, before: u64) -> BTreeMap<Key, f64> {
        let deletes: Vec<_> = self.deletes.iter().map(|asked| asked.deletes()).collect();
        let mut expected = BTreeMap::new();
        for position in 0..before {
            for (key, value) in samples(position) {
                if !deletes.iter().any(|deletes| deletes(position, key)) {
                    expected.insert(key, value);
                }
            }
        }
        expected
    }

    /// Everything that is to be there is there, and nothing else. A deletion that nobody was
    /// told of is in force or not, but not by half.
    fn check(&mut self, store: &MetricStore, before: u64) {
        let found = found(store);
        let Some(open) = self.open.take() else {
            same(&found, &self.expected(before), before);
            return;
        };
        if found == self.expected(before) {
            return;
        }
        self.deletes.push(open);
        same(&found, &self.expected(before), before);
    }
}

fn same(found: &BTreeMap<Key, f64>, expected: &BTreeMap<Key, f64>, before: u64) {
    let lost = expected
        .iter()
        .find(|(key, value)| found.get(key) != Some(value));
    assert_eq!(lost, None, "lost or changed, of {before} positions");
    let more = found.keys().find(|key| !expected.contains_key(key));
    assert_eq!(
        more, None,
        "came back or was invented, of {before} positions"
    );
}

fn found(store: &MetricStore) -> BTreeMap<Key, f64> {
    let deadline = Deadline::never();
    let selection = Selection {
        selectors: &[parse_selector("m").unwrap()],
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        samples_max: u64::MAX,
        deadline: &deadline,
    };
    let mut found = BTreeMap::new();
    store
        .raw(&Tenant::default(), &selection, &mut |labels, samples| {
            let service = labels.get("service").parse().unwrap();
            for (time, value) in samples.iter() {
                let twice = found.insert((service, time), value);
                assert_eq!(twice, None, "a sample is there twice");
            }
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn whatever_was_sealed_survives_every_kill_and_what_was_deleted_does_not_come_back() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut random = random(4, 0);
    let mut promised = Promised::default();
    for life in 1..=KILLS {
        let lines = match random.random_range(0..6) {
            0 => 0,
            _ => random.random_range(1..80),
        };
        for said in live_and_die(dir.path(), life, lines, Said::parse) {
            promised.take(said);
        }
        let store = open(dir.path());
        let stats = store.stats();
        assert_eq!(stats.quarantined, 0, "life {life}: a kill damages nothing");
        let resume_from = store.resume_from().0;
        assert!(resume_from >= promised.covers, "life {life}");
        promised.check(&store, resume_from);
    }
    assert!(promised.covers > 500, "{}", promised.covers);
    assert!(promised.deletes.len() > 20, "{}", promised.deletes.len());
    finish(dir.path(), &mut promised);
}

/// Applied to the end and cleaned, every sample is on disk once, and nothing deleted is.
fn finish(dir: &Path, promised: &mut Promised) {
    let store = open(dir);
    let end = promised.deletes.iter().map(|d| d.before).max().unwrap() + 1;
    let end = end.max(promised.covers);
    for position in store.applied_to().0..end {
        store.apply(&[(Position(position), entry(position))]);
    }
    store.seal(NOW).unwrap();
    store.clean_deleted().unwrap();
    promised.check(&store, end);
    let expected = promised.expected(end).len();
    assert_eq!(store.stats().records, expected as u64);
    assert!(expected > 1000);
}
