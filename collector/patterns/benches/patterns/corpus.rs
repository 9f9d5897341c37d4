//! The texts that are measured, in blocks of 256 KiB.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 256 << 10;
const STREAMS: usize = 287;
const FILE_BYTES_MIN: usize = 100_000;
const FILE_BYTES_MAX: usize = 64 << 20;
const CORPORA_MAX: usize = 24;

/// The bodies of a block, one after the other.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) text: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    source: u64,
}

impl Group {
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let body = &self.text[from..*end];
            from = *end;
            (body, self.source)
        })
    }
}

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) blocks: Vec<Group>,
    pub(crate) bytes: usize,
    /// What is searched for, and what kind of needle it is.
    pub(crate) needles: Vec<(&'static str, String)>,
}

impl Corpus {
    fn new(name: String) -> Self {
        Self {
            name,
            blocks: Vec::new(),
            bytes: 0,
            needles: Vec::new(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.blocks.iter().map(|block| block.ends.len()).sum()
    }

    /// Adds a line to the open block of its stream.
    fn push(&mut self, open: &mut Group, line: &[u8]) {
        self.bytes += line.len();
        open.text.extend_from_slice(line);
        open.ends.push(open.text.len());
        if open.text.len() >= BLOCK_BYTES {
            let source = open.source;
            self.blocks.push(std::mem::take(open));
            open.source = source;
        }
    }

    pub(crate) fn made_up(rows: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut corpus = Self::new("made up".into());
        let mut open: Vec<Group> = (0..STREAMS)
            .map(|n| Group {
                source: n as u64,
                ..Group::default()
            })
            .collect();
        let ids: Vec<u64> = (0..rows / 5).map(|_| rng.random()).collect();
        for row in 0..rows {
            let clock = Clock::at(row * 4);
            let stream = rng.random_range(0..STREAMS);
            let id = ids[rng.random_range(0..ids.len())];
            let line = match stream % 5 {
                0 | 1 => access(&mut rng, clock, id),
                2 | 3 => json(&mut rng, clock, id),
                _ => java(&mut rng, clock, id),
            };
            corpus.push(&mut open[stream], line.as_bytes());
        }
        corpus
            .blocks
            .extend(open.into_iter().filter(|group| !group.ends.is_empty()));
        for (what, needle) in [
            ("common word", "timeout"),
            ("phrase", "upstream call after"),
            ("absent", "nosuchword"),
            ("word and part of ids", "dead"),
            ("number", "404"),
            ("short word of few values", "v2"),
            ("key and value", "\"level\":\"ERROR\""),
            ("over static text and variables", " HTTP/1.1\" 500 1"),
            ("inside identifiers", "0a1b2c3"),
        ] {
            corpus.needles.push((what, needle.into()));
        }
        corpus
    }

    /// The logs that this machine has.
    pub(crate) fn real() -> Vec<Self> {
        let mut corpora = Vec::new();
        let named = std::env::var("SONDE_BENCH_LOGS").unwrap_or_default();
        let mut paths: Vec<PathBuf> = named
            .split(':')
            .filter(|p| !p.is_empty())
            .map(PathBuf::from)
            .collect();
        paths.push("/var/log".into());
        let mut files = Vec::new();
        for path in paths {
            collect(&path, 4, &mut files);
        }
        for file in files {
            if let Ok(text) = std::fs::read(&file) {
                corpora.extend(Self::of_text(&file.display().to_string(), &text));
            }
        }
        let journal = std::process::Command::new("journalctl")
            .args(["-o", "short-iso", "-n", "200000"])
            .output();
        match journal {
            Ok(output) => corpora.extend(Self::of_text("journal", &output.stdout)),
            Err(error) => println!("no journal here: {error}"),
        }
        corpora.truncate(CORPORA_MAX);
        corpora
    }

    fn of_text(name: &str, text: &[u8]) -> Option<Self> {
        if text.len() < FILE_BYTES_MIN {
            return None;
        }
        let mut corpus = Self::new(name.into());
        let mut open = Group::default();
        for line in text[..text.len().min(FILE_BYTES_MAX)].split(|b| *b == b'\n') {
            corpus.push(&mut open, line);
        }
        if !open.ends.is_empty() {
            corpus.blocks.push(open);
        }
        let common = common_word(text);
        corpus.needles.push(("common word", common.clone()));
        corpus
            .needles
            .push(("inside a word", common[1..common.len() - 1].into()));
        corpus.needles.push(("number", "404".into()));
        corpus.needles.push(("absent", "nosuchword".into()));
        Some(corpus)
    }

    /// A word with digits of a line in the middle of a block.
    pub(crate) fn identifier(&self, block: usize) -> Vec<u8> {
        let group = &self.blocks[block];
        let (body, _) = group
            .bodies()
            .nth(group.ends.len() / 2)
            .expect("blocks are not empty");
        let mut longest = b"7".to_vec();
        sonde_patterns::tokens(body, |word| {
            if word.len() > longest.len() && word.iter().any(u8::is_ascii_digit) {
                longest = word.to_vec();
            }
        });
        longest
    }
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if depth == 0 {
        return;
    }
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_log = path.is_dir() || path.extension().is_some_and(|e| e == "log" || e == "txt");
        if is_log {
            collect(&path, depth - 1, files);
        }
    }
}

fn common_word(text: &[u8]) -> String {
    let mut counts = std::collections::BTreeMap::<Vec<u8>, usize>::new();
    sonde_patterns::tokens(&text[..text.len().min(1 << 20)], |word| {
        if word.len() >= 5 && word.iter().all(u8::is_ascii_alphabetic) {
            *counts.entry(word.to_vec()).or_default() += 1;
        }
    });
    let most = counts.into_iter().max_by_key(|(_, n)| *n);
    most.map_or("error".into(), |(word, _)| {
        String::from_utf8_lossy(&word).into_owned()
    })
}

fn pick<'a>(rng: &mut ChaCha8Rng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

/// The time of day of a line.
#[derive(Clone, Copy)]
struct Clock {
    h: usize,
    m: usize,
    s: usize,
    milli: usize,
}

impl Clock {
    fn at(milli: usize) -> Self {
        let second = milli / 1000;
        Self {
            h: second / 3600 % 24,
            m: second / 60 % 60,
            s: second % 60,
            milli: milli % 1000,
        }
    }
}

fn access(rng: &mut ChaCha8Rng, Clock { h, m, s, .. }: Clock, id: u64) -> String {
    let verb = pick(rng, &["GET", "GET", "GET", "POST", "PUT", "DELETE"]);
    let path = pick(
        rng,
        &[
            "carts",
            "orders",
            "users",
            "catalog/search",
            "payments",
            "inventory",
        ],
    );
    let status = pick(
        rng,
        &[
            "200", "200", "200", "200", "201", "304", "404", "500", "502",
        ],
    );
    let agent = pick(
        rng,
        &[
            "Mozilla/5.0 (X11; Linux x86_64)",
            "client/7.1",
            "okhttp/4.9.3",
        ],
    );
    let (version, user, bytes, ms) = (
        rng.random_range(1..4),
        rng.random_range(0..50_000),
        rng.random_range(100..90_000),
        rng.random_range(1..3000),
    );
    let (a, b) = (rng.random_range(0..256), rng.random_range(1..255));
    format!(
        r#"10.42.{a}.{b} - - [12/Nov/2026:{h:02}:{m:02}:{s:02} +0000] "{verb} /api/v{version}/{path}/{user}/items HTTP/1.1" {status} {bytes} "https://shop.example.com/{path}" "{agent}" rt={}.{:03} upstream=10.42.7.{b}:8080 rid={id:016x}"#,
        ms / 1000,
        ms % 1000,
    )
}

const MESSAGES: [&str; 10] = [
    "order placed",
    "payment authorized",
    "cart updated",
    "upstream call after retry",
    "timeout waiting for inventory",
    "cache miss",
    "deadlock detected, retrying",
    "user logged in",
    "email queued",
    "rate limit reached",
];

fn json(rng: &mut ChaCha8Rng, Clock { h, m, s, milli }: Clock, id: u64) -> String {
    let level = pick(rng, &["INFO", "INFO", "INFO", "WARN", "ERROR"]);
    let message = pick(rng, &MESSAGES);
    let class = pick(
        rng,
        &[
            "checkout.OrderService",
            "payment.Gateway",
            "cart.CartController",
        ],
    );
    let (ms, user) = (rng.random_range(1..3000), rng.random_range(0..50_000));
    format!(
        r#"{{"ts":"2026-11-12T{h:02}:{m:02}:{s:02}.{milli:03}Z","level":"{level}","logger":"com.example.{class}","msg":"{message}","user_id":{user},"duration_ms":{ms},"request_id":"{id:016x}","pod":"shop-{}","ok":{}}}"#,
        user % 9,
        ms % 3 > 0,
    )
}

fn java(rng: &mut ChaCha8Rng, Clock { h, m, s, milli }: Clock, id: u64) -> String {
    let level = pick(rng, &["INFO ", "WARN ", "ERROR"]);
    let class = pick(
        rng,
        &[
            "OrderService",
            "PaymentGateway",
            "CartController",
            "InventoryClient",
        ],
    );
    let what = pick(
        rng,
        &[
            "upstream call after",
            "timeout after",
            "connection reset after",
            "committed transaction in",
            "retrying in",
        ],
    );
    let (thread, ms, attempt, line) = (
        rng.random_range(1..33),
        rng.random_range(1..3000),
        rng.random_range(1..6),
        rng.random_range(10..400),
    );
    format!(
        "2026-11-12 {h:02}:{m:02}:{s:02},{milli:03} {level} [pool-3-thread-{thread}] com.example.shop.{class} - {what} {ms} ms for request {id:016x} (attempt {attempt} of 5): java.net.SocketException: Broken pipe at com.example.shop.{class}.call({class}.java:{line})"
    )
}
