//! No input panics: damaged bodies of each format, and any bytes.

use crate::collect::{Collected, collect};
use crate::generate::{families, write};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sonde_exposition::{Escaping, Format, Options, Place, Protocol, read};

const FORMATS: [(Protocol, Format); 3] = [
    (Protocol::Text1, Format::Text),
    (Protocol::OpenMetrics1, Format::OpenMetrics),
    (Protocol::Protobuf, Format::Protobuf),
];

/// Reads, and looks whether a refusal names a place that is there.
fn check(format: Format, body: &[u8]) -> bool {
    match collect(format, body) {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.message.is_empty());
            match error.place {
                Place::Byte(at) => assert!(at <= body.len(), "{error}"),
                Place::Line { line, column } => {
                    let text = body.split(|byte| *byte == b'\n').nth(line - 1);
                    assert!(text.is_some_and(|text| column <= text.len() + 1), "{error}");
                }
            }
            false
        }
    }
}

#[test]
fn every_byte_turned_and_every_cut_is_borne() {
    let mut runner = TestRunner::deterministic();
    for (protocol, format) in FORMATS {
        let (mut cuts, mut refused, mut bodies) = (0, 0, 0);
        while bodies < 2 {
            let made = families().new_tree(&mut runner).unwrap().current();
            let body = write(protocol, Escaping::Utf8, &made);
            if body.len() < 200 {
                continue;
            }
            bodies += 1;
            assert!(check(format, &body));
            for at in 0..body.len() {
                cuts += 1;
                refused += usize::from(!check(format, &body[..at]));
                let mut damaged = body.clone();
                for turn in [0x01, 0x18, 0x80] {
                    damaged[at] = body[at] ^ turn;
                    check(format, &damaged);
                }
            }
        }
        // Text cut at the end of a line is whole; the others say where they end.
        let enough = if format == Format::Text {
            cuts / 2
        } else {
            cuts * 8 / 10
        };
        assert!(
            refused > enough,
            "{format:?}: {refused} of {cuts} cuts refused"
        );
    }
}

#[test]
fn a_sink_that_breaks_ends_the_reading() {
    let mut runner = TestRunner::deterministic();
    for (protocol, format) in FORMATS {
        let made = loop {
            let made = families().new_tree(&mut runner).unwrap().current();
            if made
                .iter()
                .map(|family| family.samples.len())
                .sum::<usize>()
                > 20
            {
                break made;
            }
        };
        let mut body = write(protocol, Escaping::Utf8, &made);
        body.extend_from_slice(b"\xff\xff\xff");
        let mut sink = Collected {
            most: Some(3),
            ..Collected::default()
        };
        read(format, &body, &Options::default(), &mut sink).unwrap();
        assert_eq!(sink.samples.len(), 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_borne(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, format) in FORMATS {
            check(format, &body);
        }
    }

    #[test]
    fn any_words_are_borne(body in "(# TYPE |# HELP |# UNIT |# EOF|a|_total|_created|_bucket|\\{|\\}|\"|le|=|,| |\t|\n|\\\\|counter|histogram|summary|1|\\.|e9|NaN|# \\{|st@|ü){0,40}") {
        check(Format::Text, body.as_bytes());
        check(Format::OpenMetrics, body.as_bytes());
    }

    #[test]
    fn any_small_fields_are_borne(fields in prop::collection::vec((1..17_u8, 0..6_u8, 0..20_u8), 0..40)) {
        let inside: Vec<u8> = fields.iter().flat_map(|(number, kind, value)| [number << 3 | kind, *value]).collect();
        let body = [&[0x80 | (inside.len() + 3) as u8, ((inside.len() + 3) >> 7) as u8, 0x0a, 1, b'a'][..], &inside].concat();
        check(Format::Protobuf, &body);
    }
}
