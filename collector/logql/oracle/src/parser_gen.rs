//! Random parsers that suit a line.

use crate::stage_gen::Allowed;
use crate::state::State;
use crate::world::pick;
use rand::Rng;
use sonde_logql::ast::{Extraction, Stage};

pub(crate) fn parser(rng: &mut impl Rng, state: &State, allowed: Allowed) -> Stage {
    let line = String::from_utf8_lossy(&state.line).into_owned();
    let kind = if line.starts_with('{') && rng.random_bool(0.85) {
        if line.contains("_entry") && rng.random_bool(0.7) {
            2
        } else {
            0
        }
    } else if line.contains("HTTP/1.1") && rng.random_bool(0.8) {
        3 + rng.random_range(0..2)
    } else if line.contains('=') && rng.random_bool(0.8) {
        1
    } else {
        rng.random_range(0..5)
    };
    match kind {
        0 if allowed.paths && rng.random_bool(0.35) => Stage::Json(json_paths(rng)),
        0 => Stage::Json(Vec::new()),
        2 if allowed.paths => Stage::Unpack,
        1 | 2 => Stage::Logfmt {
            strict: rng.random_bool(0.25),
            keep_empty: rng.random_bool(0.2),
            extractions: if rng.random_bool(0.3) { logfmt_keys(rng) } else { Vec::new() },
        },
        3 => Stage::Pattern(
            pick(
                rng,
                &[
                    "<ip> - - <_> \"<method> <path> <_>\" <status> <total> <_>",
                    "<first> <rest>",
                    "<_>level=<level> <_>",
                    "{<_>\"method\":\"<method>\"<_>",
                    "<_>\"<method> <uri> HTTP<_>\" <status> <_>",
                ],
            )
            .into(),
        ),
        _ => Stage::Regexp(
            pick(
                rng,
                &[
                    r#"^(?P<ip>\S+) - - \[.*?\] "(?P<method>\w+) (?P<path>\S+)[^"]*" (?P<status>\d+) (?P<total>\d+)"#,
                    r"(?P<first>\w)(?P<none>zzz)?",
                    r"level=(?P<level>\w+)",
                    r"(?P<word>[a-z]+)(?P<rest>.*)",
                    r#""total":(?P<total>\d+)"#,
                    r"(?P<app>\w+) (?P<to>to|the)\b",
                ],
            )
            .into(),
        ),
    }
}

fn json_paths(rng: &mut impl Rng) -> Vec<Extraction> {
    let paths = [
        ("method", "method"),
        ("status", "status"),
        ("level", "level"),
        ("total", "total"),
        ("app", "app"),
        ("v1", "req.method"),
        ("v2", "req[\"user-agent\"]"),
        ("v3", "tags[0]"),
        ("v4", "req.inner"),
        ("v5", "tags"),
        ("v6", "req[\"inner\"].id"),
        ("v7", "nothing"),
        ("v8", "ok"),
        ("v9", "no.such.path"),
        ("user", "user"),
        ("latency", "latency"),
    ];
    some(rng, &paths)
}

fn logfmt_keys(rng: &mut impl Rng) -> Vec<Extraction> {
    let keys = [
        ("method", "method"),
        ("level", "level"),
        ("v1", "path"),
        ("v2", "duration"),
        ("total", "total"),
        ("v3", "msg"),
        ("v4", "nokey"),
        ("v5", "alone"),
    ];
    some(rng, &keys)
}

fn some(rng: &mut impl Rng, from: &[(&str, &str)]) -> Vec<Extraction> {
    let mut out: Vec<Extraction> = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let (label, path) = from[rng.random_range(0..from.len())];
        if out.iter().all(|e| e.label != label) {
            out.push(Extraction {
                label: label.into(),
                path: path.into(),
            });
        }
    }
    out
}
