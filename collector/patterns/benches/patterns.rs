//! Templated blocks beside plain ones of the same bodies, in one run: size, encoding with the
//! words for the store's lists, decoding, and searches.
//!
//! Plain is what the log store writes otherwise: the lengths and zstd level 1 of the bodies.
//! Times are the least of several rounds that take turns, with the median behind it; other
//! load makes rounds slower, never quicker.
//!
//! The first corpus is made up (access logs, JSON and Java lines in the shares 40, 40 and 20,
//! about 217 bytes each, of 287 streams). The others are real and there only if this machine
//! has them: what lies under `/var/log`, the journal, and the files and folders that
//! `SONDE_BENCH_LOGS` names, separated by colons. `SONDE_BENCH_ROWS` says how many made-up
//! lines.

#[path = "patterns/corpus.rs"]
mod corpus;

use corpus::Corpus;
use regex::bytes::Regex;
use sonde_patterns::{
    Block, ClusterLimits, Clusters, Dictionary, Encoder, Limits, Needle, RowSet, tokens,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const TOKEN_BYTES_MIN: usize = 4;

fn main() {
    let rows = std::env::var("SONDE_BENCH_ROWS").ok();
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or(400_000);
    let mut corpora = vec![Corpus::made_up(rows)];
    corpora.extend(Corpus::real());
    for corpus in &corpora {
        measure(corpus);
    }
    if corpora.len() == 1 {
        println!("no real logs here: name some with SONDE_BENCH_LOGS");
    }
}

/// A plain block: its bodies' ends and the bodies compressed.
struct Plain {
    ends: Vec<u32>,
    zipped: Vec<u8>,
    bytes: usize,
}

impl Plain {
    /// Its size with the lengths packed in as few bits as hold them.
    fn size(&self) -> usize {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let lengths = self.ends.iter().zip(starts).map(|(end, start)| end - start);
        let shortest = lengths.clone().min().unwrap_or(0);
        let width = u32::BITS - (lengths.max().unwrap_or(0) - shortest).leading_zeros();
        self.zipped.len() + (self.ends.len() * width as usize).div_ceil(8) + 8
    }
}

fn measure(corpus: &Corpus) {
    let mut encode = [Times::default(), Times::default(), Times::default()];
    let (mut plain, mut segment) = (Vec::new(), (Vec::new(), Vec::new(), 0));
    for _ in 0..ROUNDS {
        encode[0].time(|| plain = encode_plain(corpus, true));
        encode[1].time(|| drop(black_box(encode_plain(corpus, false))));
        encode[2].time(|| segment = encode_templated(corpus));
    }
    let (blocks, dictionary, templates) = segment;
    let plain_bytes: usize = plain.iter().map(Plain::size).sum();
    let block_bytes: usize = blocks.iter().map(Vec::len).sum();
    let bytes = corpus.bytes as f64;
    println!(
        "\n## {}: {} lines, {:.1} MB, {} blocks",
        corpus.name,
        corpus.rows(),
        bytes / 1e6,
        blocks.len()
    );
    println!(
        "size of bodies: plain {:.4}, templated {:.4} (of it dictionary {:.4}); {templates} templates",
        plain_bytes as f64 / bytes,
        (block_bytes + dictionary.len()) as f64 / bytes,
        dictionary.len() as f64 / bytes,
    );
    let speed = |times: &Times| {
        let of = |t: Duration| bytes / 1e6 / t.as_secs_f64();
        format!("{:.0} ({:.0}) MB/s", of(times.least()), of(times.median()))
    };
    println!(
        "encode: plain {}, without words {}; templated {}",
        speed(&encode[0]),
        speed(&encode[1]),
        speed(&encode[2])
    );
    let start = Instant::now();
    let dictionary = Dictionary::read(&dictionary).expect("it was just written");
    println!(
        "dictionary: read in {:.2} ms, {} kB in memory",
        ms(start.elapsed()),
        dictionary.memory() / 1000
    );
    let raw: u32 = read(&dictionary, &blocks)
        .flat_map(|b| b.templates().to_vec())
        .filter(|t| t.template == 0)
        .map(|t| t.rows)
        .sum();
    println!(
        "raw rows: {:.2} %",
        100.0 * f64::from(raw) / corpus.rows() as f64
    );

    let mut decode = [Times::default(), Times::default(), Times::default()];
    for _ in 0..ROUNDS {
        decode[0].time(|| {
            for block in &plain {
                black_box(unzip(block));
            }
        });
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        decode[1].time(|| {
            for block in read(&dictionary, &blocks) {
                out.clear();
                ends.clear();
                block
                    .bodies(&mut out, &mut ends)
                    .expect("it was just written");
            }
        });
        let mut lengths = Vec::new();
        decode[2].time(|| {
            for block in read(&dictionary, &blocks) {
                lengths.clear();
                block.lengths(&mut lengths).expect("it was just written");
            }
        });
    }
    println!(
        "decode: plain {}; templated {}, lengths alone {}",
        speed(&decode[0]),
        speed(&decode[1]),
        speed(&decode[2])
    );

    println!("| search, all blocks | hits | plain scan ms | count ms | rows ms | times faster |");
    for (what, needle) in &corpus.needles {
        search(what, needle, &plain, &dictionary, &blocks);
    }
    regex(&plain, &dictionary, &blocks);
    needle_with_body(corpus, &plain, &dictionary, &blocks);
    patterns(&dictionary, &blocks);
}

fn search(what: &str, text: &str, plain: &[Plain], dictionary: &Dictionary, blocks: &[Vec<u8>]) {
    let finder = memchr::memmem::Finder::new(text.as_bytes());
    let mut times = [Times::default(), Times::default(), Times::default()];
    let (mut expected, mut counted, mut found) = (0, 0, 0);
    let mut rows = RowSet::default();
    for _ in 0..ROUNDS {
        times[0].time(|| {
            expected = plain
                .iter()
                .map(|block| scan(block, |body| finder.find(body).is_some()))
                .sum();
        });
        times[1].time(|| {
            let needle = Needle::new(dictionary, text.as_bytes());
            counted = read(dictionary, blocks)
                .map(|block| {
                    block
                        .count_containing(&needle)
                        .expect("it was just written")
                })
                .sum();
        });
        times[2].time(|| {
            let needle = Needle::new(dictionary, text.as_bytes());
            found = 0;
            for block in read(dictionary, blocks) {
                block
                    .rows_containing(&needle, &mut rows)
                    .expect("it was just written");
                found += rows.count();
            }
        });
    }
    assert_eq!((counted, found), (expected, expected), "{text:?}");
    println!(
        "| {what} `{text}` | {expected} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.1} |",
        ms(times[0].least()),
        ms(times[0].median()),
        ms(times[1].least()),
        ms(times[1].median()),
        ms(times[2].least()),
        ms(times[2].median()),
        times[0].least().as_secs_f64() / times[1].least().as_secs_f64(),
    );
}

fn regex(plain: &[Plain], dictionary: &Dictionary, blocks: &[Vec<u8>]) {
    let regex = Regex::new("[eE]rr(or|no)? ?[0-9]").expect("it is a regular expression");
    let mut times = [Times::default(), Times::default()];
    let (mut expected, mut found) = (0, 0);
    for _ in 0..ROUNDS {
        times[0].time(|| {
            expected = plain
                .iter()
                .map(|block| scan(block, |body| regex.is_match(body)))
                .sum();
        });
        times[1].time(|| {
            found = 0;
            for block in read(dictionary, blocks) {
                let mut rows = RowSet::all(block.rows());
                block
                    .retain_matching(&regex, &mut rows)
                    .expect("it was just written");
                found += rows.count();
            }
        });
    }
    assert_eq!(found, expected);
    println!(
        "| regex `{regex}` | {expected} | {:.2} | | {:.2} | {:.1} |",
        ms(times[0].least()),
        ms(times[1].least()),
        times[0].least().as_secs_f64() / times[1].least().as_secs_f64()
    );
}

/// What a store does with a needle that its list has led to one block: find the rows there,
/// and give back their bodies.
fn needle_with_body(corpus: &Corpus, plain: &[Plain], dictionary: &Dictionary, blocks: &[Vec<u8>]) {
    let picks: Vec<_> = (0..50).map(|n| n * 7919 % blocks.len()).collect();
    let texts: Vec<_> = picks.iter().map(|at| corpus.identifier(*at)).collect();
    let mut times = [Times::default(), Times::default()];
    for _ in 0..ROUNDS {
        times[0].time(|| {
            for (at, text) in picks.iter().zip(&texts) {
                let finder = memchr::memmem::Finder::new(text.as_slice());
                let mut hits = Vec::new();
                scan(&plain[*at], |body| {
                    let hit = finder.find(body).is_some();
                    if hit {
                        hits.extend_from_slice(body);
                    }
                    hit
                });
                black_box(hits);
            }
        });
        times[1].time(|| {
            let mut rows = RowSet::default();
            for (at, text) in picks.iter().zip(&texts) {
                let needle = Needle::new(dictionary, text);
                let block = Block::read(dictionary, &blocks[*at]).expect("it was just written");
                block
                    .rows_containing(&needle, &mut rows)
                    .expect("it was just written");
                let (mut hits, mut ends) = (Vec::new(), Vec::new());
                block
                    .bodies_of(&rows, &mut hits, &mut ends)
                    .expect("it was just written");
                black_box(hits);
            }
        });
    }
    let each = |times: &Times| times.least().as_secs_f64() * 1e6 / 50.0;
    println!(
        "needle and its bodies in one block: plain {:.0} us, templated {:.0} us",
        each(&times[0]),
        each(&times[1])
    );
}

fn patterns(dictionary: &Dictionary, blocks: &[Vec<u8>]) {
    let mut time = Times::default();
    let mut top = Vec::new();
    for _ in 0..ROUNDS {
        time.time(|| {
            let mut clusters = Clusters::new(ClusterLimits::default());
            for block in read(dictionary, blocks) {
                let rows: Vec<usize> = (0..block.rows()).collect();
                let patterns = block.patterns(&rows).expect("it was just written");
                let mut counts = vec![0; patterns.texts.len()];
                for text in &patterns.of_rows {
                    counts[*text as usize] += 1;
                }
                for (text, rows) in patterns.texts.iter().zip(counts) {
                    clusters.add_template(text, 0, rows);
                }
            }
            top = clusters.finish();
        });
    }
    println!(
        "patterns: {} in {:.1} ms, the first:",
        top.len(),
        ms(time.least())
    );
    for pattern in top.iter().take(4) {
        let text: String = pattern.text.chars().take(150).collect();
        println!("  {} × {text}", pattern.count);
    }
}

fn read<'a>(dictionary: &'a Dictionary, blocks: &'a [Vec<u8>]) -> impl Iterator<Item = Block<'a>> {
    blocks
        .iter()
        .map(|block| Block::read(dictionary, block).expect("it was just written"))
}

fn unzip(block: &Plain) -> Vec<u8> {
    zstd::bulk::decompress(&block.zipped, block.bytes).expect("it was just written")
}

fn scan(block: &Plain, mut hit: impl FnMut(&[u8]) -> bool) -> usize {
    let (text, mut from, mut hits) = (unzip(block), 0, 0);
    for end in &block.ends {
        hits += usize::from(hit(&text[from..*end as usize]));
        from = *end as usize;
    }
    hits
}

/// A block's words as its store would list them: hashed, sorted, each once.
fn list(words: &mut Vec<u32>) -> usize {
    words.sort_unstable();
    words.dedup();
    let listed = words.len();
    words.clear();
    listed
}

fn hash(word: &[u8]) -> u32 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let (eights, tail) = word.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let mixed = eights
        .iter()
        .chain([&last])
        .fold(word.len() as u64, |hash, eight| {
            ((hash ^ u64::from_le_bytes(*eight)).wrapping_mul(MIX)).rotate_left(29)
        });
    (mixed.wrapping_mul(MIX) >> 32) as u32
}

fn encode_plain(corpus: &Corpus, with_words: bool) -> Vec<Plain> {
    let mut zip = zstd::bulk::Compressor::new(1).expect("zstd has memory");
    let (mut text, mut words, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    for group in &corpus.blocks {
        text.clear();
        let mut ends = Vec::with_capacity(group.ends.len());
        for (body, _) in group.bodies() {
            text.extend_from_slice(body);
            ends.push(text.len() as u32);
            if with_words {
                tokens(body, |word| {
                    if word.len() >= TOKEN_BYTES_MIN {
                        words.push(hash(word));
                    }
                });
            }
        }
        black_box(list(&mut words));
        let zipped = zip.compress(&text).expect("zstd has memory");
        blocks.push(Plain {
            ends,
            zipped,
            bytes: text.len(),
        });
    }
    blocks
}

fn encode_templated(corpus: &Corpus) -> (Vec<Vec<u8>>, Vec<u8>, usize) {
    let mut encoder = Encoder::new(Limits {
        token_bytes_min: TOKEN_BYTES_MIN,
        ..Limits::default()
    });
    let (mut words, mut blocks) = (Vec::new(), Vec::new());
    let mut static_words: Vec<Option<Vec<u32>>> = Vec::new();
    for group in &corpus.blocks {
        let mut block = Vec::new();
        encoder
            .encode(group.bodies(), &mut block, |word| words.push(hash(word)))
            .expect("blocks are small");
        static_words.resize(encoder.templates(), None);
        for (template, _) in encoder.used() {
            let of_template = static_words[*template as usize].get_or_insert_with(|| {
                let mut words = Vec::new();
                encoder.static_words(*template, |word| {
                    if word.len() >= TOKEN_BYTES_MIN {
                        words.push(hash(word));
                    }
                });
                words
            });
            words.extend_from_slice(of_template);
        }
        black_box(list(&mut words));
        blocks.push(block);
    }
    let mut dictionary = Vec::new();
    let templates = encoder.templates();
    encoder.finish(&mut dictionary);
    (blocks, dictionary, templates)
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn time(&mut self, run: impl FnOnce()) {
        let start = Instant::now();
        run();
        self.0.push(start.elapsed());
        self.0.sort();
    }

    fn least(&self) -> Duration {
        self.0[0]
    }

    fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
