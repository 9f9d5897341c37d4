//! Plain bodies are looked through by the page, in segments of this version and beside those of
//! the versions before.

use super::*;
use crate::BodyEncoding;
use std::path::Path;

const LINES: u64 = 3_000;

fn id(n: u64) -> String {
    format!("{:016x}", (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Line `n`: one of its identifiers is nowhere else, one is in a line far away too.
fn line(n: u64) -> String {
    let filling = "which is what most of a line is ".repeat(8);
    format!("rid={} of={} {filling}", id(n), id(n % 1_500 + LINES))
}

/// Seals lines, of which each tells itself apart, into a segment.
fn sealed(dir: &Path, bodies: BodyEncoding, lines: std::ops::Range<u64>) {
    let config = Config { bodies, ..quiet() };
    let store = open(dir, &config);
    let records = lines.clone().map(|n| {
        let mut record = record(1 + n, &line(n));
        record.attributes = vec![otlp::kv("request.id", id(n))];
        record.trace_id = vec![1 + (n % 200) as u8; 16];
        record
    });
    apply(&store, lines.start, "a", records.collect());
    store.seal(NOW).unwrap();
}

fn check(store: &LogStore, bytes_max: u64) {
    let tenant = Tenant::default();
    let found = |query: &str| {
        let answer = store.search(&tenant, &search(query)).unwrap();
        assert_eq!(answer.cut, None);
        let bytes = answer.bytes_read;
        let lines: Vec<String> = answer.records.into_iter().map(|r| r.body).collect();
        (lines, bytes)
    };
    for n in (0..LINES).step_by(61) {
        for query in [
            format!("{{}} |= `rid={} `", id(n)),
            format!("{{}} |= `{}`", id(n)),
            format!("{{}} |~ `rid={} of=.*line`", id(n)),
            format!("{{}} | request_id=`{}`", id(n)),
            format!(
                "{{}} |= `rid={} ` |= `of={} `",
                id(n),
                id(n % 1_500 + LINES)
            ),
        ] {
            let (lines, bytes) = found(&query);
            assert_eq!(lines, [line(n)], "{query}");
            let is_of_text = query.contains("|= `rid");
            assert!(!is_of_text || bytes <= bytes_max, "{query}: {bytes}");
        }
        let (lines, _) = found(&format!("{{}} |= `of={} `", id(n % 1_500 + LINES)));
        assert_eq!(lines, [line(n % 1_500 + 1_500), line(n % 1_500)]);
        let (lines, _) = found(&format!("{{}} |= `rid={} ` |= `rid={} `", id(n), id(n + 1)));
        assert!(lines.is_empty());
        let (lines, _) = found(&format!("{{}} |= `f{}`", id(n)));
        assert!(lines.is_empty());
        let found = store.by_id(&tenant, &id(n), 10, &Deadline::never());
        assert_eq!(found.unwrap().records.len(), 1);
    }
}

#[test]
fn a_needle_reads_one_page_of_plain_bodies() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), BodyEncoding::Plain, 0..LINES);
    // A page, the times and the order; a block would be four times as much.
    check(&open(dir.path(), &quiet()), 80 << 10);
}

#[test]
fn segments_of_versions_3_and_4_are_read_and_merged_with_newer_ones() {
    let dir = tempfile::tempdir().unwrap();
    // Without identifiers by page, and without columns that have grams, which these lines make
    // none of, the versions differ by their names.
    sealed(dir.path(), BodyEncoding::Templated, 0..1_000);
    sealed(dir.path(), BodyEncoding::Plain, 1_000..2_000);
    sealed(dir.path(), BodyEncoding::Templated, 2_000..LINES);
    for (segment, version) in [(0, b'3'), (2, b'4')] {
        let path = format!("segments/default/{segment:016x}/directory");
        let path = dir.path().join(path);
        let mut directory = std::fs::read(&path).unwrap();
        assert_eq!(&directory[..8], b"SONDLOG5");
        directory[7] = version;
        let end = directory.len() - 4;
        let checksum = crc32c::crc32c(&directory[..end]);
        directory[end..].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, &directory).unwrap();
    }
    let config = Config {
        verify_at_open: true,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    assert_eq!(store.stats().segments, 3);
    check(&store, 300 << 10);
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 1);
    check(&store, 300 << 10);
}
