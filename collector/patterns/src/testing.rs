//! Texts of many kinds for the tests, and blocks made of them.

use crate::{Block, Dictionary, Encoder, Limits};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A generator that says the same whenever it is begun with the same seed.
pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Encoded blocks and their dictionary.
pub(crate) struct Segment {
    pub(crate) dictionary: Dictionary,
    pub(crate) blocks: Vec<Vec<u8>>,
}

impl Segment {
    /// Encodes each group of bodies as a block, as if of one source.
    pub(crate) fn of(groups: &[Vec<Vec<u8>>]) -> Self {
        Self::encoded(&mut Encoder::new(Limits::default()), groups)
    }

    pub(crate) fn encoded(encoder: &mut Encoder, groups: &[Vec<Vec<u8>>]) -> Self {
        let mut blocks = Vec::new();
        for bodies in groups {
            let mut block = Vec::new();
            let rows = bodies.iter().map(|body| (body.as_slice(), 1));
            encoder.encode(rows, &mut block, |_| {}).unwrap();
            blocks.push(block);
        }
        let mut dictionary = Vec::new();
        encoder.finish(&mut dictionary);
        Self {
            dictionary: Dictionary::read(&dictionary).unwrap(),
            blocks,
        }
    }

    pub(crate) fn block(&self, at: usize) -> Block<'_> {
        Block::read(&self.dictionary, &self.blocks[at]).unwrap()
    }
}

/// Lines as programs write them: access logs, JSON, exceptions, with rare oddities.
pub(crate) fn line(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (a, b, ms) = (
        rng.random_range(0..256),
        rng.random_range(0..4),
        rng.random_range(0..3000),
    );
    let (id, level) = (
        rng.random::<u64>(),
        ["INFO", "WARN", "ERROR"][rng.random_range(0..3)],
    );
    let words = ["timeout", "deadlock", "retry", "größe", "v2", "x404y", ""];
    let word = words[rng.random_range(0..words.len())];
    let line = match rng.random_range(0..16) {
        0..=3 => format!(
            r#"10.0.{a}.{b} - - [12/Nov/2026:10:{:02}:{:02}.{ms:03}] "GET /api/v{b}/carts/{ms}/items HTTP/1.1" {} {ms} rid={id:016x}"#,
            a % 60,
            b,
            [200, 404, 500][b as usize % 3],
        ),
        4..=7 => format!(
            r#"{{"ts":"2026-11-12T10:00:{b:02}Z","level":"{level}","msg":"order {word}","user_id":{ms},"ok":{},"rid":"{id:x}","empty":""}}"#,
            a % 2 == 0,
        ),
        8..=10 => format!(
            "2026-11-12 10:00:{b:02},{ms:03} {level} [pool-{b}-thread-{a}] c.e.Gateway - upstream call after {ms} ms: {word} (attempt {b})"
        ),
        11 => format!("{word}{word}"),
        12 => format!("user={ms} dead{id:08x} {word}"),
        13 => "checkpoint complete".to_owned(),
        14 => format!(r#"{{"a":["{word}",{ms},null],"q":"say \"{word}\"","open":"{word}"#),
        _ => return odd(rng),
    };
    line.into_bytes()
}

/// Bytes that no program should write, and some do.
pub(crate) fn odd(rng: &mut ChaCha8Rng) -> Vec<u8> {
    match rng.random_range(0..5) {
        0 => Vec::new(),
        1 => (0..rng.random_range(0..80))
            .map(|_| rng.random::<u8>())
            .collect(),
        2 => b"user=\x0e took \x0f ms \x10".to_vec(),
        3 => "\u{1b}[31m7 größer\u{1b}[0m\t\r\n".into(),
        _ => "long 7 ".repeat(rng.random_range(1..400)).into_bytes(),
    }
}

/// Groups of lines: each becomes a block.
pub(crate) fn groups(seed: u64, blocks: usize, rows: usize) -> Vec<Vec<Vec<u8>>> {
    let mut rng = rng(seed);
    (0..blocks)
        .map(|_| (0..rows).map(|_| line(&mut rng)).collect())
        .collect()
}

/// A word of letters that hardly comes twice.
fn name(rng: &mut ChaCha8Rng) -> String {
    let letters = rng.random_range(3..9);
    (0..letters).map(|_| rng.random_range('a'..='z')).collect()
}

/// Lines about things with names of letters, which are cut at fields.
pub(crate) fn names(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let state = ["installed", "unpacked", "half-configured"][rng.random_range(0..3)];
    let (name, other, second) = (name(rng), name(rng), rng.random_range(0..60));
    let version = rng.random_range(0..30);
    format!("2025-06-24 14:36:{second:02} status {state} lib{name}-{other}:all 1.{version}+ds")
        .into_bytes()
}

/// Lines that say anything after a common head, which is all that is cut.
pub(crate) fn prose(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let level = ["INFO", "WARN"][rng.random_range(0..2)];
    let words = rng.random_range(0..6);
    let words: Vec<String> = (0..words).map(|_| name(rng)).collect();
    let second = rng.random_range(0..60);
    format!(
        "14:36:{second:02}.{second:03} {level} task-7: {} in {second} ms",
        words.join(" ")
    )
    .into_bytes()
}
