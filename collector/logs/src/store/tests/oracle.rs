//! The store against a plain scan of everything that was applied.
//!
//! A scenario is made from a seed: entries are applied, sealed, merged, the store crashes
//! and replays, and after every step random queries must find exactly what a scan finds,
//! in the same order. Rerun one seed with `SEED=n`.

use super::*;
use crate::BodyEncoding;
use crate::Direction;
use crate::testing::{body, line_filter, query};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::{LineFilter, LineOp, Stage};
use sonde_proto::{Deadline, MatchOp, Matcher};

const SEEDS: u64 = 8;
const STEPS: usize = 24;
/// The last year of OTLP's nanoseconds.
const YEAR_2262: u64 = 9_214_646_400_000_000_000;
const SERVICES: [&str; 3] = ["checkout", "pay", "größe"];
const LEVELS: [(i32, &str); 3] = [(9, "info"), (17, "error"), (0, "unknown")];

const PATTERNS: [&str; 10] = [
    "time(out)?",
    "^GET",
    "[0-9a-f]{8}",
    "(?i)TIMEOUT",
    "gr.+e$",
    "(timeout|connection): ",
    "connection.*error_code",
    "x\u{fffd}",
    "\u{fffd}x.* GET",
    "(a+b|time)-",
];

/// One record as the oracle keeps it, in the order of arrival.
#[derive(Clone, Debug)]
struct Line {
    tenant: Tenant,
    time: u64,
    service: &'static str,
    level: &'static str,
    body: Vec<u8>,
}

struct Scenario {
    rng: ChaCha8Rng,
    dir: tempfile::TempDir,
    config: Config,
    store: Option<LogStore>,
    journal: Vec<Entry>,
    lines: Vec<Line>,
    /// Whether it crashes after every single step.
    fragile: bool,
}

fn tenants() -> [Tenant; 2] {
    [Tenant::default(), Tenant::new("other").unwrap()]
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            tail_bytes_max: *[2 << 10, 16 << 10, 1 << 20].choose(&mut rng).unwrap(),
            seal_interval_ms: 1000,
            merge_factor: 2,
            segment_bytes_max: 64 << 10,
            mapped_bytes_max: [0, 1, 400 << 10][usize::try_from(seed % 3).unwrap()],
            ..quiet()
        };
        let store = open(dir.path(), &config);
        store.common.join_all(rng.random_bool(0.5));
        Self {
            rng,
            dir,
            config,
            store: Some(store),
            journal: Vec::new(),
            lines: Vec::new(),
            fragile: seed.is_multiple_of(4),
        }
    }

    fn store(&self) -> &LogStore {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.rng.random_range(0..10) {
            0..5 => self.apply(),
            5 => self.maintain(),
            6 => assert_eq!(self.store().seal(NOW).unwrap().0, self.journal.len() as u64),
            7 => self.store().merge_all().unwrap(),
            _ => self.crash(),
        }
        if self.fragile {
            self.crash();
        }
        for _ in 0..8 {
            self.query();
        }
    }

    fn maintain(&mut self) {
        let now = UnixNanos::from_secs(self.rng.random_range(0..100_000));
        self.store().maintain(now).unwrap();
    }

    fn apply(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let position = Position(self.journal.len() as u64);
            let tenant = tenants().choose(&mut self.rng).unwrap().clone();
            let service = SERVICES.choose(&mut self.rng).unwrap();
            let records = (0..self.rng.random_range(0..25))
                .map(|_| self.record(&tenant, service))
                .collect();
            let entry = entry(&tenant, &request(service, records));
            self.journal.push(entry.clone());
            batch.push((position, entry));
        }
        self.store().apply(&batch);
    }

    fn record(&mut self, tenant: &Tenant, service: &'static str) -> logs::LogRecord {
        let (number, level) = *LEVELS.choose(&mut self.rng).unwrap();
        let time = match self.rng.random_range(0..20) {
            0 => YEAR_2262 + self.rng.random_range(0..2),
            _ => self.rng.random_range(1..40),
        };
        let bytes = self.body();
        self.lines.push(Line {
            tenant: tenant.clone(),
            time,
            service,
            level,
            body: bytes.clone(),
        });
        logs::LogRecord {
            time_unix_nano: time,
            severity_number: number,
            body: Some(body(&bytes)),
            ..Default::default()
        }
    }

    fn body(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.rng.random_range(0..8) {
            let word: Vec<u8> = match self.rng.random_range(0..9) {
                0 => format!("{:x}", self.rng.random_range(0..64_u32)).into_bytes(),
                1 => format!("{:016x}", self.rng.random::<u64>()).into_bytes(),
                2 => b"aab".repeat(self.rng.random_range(1..60)),
                3 => "größe".into(),
                4 => vec![0xff, b'x', 0xc3],
                5 => b"aB_".repeat(self.rng.random_range(1..40)),
                _ => (*[
                    "timeout",
                    "time",
                    "Timeout",
                    "GET",
                    "connection",
                    "aaab",
                    "error_code",
                ]
                .choose(&mut self.rng)
                .unwrap())
                .into(),
            };
            bytes.extend_from_slice(&word);
            bytes.extend_from_slice(
                [" ", "-", ": ", "", "\n", "=\""]
                    .choose(&mut self.rng)
                    .unwrap()
                    .as_bytes(),
            );
        }
        bytes
    }

    fn crash(&mut self) {
        self.store = None;
        // So that segments of both encodings are asked, and merged with each other.
        let encodings = [BodyEncoding::Plain, BodyEncoding::Templated];
        self.config.bodies = *encodings.choose(&mut self.rng).unwrap();
        let store = open(self.dir.path(), &self.config);
        // Segments of few blocks are written anew unless a test wants them joined.
        store.common.join_all(self.rng.random_bool(0.5));
        let from = usize::try_from(store.resume_from().0).unwrap();
        let replay: Vec<_> = (from..self.journal.len())
            .map(|p| (Position(p as u64), self.journal[p].clone()))
            .collect();
        store.apply(&replay);
        self.store = Some(store);
    }

    fn query(&mut self) {
        let tenant = tenants().choose(&mut self.rng).unwrap().clone();
        let start = self.rng.random_range(0..40);
        let search = Search {
            query: query(self.matchers(), &self.filters()),
            start: UnixNanos(if self.rng.random_bool(0.5) { 0 } else { start }),
            end: UnixNanos(if self.rng.random_bool(0.5) {
                u64::MAX
            } else {
                self.rng.random_range(start..42)
            }),
            limit: *[0, 1, 3, 20, 5000].choose(&mut self.rng).unwrap(),
            direction: *[Direction::Backward, Direction::Forward]
                .choose(&mut self.rng)
                .unwrap(),
            interval: std::time::Duration::ZERO,
            deadline: Deadline::never(),
        };
        let answer = self.store().search(&tenant, &search).unwrap();
        assert_eq!(answer.cut, None);
        assert_eq!(answer.searched_through, Position(self.journal.len() as u64));
        let shown = answer.records.iter().map(|r| {
            (
                r.time.0,
                r.labels.get("service_name").to_owned(),
                r.level.clone(),
                r.body.clone(),
            )
        });
        let expected = self.scan(&tenant, &search);
        assert_eq!(
            shown.collect::<Vec<_>>(),
            expected,
            "{} {search:?}",
            search.query
        );
    }

    fn matchers(&mut self) -> Vec<Matcher> {
        let all = [
            ("service_name", MatchOp::Equal, "pay"),
            ("service_name", MatchOp::NotEqual, "pay"),
            ("service_name", MatchOp::Regex, "pay|gr.*"),
            ("level", MatchOp::NotRegex, "e.*"),
            ("level", MatchOp::Equal, "error"),
            ("missing", MatchOp::Equal, ""),
        ];
        let count = self.rng.random_range(0..3);
        (0..count)
            .map(|_| all.choose(&mut self.rng).unwrap())
            .map(|(n, op, v)| Matcher::new(n, *op, v).unwrap())
            .collect()
    }

    fn filters(&mut self) -> Vec<LineFilter> {
        let count = self.rng.random_range(0..3);
        (0..count).map(|_| self.filter()).collect()
    }

    fn filter(&mut self) -> LineFilter {
        let op = *[
            LineOp::Contains,
            LineOp::Contains,
            LineOp::NotContains,
            LineOp::Matches,
            LineOp::NotMatches,
        ]
        .choose(&mut self.rng)
        .unwrap();
        let pattern =
            matches!(op, LineOp::Matches | LineOp::NotMatches) && self.rng.random_bool(0.5);
        let text = match pattern {
            true => match self.rng.random_bool(0.5) {
                true => (*PATTERNS.choose(&mut self.rng).unwrap()).to_owned(),
                false => {
                    let literal = regex::escape(&self.needle());
                    let around = [
                        "(X)",
                        "X.*[a-z]",
                        "^X|GET",
                        "(X|nothing)+",
                        "(?s:.)X$",
                        "X\\b",
                    ];
                    around.choose(&mut self.rng).unwrap().replace('X', &literal)
                }
            },
            false => regex::escape(&self.needle()).replace("\\-", "-"),
        };
        let text = if pattern || matches!(op, LineOp::Matches | LineOp::NotMatches) {
            text
        } else {
            self.needle()
        };
        line_filter(op, &text)
    }

    /// Mostly a piece of a line that is there, often of whole words.
    fn needle(&mut self) -> String {
        let texts: Vec<String> = self
            .lines
            .choose_multiple(&mut self.rng, 3)
            .filter_map(|l| String::from_utf8(l.body.clone()).ok())
            .collect();
        let Some(text) = texts.first().filter(|_| self.rng.random_bool(0.9)) else {
            return "absent".into();
        };
        if self.rng.random_bool(0.3) {
            let words: Vec<&str> = text.split([' ', '-', '\n']).collect();
            return (*words.choose(&mut self.rng).unwrap()).to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let from = self.rng.random_range(0..=chars.len());
        let length_max = *[4, 12, 200].choose(&mut self.rng).unwrap();
        let length = self
            .rng
            .random_range(0..=length_max.min(chars.len() - from));
        chars[from..from + length].iter().collect()
    }

    fn scan(&self, tenant: &Tenant, search: &Search) -> Vec<(u64, String, String, String)> {
        let mut found: Vec<&Line> = self
            .lines
            .iter()
            .filter(|line| {
                let labels = [("service_name", line.service), ("level", line.level)]
                    .into_iter()
                    .collect();
                let asked = search
                    .query
                    .matchers()
                    .iter()
                    .all(|m| m.matches_labels(&labels));
                let time = search.start.0 <= line.time && line.time < search.end.0;
                &line.tenant == tenant
                    && time
                    && asked
                    && search.query.expr().stages.iter().all(|stage| match stage {
                        Stage::Line(filter) => naive(filter, &line.body),
                        _ => panic!("only line filters are asked for"),
                    })
            })
            .collect();
        found.sort_by_key(|line| line.time);
        if search.direction == Direction::Backward {
            found.reverse();
        }
        let shown = found.into_iter().take(search.limit);
        shown
            .map(|l| {
                (
                    l.time,
                    l.service.to_owned(),
                    l.level.to_owned(),
                    String::from_utf8_lossy(&l.body).into_owned(),
                )
            })
            .collect()
    }
}

/// The filter, as plainly as it can be written.
fn naive(filter: &LineFilter, line: &[u8]) -> bool {
    let shown = filter.alternatives[0].text.as_str();
    let text = shown.as_bytes();
    let contains = || text.is_empty() || line.windows(text.len()).any(|w| w == text);
    let matches = || {
        // In Go a word ends before a letter that is not ASCII.
        let pattern = shown.replace("\\b", "(?-u:\\b)");
        let pattern = regex::bytes::RegexBuilder::new(&pattern)
            .dot_matches_new_line(true)
            .build()
            .unwrap();
        let shown = String::from_utf8_lossy(line);
        pattern.is_match(line) || pattern.is_match(shown.as_bytes())
    };
    match filter.op {
        LineOp::Contains => contains(),
        LineOp::NotContains => !contains(),
        LineOp::Matches => matches(),
        LineOp::NotMatches => !matches(),
        LineOp::Pattern | LineOp::NotPattern => panic!("patterns are not asked for"),
    }
}

#[test]
fn every_query_finds_what_a_plain_scan_finds() {
    let seeds = match std::env::var("SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| {
            let mut scenario = Scenario::new(seed);
            for _ in 0..STEPS {
                scenario.step();
            }
        });
        assert!(result.is_ok(), "seed {seed} failed");
    }
}
