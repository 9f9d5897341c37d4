//! Large batches and segments of many blocks, where words narrow, against a plain scan.

use super::*;
use crate::config::BodyEncoding;
use crate::record::{Key, NewRecord, pack};
use crate::segment::{Common, Handle, SegmentWriter};
use crate::stream::{Ordinals, Stream};
use crate::tail::Batch;
use crate::testing::{line_filter, query};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::{LineFilter, LineOp};
use sonde_proto::{Deadline, Tenant, TraceId};
use sonde_segment::SegmentMeta;
use std::path::Path;
use std::sync::Arc;

struct Line {
    key: Key,
    stream: Arc<Stream>,
    body: String,
    value: String,
    trace: Option<TraceId>,
}

/// Lines of several kinds, one kind a stream: plain text, requests, and noise that is in no
/// list of identifiers.
fn lines(rng: &mut ChaCha8Rng, count: u64) -> Vec<Line> {
    let streams: Vec<Arc<Stream>> = (0..6)
        .map(|n| {
            Arc::new(Stream {
                labels: [("service_name", n.to_string())].into_iter().collect(),
                resource: Arc::default(),
                level: crate::stream::Level::Unknown,
            })
        })
        .collect();
    let words = [
        "timeout",
        "time",
        "connection reset",
        "größe",
        "GET /api/v2",
        "x",
        "order_id",
        "Gateway.java:118",
    ];
    (0..count)
        .map(|n| {
            let stream = rng.random_range(0..streams.len());
            let mut body = String::new();
            while body.len() < 200 {
                match stream {
                    0 => (0..40).for_each(|_| body.push(char::from(rng.random_range(b'0'..b'z')))),
                    1 => body.push_str(&format!(
                        "w{}",
                        ["a", "b", "c", "d"]
                            .choose(rng)
                            .unwrap()
                            .repeat(rng.random_range(1..30))
                    )),
                    2 => body.push_str(words.choose(rng).unwrap()),
                    _ => body.push_str(&format!(
                        "rid={:016x}",
                        rng.random_range(0..500_u64)
                            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    )),
                }
                body.push_str([" ", ", ", "-", "\n"].choose(rng).unwrap());
            }
            if rng.random_range(0..2000) == 0 {
                body.push_str("deadlock detected");
            }
            Line {
                key: Key {
                    time: UnixNanos(1_000_000 + n / 3 * 1000),
                    position: Position(n / 100),
                    index: (n % 100) as u32,
                },
                stream: Arc::clone(&streams[stream]),
                body,
                value: format!("user-{}", rng.random_range(0..1000)),
                trace: TraceId::from_slice(&[rng.random_range(0..200); 16]).ok(),
            }
        })
        .collect()
}

fn packed(line: &Line) -> Vec<u8> {
    let mut packed = Vec::new();
    let record = NewRecord {
        observed: UnixNanos(0),
        severity: 9,
        trace_id: line.trace,
        span_id: None,
        body: line.body.as_bytes(),
    };
    let attributes = [(&b"enduser.id"[..], line.value.as_bytes())];
    pack(&record, attributes.into_iter(), &mut packed);
    packed
}

fn in_tail(lines: &[Line]) -> Snapshot {
    let batch = |lines: &[Line]| {
        let mut batch = Batch::default();
        for line in lines {
            batch.push(line.key, &line.stream, |out| out.extend(packed(line)));
        }
        Arc::new(batch)
    };
    Snapshot {
        tail: lines.chunks(lines.len().div_ceil(4)).map(batch).collect(),
        ..Snapshot::default()
    }
}

fn in_segments(lines: &[Line], dir: &Path, bodies: BodyEncoding) -> Snapshot {
    let dir = dir.join(format!("{bodies:?}"));
    let common = Arc::new(Common::new(u64::MAX, bodies));
    let segment = |(id, lines): (u64, &[Line])| {
        let dir = dir.join(id.to_string());
        let (streams, ordinals) = Ordinals::of_all(lines.iter().map(|line| &line.stream));
        let mut sorted: Vec<&Line> = lines.iter().collect();
        sorted.sort_by_key(|line| (ordinals.of(&line.stream), line.key));
        let mut writer = SegmentWriter::create(&dir, streams, &common).unwrap();
        for line in sorted {
            writer
                .add(line.key, ordinals.of(&line.stream), &packed(line))
                .unwrap();
        }
        let written = writer.finish().unwrap();
        let meta = SegmentMeta {
            id,
            tenant: Tenant::default(),
            start: written.start,
            end: written.end,
            positions: (Position(0), Position(1)),
            bytes: written.bytes,
            records: written.records,
            checksum: 0,
            extra: serde_json::Value::Null,
        };
        let segment = Handle::new(meta, dir, &common);
        segment.verify().unwrap();
        Arc::new(segment)
    };
    Snapshot {
        segments: (0..)
            .zip(lines.chunks(lines.len().div_ceil(2)))
            .map(segment)
            .collect(),
        ..Snapshot::default()
    }
}

fn limits(rng: &mut ChaCha8Rng) -> Limits {
    Limits {
        records: *[1, 10, 100_000].choose(rng).unwrap(),
        answer_bytes: u64::MAX,
        scan_bytes: u64::MAX,
        deadline: Deadline::never(),
    }
}

fn filter(rng: &mut ChaCha8Rng, lines: &[Line]) -> LineFilter {
    let body = &lines.choose(rng).unwrap().body;
    let chars: Vec<char> = body.chars().collect();
    let from = rng.random_range(0..chars.len());
    let length = rng.random_range(1..40).min(chars.len() - from);
    let piece: String = chars[from..from + length].iter().collect();
    let word = body
        .split([' ', ',', '-', '=', '\n'])
        .max_by_key(|w| w.len())
        .unwrap();
    match rng.random_range(0..6) {
        0 => line_filter(LineOp::Contains, word),
        1 => line_filter(
            LineOp::Contains,
            ["deadlock", "dead", "adlock det", "missing1234"]
                .choose(rng)
                .unwrap(),
        ),
        2 => line_filter(
            LineOp::Matches,
            &format!("{}.* [a-z]+", regex::escape(&piece)),
        ),
        3 => line_filter(
            LineOp::Matches,
            &format!("({}|missing)", regex::escape(word)),
        ),
        4 => line_filter(LineOp::NotContains, &piece),
        _ => line_filter(LineOp::Contains, &piece),
    }
}

/// The keys that a look at every line finds.
fn expected(lines: &[Line], ask: &Ask<'_>, limit: usize) -> Vec<Key> {
    let (start, end) = ask.times();
    let wanted = |line: &&Line| {
        let bytes = packed(line);
        line.key.time >= start
            && line.key.time < end
            && ask.wants_stream(&line.stream.labels)
            && ask.wants_record(&crate::record::Packed::read(&bytes).unwrap())
    };
    let mut keys: Vec<Key> = lines.iter().filter(wanted).map(|line| line.key).collect();
    keys.sort();
    if ask.direction() == Direction::Backward {
        keys.reverse();
    }
    keys.truncate(limit);
    keys
}

fn check(snapshots: &[Snapshot], lines: &[Line], ask: &Ask<'_>, limits: &Limits) {
    let expected = expected(lines, ask, limits.records);
    let threads = [Threads::new(1), Threads::new(3), Threads::new(3).eager()];
    for (snapshot, threads) in snapshots
        .iter()
        .flat_map(|s| threads.iter().map(move |t| (s, t)))
    {
        let found = run(snapshot, ask, limits, threads);
        assert_eq!(found.cut, None);
        let keys: Vec<Key> = found.hits.iter().map(|hit| hit.key).collect();
        assert!(
            keys == expected,
            "{ask:?}: {} instead of {}",
            keys.len(),
            expected.len()
        );
        for hit in &found.hits {
            let Record::Packed(bytes) = &hit.record else {
                panic!("a record was not fetched");
            };
            assert!(ask.wants_record(&crate::record::Packed::read(bytes).unwrap()));
        }
    }
}

#[test]
fn words_narrow_and_leave_nothing_out() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let lines = lines(&mut rng, 8_000);
    let dir = tempfile::tempdir().unwrap();
    let snapshots = [
        in_tail(&lines),
        in_segments(&lines, dir.path(), BodyEncoding::Plain),
        in_segments(&lines, dir.path(), BodyEncoding::Templated),
    ];
    for _ in 0..60 {
        let filters: Vec<_> = (0..rng.random_range(0..3))
            .map(|_| filter(&mut rng, &lines))
            .collect();
        let search = Search {
            query: query(Vec::new(), &filters),
            start: UnixNanos(*[0, 2_000_000].choose(&mut rng).unwrap()),
            end: UnixNanos(*[u64::MAX, 4_000_000].choose(&mut rng).unwrap()),
            limit: 0,
            direction: *[Direction::Backward, Direction::Forward]
                .choose(&mut rng)
                .unwrap(),
            interval: Duration::ZERO,
            deadline: Deadline::never(),
        };
        let limits = limits(&mut rng);
        check(
            &snapshots,
            &lines,
            &Ask::Lines(&Lines::of_search(&search)),
            &limits,
        );
    }
    for _ in 0..12 {
        let line = lines.choose(&mut rng).unwrap();
        let limits = limits(&mut rng);
        check(&snapshots, &lines, &Ask::Token(&line.value), &limits);
        let word = line.body.split([' ', ',', '\n', '=']).next().unwrap();
        if word.bytes().any(crate::words::is_word_byte) {
            check(&snapshots, &lines, &Ask::Token(word), &limits);
        }
        check(&snapshots, &lines, &Ask::Token("timeout"), &limits);
        if let Some(trace) = &line.trace {
            check(&snapshots, &lines, &Ask::Trace(trace), &limits);
        }
    }
}
