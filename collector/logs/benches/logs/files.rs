//! The mode `files DIRECTORY`: the store over real text, the files `*.log` of a directory (see
//! `corpora` beside this bench), each by itself and all together, a stream a file.
//!
//! Beside plain and templated bodies stand zstd at levels 3 and 19 with a window over the whole
//! file, of the same bytes in the same run: the store has blocks that are read by themselves,
//! and indexes, so it is not expected to reach the latter. Found identifiers, and the lines with
//! a word, are held against a plain scan of the text; a difference fails the run.

mod limits;
mod questions;
mod text;

use crate::measure;
use crate::{NOW, config};
use limits::Limits;
use prometheus_client::registry::Registry;
use questions::Answers;
use sonde_logs::{BodyEncoding, LogStore};
use std::path::{Path, PathBuf};
use std::process::Command;
use text::{Chunk, Text};

const ENCODINGS: [BodyEncoding; 2] = [BodyEncoding::Plain, BodyEncoding::Templated];
/// A rate is measured for so much processor time, whose clock has hundredths of a second, and
/// the encodings take turns, so that other load is the same for both.
const SECONDS_MIN: f64 = 1.0;
const ROUNDS_MAX: usize = 50;
/// The first argument of the process that measures memory: a new one each time, since what an
/// allocator keeps of earlier work hides what later work needs.
const MEMORY: &str = "files-memory";

/// Carries out a mode of this file, if the arguments name one.
pub(crate) fn run(arguments: &[String]) -> bool {
    let at = |name: &str| arguments.iter().position(|argument| argument == name);
    if let Some(at) = at(MEMORY) {
        let encoding = ENCODINGS
            .into_iter()
            .find(|e| *e == named(&arguments[at + 1]));
        let paths = arguments[at + 2..].iter().map(PathBuf::from).collect();
        print!("{}", peak(&Text::read(paths), encoding.unwrap_or_default()));
        return true;
    }
    let Some(at) = at("files") else { return false };
    let dir = arguments.get(at + 1).filter(|dir| !dir.starts_with('-'));
    compare(&text::files(dir.map_or("target/corpora", String::as_str)));
    true
}

fn named(name: &str) -> BodyEncoding {
    match name {
        "Plain" => BodyEncoding::Plain,
        _ => BodyEncoding::Templated,
    }
}

fn compare(files: &[PathBuf]) {
    let mut rows: Vec<Row> = files.iter().map(|file| row(vec![file.clone()])).collect();
    rows.push(row(files.to_vec()));
    println!("\n{}", sizes(&rows));
    println!("\n{}", answers(&rows));
}

/// What was measured of one text.
struct Row {
    name: String,
    megabytes: f64,
    lines: usize,
    limits: Limits,
    stores: [Stored; 2],
}

struct Stored {
    rate: f64,
    /// Of the text, all included.
    size: f64,
    memory: f64,
    answers: Answers,
}

fn row(paths: Vec<PathBuf>) -> Row {
    let memory = ENCODINGS.map(|encoding| memory(encoding, &paths));
    let text = Text::read(paths);
    let chunks = text.chunks();
    println!(
        "\n== {}: {:.1} MB, {} lines",
        text.name,
        text.bytes as f64 / 1e6,
        text.lines()
    );
    let limits = limits::of(&text);
    let dir = tempfile::tempdir().expect("the machine has a temporary directory");
    let dirs = ENCODINGS.map(|encoding| dir.path().join(format!("{encoding:?}")));
    let mut spent = [0.0; 2];
    let mut rounds = 0;
    while rounds < ROUNDS_MAX && spent.iter().any(|spent| *spent < SECONDS_MIN) {
        for ((encoding, dir), spent) in ENCODINGS.into_iter().zip(&dirs).zip(&mut spent) {
            // Nothing is there in the first round.
            let _ = std::fs::remove_dir_all(dir);
            let store = open(dir, encoding);
            let from = measure::cpu_seconds();
            fill(&store, &chunks);
            *spent += measure::cpu_seconds() - from;
        }
        rounds += 1;
    }
    let mut at = 0;
    let stores = ENCODINGS.map(|encoding| {
        let store = open(&dirs[at], encoding);
        let bytes = store.stats().bytes as f64;
        println!("-- {encoding:?}: {bytes} bytes, of that");
        for (file, of_that) in measure::bytes_by_file(&dirs[at]) {
            println!("{:>8.3}  {file}", of_that as f64 / bytes);
        }
        let stored = Stored {
            rate: (text.bytes * rounds) as f64 / 1e6 / spent[at],
            size: bytes / text.bytes as f64,
            memory: memory[at] / 1e6,
            answers: questions::ask(&store, &text),
        };
        at += 1;
        stored
    });
    Row {
        name: text.name.clone(),
        megabytes: text.bytes as f64 / 1e6,
        lines: text.lines(),
        limits,
        stores,
    }
}

fn open(dir: &Path, encoding: BodyEncoding) -> LogStore {
    LogStore::open(dir, &config(encoding), &mut Registry::default(), NOW)
        .expect("the bench's directory is new or what it wrote")
}

fn fill(store: &LogStore, chunks: &[Chunk]) {
    for chunk in chunks {
        store.apply(chunk);
        // Sealed here and not beside, so that the figures are those of one core.
        store.seal(NOW).expect("the bench's disk has room");
    }
}

/// How much memory a text's records need at most beside the records that are sent.
fn memory(encoding: BodyEncoding, paths: &[PathBuf]) -> f64 {
    let program = std::env::current_exe().expect("the bench is a program");
    let output = Command::new(program)
        .arg(MEMORY)
        .arg(format!("{encoding:?}"))
        .args(paths)
        .output()
        .expect("the bench can be started once more");
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().unwrap_or(f64::NAN)
}

fn peak(text: &Text, encoding: BodyEncoding) -> f64 {
    let dir = tempfile::tempdir().expect("the machine has a temporary directory");
    let (chunks, store) = (text.chunks(), open(dir.path(), encoding));
    let before = measure::reset_peak_memory();
    fill(&store, &chunks);
    measure::peak_memory() - before
}

fn sizes(rows: &[Row]) -> String {
    let mut table = String::from(
        "| text | MB | bytes a line | zstd -3, whole | zstd -19, whole | plain | templated | of plain \
         | zstd -3, MB/s | plain | templated | of plain | memory, MB: plain | templated |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let [plain, templated] = &row.stores;
        table += &format!(
            "| {} | {:.1} | {:.0} | {:.3} | {:.3} | {:.3} | {:.3} | {:.2} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} |\n",
            row.name,
            row.megabytes,
            row.megabytes * 1e6 / row.lines as f64,
            row.limits.fast,
            row.limits.small,
            plain.size,
            templated.size,
            templated.size / plain.size,
            row.limits.fast_rate,
            plain.rate,
            templated.rate,
            templated.rate / plain.rate,
            plain.memory,
            templated.memory,
        );
    }
    table
}

fn answers(rows: &[Row]) -> String {
    let mut table = String::from(
        "| text | identifier: plain p50; p99, ms | templated | part of it: plain p50; p99 | templated \
         | lines with a word: plain | templated | plain scan | newest 100 with it: plain | templated \
         | patterns: time plain | templated | patterns | for 90 % of lines |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let [plain, templated] = row.stores.each_ref().map(|store| &store.answers);
        table += &format!(
            "| {} | {} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {} | {} |\n",
            row.name,
            plain.identifier,
            templated.identifier,
            plain.part,
            templated.part,
            plain.count,
            templated.count,
            templated.scan,
            plain.newest,
            templated.newest,
            plain.patterns_time,
            templated.patterns_time,
            templated.patterns,
            templated.patterns_of_most,
        );
    }
    table
}
