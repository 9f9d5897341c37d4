//! Thousands of queries over traces from a seed: the fast evaluation finds what the slow finds.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng as Rng;
use sonde_proto::{TraceId, UnixNanos};
use sonde_traceql::{Bounds, Kind, Query, SPAN_SETS_MAX, Scope, Static, Status, Value};
use sonde_traceql_oracle::{NAMES, Plain, PlainSpan, SERVICES};

fn text(text: &str) -> Static {
    Value::Str(text.to_owned().into())
}

fn trace(rng: &mut Rng) -> Plain {
    let len = rng.random_range(1..14_u64);
    let spans = (1..=len).map(|id| span(rng, id, len)).collect();
    Plain {
        id: TraceId::from_slice(&[7; 16]).expect("not zero"),
        spans,
    }
}

fn span(rng: &mut Rng, id: u64, len: u64) -> PlainSpan {
    // Roots, orphans, children of any span and, among those, cycles and spans within themselves.
    let parent = match rng.random_range(0..8) {
        0 => 0,
        1 => 99,
        2 => rng.random_range(1..=len),
        _ => rng.random_range(0..id),
    };
    let mut span = PlainSpan::new(id, parent);
    span.end = span.start + rng.random_range(0..3_000_000);
    span.name = NAMES[rng.random_range(0..NAMES.len())].to_owned();
    span.service = SERVICES[rng.random_range(0..SERVICES.len())].to_owned();
    span.kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
    span.status = Status::ALL[rng.random_range(0..3)];
    let mut put = |scope, name: &str, value| span.attributes.push((scope, name.to_owned(), value));
    put(Scope::Resource, "service.name", text(&span.service));
    if rng.random_bool(0.7) {
        put(
            Scope::Span,
            "http.route",
            text(["/a", "/b", "/c d"][rng.random_range(0..3)]),
        );
    }
    if rng.random_bool(0.7) {
        let code = [200, 404, 500][rng.random_range(0..3)];
        let code = match rng.random_range(0..6) {
            0 => text(&code.to_string()),
            1 => Value::Float(code as f64),
            _ => Value::Int(code),
        };
        let scopes = [Scope::Span, Scope::Resource];
        put(
            scopes[rng.random_range(0..2)],
            "http.response.status_code",
            code,
        );
    }
    if rng.random_bool(0.5) {
        put(Scope::Span, "retry", Value::Bool(rng.random_bool(0.5)));
    }
    if rng.random_bool(0.5) {
        let sizes = [
            Value::Float(1.5),
            Value::Int(2),
            Value::Int(0),
            Value::Float(-1.0),
        ];
        put(Scope::Span, "size", sizes[rng.random_range(0..4)].clone());
    }
    if rng.random_bool(0.5) {
        let all = [text("a"), text("b"), Value::Int(7)];
        let len = rng.random_range(0..3);
        let tags = (0..len)
            .map(|_| all[rng.random_range(0..3)].clone())
            .collect();
        put(Scope::Span, "tags", Value::List(tags));
    }
    for _ in 0..rng.random_range(0..3) {
        if rng.random_bool(0.5) {
            put(
                Scope::Event,
                "exception.type",
                text(["io", "x"][rng.random_range(0..2)]),
            );
        }
        let name = ["start", "exception"][rng.random_range(0..2)];
        span.events
            .push((name.to_owned(), span.start + rng.random_range(0..100)));
    }
    span
}

fn run(seed: u64) -> [usize; 2] {
    let mut rng = Rng::seed_from_u64(seed);
    let (mut found, mut parted) = (0, 0);
    for round in 0..3_000 {
        let trace = trace(&mut rng);
        let text = sonde_traceql_oracle::query(&mut rng);
        let query = Query::parse(&text);
        // What cannot be read, such as text above a number, is no query for either.
        let Ok(query) = query else { continue };
        let (start, end) = match rng.random_range(0..3) {
            0 => (2_500, 6_200),
            _ => (0, u64::MAX),
        };
        let bounds = Bounds {
            start: UnixNanos(start),
            end: UnixNanos(end),
            spans_max: usize::MAX,
        };
        let fast: Vec<_> = query
            .search(&trace, &bounds)
            .into_iter()
            .map(|set| {
                assert_eq!(set.matched, set.spans.len());
                let ids = set
                    .spans
                    .iter()
                    .map(|span| span.span_id)
                    .collect::<Vec<_>>();
                (ids, format!("{:?}", set.attributes))
            })
            .collect();
        let mut slow = trace.search(&query, start, end);
        slow.truncate(SPAN_SETS_MAX);
        let slow: Vec<_> = slow
            .into_iter()
            .map(|(places, attributes)| {
                let ids = places
                    .iter()
                    .map(|at| trace.spans[*at].id)
                    .collect::<Vec<_>>();
                (ids, format!("{attributes:?}"))
            })
            .collect();
        assert_eq!(fast, slow, "seed {seed}, round {round}\n{text}\n{trace:#?}");
        found += usize::from(!slow.is_empty());
        parted += usize::from(slow.len() > 1);
    }
    [found, parted]
}

#[test]
fn the_fast_evaluation_finds_what_the_slow_finds() {
    let all: Vec<[usize; 2]> = (0..4).map(run).collect();
    let sum = |at: usize| all.iter().map(|counts| counts[at]).sum::<usize>();
    // Else the queries would say nothing.
    assert!(sum(0) > 2_000 && sum(1) > 80, "{all:?}");
}
