//! Every operator and intrinsic on one trace that can be read, with the answer beside it.
//!
//! ```text
//! 1 GET /         checkout  server    ok      0 ms to 100 ms
//! ├─ 2 auth       checkout  internal  unset
//! ├─ 3 POST /pay  checkout  client    error   20 ms to 80 ms
//! │  └─ 4 pay     pay       server    error   30 ms to 70 ms
//! │     ├─ 5 query     pay  client    unset
//! │     └─ 6 query     pay  client    error
//! └─ 7 send       checkout  producer  unset
//!    8 late       mail      consumer  unset, its parent has not come
//! ```

use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_traceql::{Bounds, Kind, Query, Scope, Static, Status, Value};
use sonde_traceql_oracle::{Plain, PlainSpan};

const MS: u64 = 1_000_000;

fn text(text: &str) -> Static {
    Value::Str(text.to_owned().into())
}

fn trace() -> Plain {
    let span =
        |id: u64, parent, name: &str, service: &str, kind, status, (start, end): (u64, u64)| {
            let mut span = PlainSpan::new(id, parent);
            (span.start, span.end) = ((1_000 + start) * MS, (1_000 + end) * MS);
            (span.name, span.service) = (name.to_owned(), service.to_owned());
            (span.kind, span.status) = (kind, status);
            span.attributes
                .push((Scope::Resource, "service.name".to_owned(), text(service)));
            span
        };
    use Status::{Error, Ok, Unset};
    let mut spans = vec![
        span(1, 0, "GET /", "checkout", Kind::Server, Ok, (0, 100)),
        span(2, 1, "auth", "checkout", Kind::Internal, Unset, (5, 10)),
        span(3, 1, "POST /pay", "checkout", Kind::Client, Error, (20, 80)),
        span(4, 3, "pay", "pay", Kind::Server, Error, (30, 70)),
        span(5, 4, "query", "pay", Kind::Client, Unset, (35, 40)),
        span(6, 4, "query", "pay", Kind::Client, Error, (45, 60)),
        span(7, 1, "send", "checkout", Kind::Producer, Unset, (90, 95)),
        span(8, 99, "late", "mail", Kind::Consumer, Unset, (120, 130)),
    ];
    let mut put = |id: usize, scope, name: &str, value| {
        spans[id - 1]
            .attributes
            .push((scope, name.to_owned(), value));
    };
    put(1, Scope::Span, "http.status_code", Value::Int(200));
    put(3, Scope::Span, "http.status_code", Value::Int(500));
    put(4, Scope::Span, "http.status_code", text("500"));
    put(5, Scope::Span, "rows", Value::Float(2.5));
    put(6, Scope::Span, "rows", Value::Int(10));
    put(5, Scope::Span, "cached", Value::Bool(true));
    put(6, Scope::Span, "cached", Value::Bool(false));
    put(2, Scope::Span, "service.name", text("on the span"));
    put(
        7,
        Scope::Span,
        "topics",
        Value::List(vec![text("mail"), text("audit")]),
    );
    put(6, Scope::Event, "exception.type", text("Timeout"));
    put(7, Scope::Link, "why", text("retry"));
    put(8, Scope::Instrumentation, "team", text("post"));
    spans[5].message = "no answer".to_owned();
    spans[5].events.push(("exception".to_owned(), 1_050 * MS));
    spans[4].events = vec![
        ("start".to_owned(), 1_035 * MS),
        ("done".to_owned(), 1_039 * MS),
    ];
    spans[6].links.push((
        TraceId::from_slice(&[9; 16]).expect("not zero"),
        SpanId::from_slice(&[5; 8]).expect("not zero"),
    ));
    spans[7].instrumentation = ("otel".to_owned(), "1.2".to_owned());
    Plain {
        id: TraceId::from_slice(&[7; 16]).expect("not zero"),
        spans,
    }
}

fn number(id: SpanId) -> u64 {
    u64::from_be_bytes(*id.as_bytes())
}

/// The numbers of the spans of each set.
fn found(query: &str) -> Vec<Vec<u64>> {
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 100,
    };
    let query = Query::parse(query).unwrap_or_else(|error| panic!("{error}"));
    let sets = query.search(&trace(), &bounds);
    let numbers =
        |set: &sonde_traceql::SpanSet| set.spans.iter().map(|s| number(s.span_id)).collect();
    sets.iter().map(numbers).collect()
}

/// The query finds one set of these spans; no set where there are none.
fn check(query: &str, spans: &[u64]) {
    let sets = found(query);
    assert!(sets.len() <= 1, "{query}: {sets:?}");
    assert_eq!(sets.concat(), spans, "{query}");
}

#[test]
fn comparisons() {
    check("{ }", &[1, 2, 3, 4, 5, 6, 7, 8]);
    check("{ true }", &[1, 2, 3, 4, 5, 6, 7, 8]);
    check("{ false }", &[]);
    check("{ name = \"query\" }", &[5, 6]);
    check(
        "{ name != \"query\" && resource.service.name = \"pay\" }",
        &[4],
    );
    check("{ name > \"query\" }", &[7]);
    check("{ name <= \"auth\" }", &[1, 2, 3]);
    check("{ name =~ \"que\" }", &[]);
    check("{ name =~ \"que.*\" }", &[5, 6]);
    check(
        "{ name !~ \".*e.*\" }",
        &[1, 2, 3, 4]
            .into_iter()
            .filter(|n| *n != 0)
            .collect::<Vec<u64>>(),
    );
    check("{ span.http.status_code = 500 }", &[3]);
    check("{ span.http.status_code = 500.0 }", &[3]);
    check("{ span.http.status_code = \"500\" }", &[4]);
    check("{ span.http.status_code >= 200 }", &[1, 3]);
    check("{ 200 < .http.status_code }", &[3]);
    check("{ .rows > 2 }", &[5, 6]);
    check("{ .rows = 2.5 }", &[5]);
    check("{ .cached }", &[5]);
    check("{ .cached = false }", &[6]);
    check("{ !.cached }", &[6]);
    check("{ !(.rows > 5) && .rows != nil }", &[5]);
}

#[test]
fn what_is_missing_satisfies_only_nil() {
    check("{ .rows != 10 }", &[5]);
    check("{ .http.status_code != 500 }", &[1]);
    check("{ .http.status_code !~ \"x\" }", &[4]);
    check("{ .nothing != 1 }", &[]);
    check("{ .nothing = nil && kind = client }", &[3, 5, 6]);
    check("{ .rows != nil }", &[5, 6]);
    check("{ nil != .rows }", &[5, 6]);
    check("{ .nothing = .nowhere }", &[]);
}

#[test]
fn scopes() {
    check("{ .service.name = \"on the span\" }", &[2]);
    check("{ .service.name = \"checkout\" }", &[1, 3, 7]);
    check("{ resource.service.name = \"checkout\" }", &[1, 2, 3, 7]);
    check("{ span.service.name != nil }", &[2]);
    check("{ parent.http.status_code = 500 }", &[4]);
    check("{ parent.span.http.status_code = 200 }", &[2, 3, 7]);
    check("{ parent.resource.service.name = \"pay\" }", &[5, 6]);
    check("{ parent.service.name != resource.service.name }", &[4]);
    check("{ event.exception.type = \"Timeout\" }", &[6]);
    check("{ link.why = \"retry\" }", &[7]);
    check("{ instrumentation.team = \"post\" }", &[8]);
}

#[test]
fn lists() {
    check("{ .topics = \"audit\" }", &[7]);
    check("{ .topics != \"audit\" }", &[]);
    check("{ .topics != \"x\" }", &[7]);
    check("{ .topics =~ \"m.*\" }", &[7]);
    check("{ .topics !~ \"m.*\" }", &[]);
    check("{ .topics = 5 }", &[]);
}

#[test]
fn arithmetic() {
    check("{ .rows * 2 + 1 = 6 }", &[5]);
    check("{ .rows ^ 2 > 99 }", &[6]);
    check("{ .rows % 3 = 1 }", &[6]);
    check("{ -.rows < -5 }", &[6]);
    check("{ duration / 2 >= 30ms && kind = client }", &[3]);
    check("{ .http.status_code + 1 = 501 }", &[3]);
    check("{ 1 + 1 = 2 && name = \"late\" }", &[8]);
}

#[test]
fn intrinsics() {
    check("{ duration > 50ms }", &[1, 3]);
    check("{ span:duration = 5ms }", &[2, 5, 7]);
    check("{ status = error }", &[3, 4, 6]);
    check("{ status != unset }", &[1, 3, 4, 6]);
    check("{ statusMessage = \"no answer\" }", &[6]);
    check("{ kind = server }", &[1, 4]);
    check("{ span:id = \"0000000000000003\" }", &[3]);
    check("{ span:parentID = \"0000000000000004\" }", &[5, 6]);
    check("{ span:parentID = nil }", &[1]);
    check("{ childCount > 1 }", &[1, 4]);
    check("{ parent = nil }", &[1]);
    check("{ parent != nil && kind = consumer }", &[8]);
    check("{ nestedSetParent < 0 }", &[1]);
    check("{ nestedSetParent = 0 }", &[8]);
    check("{ nestedSetLeft = 1 && nestedSetRight = 14 }", &[1]);
    check("{ nestedSetParent = 1 }", &[2, 3, 7]);
    check("{ trace:duration = 130ms && name = \"auth\" }", &[2]);
    check("{ traceDuration > 130ms }", &[]);
    check(
        "{ rootName = \"GET /\" && rootServiceName = \"checkout\" && kind = consumer }",
        &[8],
    );
    check("{ trace:rootService = \"pay\" }", &[]);
    check(
        "{ trace:id = \"07070707070707070707070707070707\" && .cached }",
        &[5],
    );
    check("{ event:name = \"done\" }", &[5]);
    check("{ event:name != \"done\" }", &[6]);
    check("{ event:timeSinceStart > 4ms }", &[6]);
    check("{ event:timeSinceStart = 0 }", &[5]);
    check(
        "{ link:traceID = \"09090909090909090909090909090909\" }",
        &[7],
    );
    check("{ link:spanID = \"0505050505050505\" }", &[7]);
    check(
        "{ instrumentation:name = \"otel\" && instrumentation:version = \"1.2\" }",
        &[8],
    );
}

#[test]
fn sets_of_spans() {
    check("{ name = \"auth\" } && { kind = server }", &[1, 2, 4]);
    check("{ name = \"auth\" } && { name = \"nothing\" }", &[]);
    check("{ name = \"auth\" } || { name = \"nothing\" }", &[2]);
    check("{ status = error } | { kind = client }", &[3, 6]);
    check(
        "({ kind = client } | count() > 2) && { name = \"auth\" }",
        &[2, 3, 5, 6],
    );
    check(
        "({ kind = client } | count() > 3) && { name = \"auth\" }",
        &[],
    );
}

#[test]
fn structure() {
    check("{ name = \"GET /\" } > { }", &[2, 3, 7]);
    check("{ name = \"GET /\" } >> { }", &[2, 3, 4, 5, 6, 7]);
    check("{ name = \"query\" } < { }", &[4]);
    check("{ name = \"query\" } << { }", &[1, 3, 4]);
    check("{ .cached = true } ~ { }", &[6]);
    check("{ name = \"query\" } ~ { }", &[5, 6]);
    check("{ name = \"GET /\" } ~ { }", &[]);
    check("{ name = \"GET /\" } !> { kind = client }", &[5, 6]);
    check("{ name = \"pay\" } !>> { kind = client }", &[3]);
    check("{ name = \"nothing\" } !>> { kind = client }", &[3, 5, 6]);
    check("{ name = \"query\" } !< { kind = server }", &[1]);
    check("{ status = error } !<< { kind = server }", &[]);
    check("{ .cached = true } !~ { kind = client }", &[3, 5]);
    check("{ name = \"GET /\" } &> { kind = client }", &[1, 3]);
    check(
        "{ resource.service.name = \"checkout\" } &>> { resource.service.name = \"pay\" }",
        &[1, 3, 4, 5, 6],
    );
    check("{ name = \"query\" } &< { }", &[4, 5, 6]);
    check("{ .rows > 5 } &<< { kind = server }", &[1, 4, 6]);
    check("{ .cached } &~ { status = error }", &[5, 6]);
    check(
        "{ kind = server } >> { kind = client } >> { status = error }",
        &[4, 6],
    );
    check(
        "({ kind = server } > { kind = client }) < { kind = server }",
        &[1, 4],
    );
}

#[test]
fn cycles_and_spans_within_themselves_end() {
    let mut trace = trace();
    trace.spans[0].parent = Some(trace.spans[6].id);
    trace.spans[1].parent = Some(trace.spans[1].id);
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 100,
    };
    let numbers = |query: &str| -> Vec<u64> {
        let sets = Query::parse(query).unwrap().search(&trace, &bounds);
        sets.iter()
            .flat_map(|set| &set.spans)
            .map(|s| number(s.span_id))
            .collect()
    };
    assert!(numbers("{ name = \"send\" } >> { }").is_empty());
    assert_eq!(numbers("{ name = \"GET /\" } >> { }"), [3, 4, 5, 6, 7]);
    assert!(numbers("{ name = \"auth\" } > { }").is_empty());
    assert_eq!(numbers("{ nestedSetParent = 0 }"), [1, 2, 8]);
}

#[test]
fn a_chain_of_100_000_spans_is_walked_without_recursion() {
    let spans = (1..=100_000).map(|id| PlainSpan::new(id, id - 1)).collect();
    let trace = Plain {
        id: TraceId::from_slice(&[7; 16]).expect("not zero"),
        spans,
    };
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 1,
    };
    let query = Query::parse("{ parent = nil } >> { childCount = 0 }").unwrap();
    let sets = query.search(&trace, &bounds);
    assert_eq!(number(sets[0].spans[0].span_id), 100_000);
    let query = Query::parse("{ } &>> { }").unwrap();
    assert_eq!(query.search(&trace, &bounds)[0].matched, 100_000);
}

#[test]
fn pipelines() {
    check("{ kind = client } | count() = 3", &[3, 5, 6]);
    check("{ kind = client } | count() > 3", &[]);
    check("{ kind = client } | avg(duration) > 26ms", &[3, 5, 6]);
    check("{ kind = client } | avg(duration) > 27ms", &[]);
    check(
        "{ } | max(duration) = 100ms | min(.rows) = 2.5 | sum(.rows) = 12.5",
        &[1, 2, 3, 4, 5, 6, 7, 8],
    );
    check("{ } | sum(.nothing) >= 0", &[]);
    check(
        "{ } | max(duration) - min(duration) > 90ms",
        &[1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert_eq!(
        found("{ } | by(resource.service.name)"),
        [vec![1, 2, 3, 7], vec![4, 5, 6], vec![8]]
    );
    assert_eq!(
        found("{ } | by(resource.service.name) | count() = 3"),
        [vec![4, 5, 6]]
    );
    assert_eq!(found("{ } | by(.rows) | count() = 1"), [vec![5], vec![6]]);
    check(
        "{ } | by(resource.service.name) | count() < 4 | coalesce()",
        &[4, 5, 6, 8],
    );
    check("count() = 8", &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_is_told_of_a_span() {
    let bounds = Bounds {
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        spans_max: 1,
    };
    let text = "{ .rows > 1 && status = error && name = \"query\" } | by(kind) | avg(.rows) > 1 | select(statusMessage, .cached, .nothing)";
    let sets = Query::parse(text).unwrap().search(&trace(), &bounds);
    let shown = |all: &[(String, Static)]| -> Vec<String> {
        all.iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    };
    assert_eq!(sets.len(), 1);
    assert_eq!(
        shown(&sets[0].attributes),
        ["by(span:kind)=client", "avg(.rows)=10"]
    );
    let span = &sets[0].spans[0];
    assert_eq!(
        (
            number(span.span_id),
            span.name.as_str(),
            span.service.as_str()
        ),
        (6, "query", "pay")
    );
    assert_eq!((span.start.0, span.duration_nanos), (1_045 * MS, 15 * MS));
    assert_eq!(
        shown(&span.attributes),
        [
            "rows=10",
            "status=error",
            "statusMessage=no answer",
            "cached=false"
        ]
    );
}

#[test]
fn only_spans_within_the_time_are_looked_at_and_the_rest_holds_them_together() {
    let bounds = Bounds {
        start: UnixNanos(1_032 * MS),
        end: UnixNanos(1_046 * MS),
        spans_max: 100,
    };
    let numbers = |query: &str| -> Vec<u64> {
        let sets = Query::parse(query).unwrap().search(&trace(), &bounds);
        sets.iter()
            .flat_map(|set| &set.spans)
            .map(|s| number(s.span_id))
            .collect()
    };
    assert_eq!(numbers("{ }"), [1, 3, 4, 5, 6]);
    assert!(numbers("{ name = \"auth\" }").is_empty());
    assert_eq!(
        numbers("{ name = \"GET /\" } >> { name = \"query\" }"),
        [5, 6]
    );
    assert_eq!(
        numbers("{ trace:duration = 130ms } | count() = 5"),
        [1, 3, 4, 5, 6]
    );
}

#[test]
fn the_longest_query_is_carried_out_on_the_stack_of_a_thread() {
    let conditions = ["(.a + .b * 2 > 1)"; 80].join(" || ");
    let structure = ["{ }"; 10].join(" &>> ");
    let sets = format!("{{ {conditions} }} && {structure}");
    let run = move || found(&sets).len();
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    assert_eq!(thread.unwrap().join().unwrap(), 0);
    let chain = format!("{{ {} }}", [".a"; 500].join(" || "));
    let run = move || found(&chain).len();
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    assert_eq!(thread.unwrap().join().unwrap(), 0);
}
