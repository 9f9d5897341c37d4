//! Lines to records.

use super::*;

/// Feeds lines; gives `(stream, offset, text)` of every record.
fn records(decoder: &mut Decoder, lines: &[&str]) -> Vec<(Stream, u64, String)> {
    let telemetry = Telemetry::default();
    let mut offset = 0;
    let mut out = Vec::new();
    decoder.decide(lines[0].as_bytes());
    for line in lines {
        if let Some(text) = decoder.line(offset, line.as_bytes(), &telemetry) {
            out.push((
                text.stream,
                text.offset,
                String::from_utf8_lossy(text.bytes).into_owned(),
            ));
        }
        offset += line.len() as u64 + 1;
    }
    out
}

#[test]
fn partial_lines_are_joined_per_stream_and_keep_the_first_lines_offset() {
    let mut decoder = Decoder::new(Format::Auto, 1000);
    let out = records(
        &mut decoder,
        &[
            "1970-01-02T00:00:01Z stdout P a",
            "1970-01-02T00:00:01Z stderr F x",
            "1970-01-02T00:00:01Z stdout P b",
            "1970-01-02T00:00:01Z stdout F c",
            "1970-01-02T00:00:01Z stderr P y",
        ],
    );
    assert_eq!(
        out,
        [
            (Stream::Stderr, 32, "x".into()),
            (Stream::Stdout, 0, "abc".into())
        ]
    );
    assert_eq!(decoder.oldest(), Some(128));
    assert_eq!(
        decoder.flush(Stream::Stderr).map(|t| t.bytes.to_vec()),
        Some(b"y".to_vec())
    );
    assert_eq!(decoder.oldest(), None);
}

#[test]
fn a_joined_record_is_cut_at_its_limit_and_counted_once() {
    let mut decoder = Decoder::new(Format::Cri, 3);
    let lines: Vec<_> = (0..5)
        .map(|n| {
            format!(
                "1970-01-02T00:00:01Z stdout {} ab",
                if n == 4 { "F" } else { "P" }
            )
        })
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        records(&mut decoder, &lines),
        [(Stream::Stdout, 0, "aba".into())]
    );
}

#[test]
fn a_foreign_line_in_a_container_file_is_kept_whole() {
    let mut decoder = Decoder::new(Format::Auto, 100);
    let out = records(
        &mut decoder,
        &["1970-01-02T00:00:01Z stdout F a", "panic: no"],
    );
    assert_eq!(out[1], (Stream::None, 32, "panic: no".into()));
}
