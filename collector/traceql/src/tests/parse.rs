//! What is a query, how it is written, and what is said about what is none.

use crate::{Intrinsic, Query};
use proptest::prelude::*;

/// The query is one, and is written so.
fn check(text: &str, written: &str) {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(query.to_string(), written, "{text}");
    let again = Query::parse(written).unwrap_or_else(|error| panic!("{written}\n{error}"));
    assert_eq!(again, query, "{text}");
}

fn same(text: &str) {
    check(text, text);
}

fn check_error(text: &str, offset: usize, part: &str) {
    let error = Query::parse(text).expect_err(text);
    assert!(error.message.contains(part), "{text:?}: {error}");
    assert_eq!(error.offset, offset, "{text:?}: {error}");
}

#[test]
fn conditions() {
    check("", "{ }");
    check(" \n// all of them\n", "{ }");
    check("{}", "{ }");
    check("{.a=1}", "{ .a = 1 }");
    same("{ resource.service.name = \"checkout\" && span:status = error }");
    check(
        "{span.http.status_code>=500||.retry!=true}",
        "{ span.http.status_code >= 500 || .retry != true }",
    );
    check("{ span:duration > 1.5s }", "{ span:duration > 1s500ms }");
    check("{ duration>100us }", "{ span:duration > 100us }");
    check("{ duration > 1d12h }", "{ span:duration > 36h }");
    same("{ span:name =~ \"GET .*\" && span:kind != server }");
    check("{name!~`\\d+`}", "{ span:name !~ \"\\\\d+\" }");
    same("{ .a = nil || nil != span.b }");
    same("{ parent = nil }");
    same("{ true && false }");
    same("{ .flag && !(.other = 1) }");
    same("{ event.exception.type = \"x\" && link.a = 1 && instrumentation.b = 2.5 }");
    same("{ parent.a = 1 && parent.span.b = 2 && parent.resource.c = 3 }");
    same("{ parent.\"span.b\" = 2 }");
    check(
        "{ .\"a b\" = 1 && span.x.\"y z\".w = 2 }",
        "{ .\"a b\" = 1 && span.\"x.y z.w\" = 2 }",
    );
    same("{ .\"0day\" = 1 }");
    same("{ .größe = 1.0 }");
    check("{ .a = .5 }", "{ .a = 0.5 }");
    check("{ .a = 1e3 }", "{ .a = 1000.0 }");
    check("{ .a-b = 1 }", "{ .a-b = 1 }");
}

#[test]
fn every_intrinsic_has_its_names() {
    for (intrinsic, new, old) in Intrinsic::ALL {
        for name in [new, old].into_iter().filter(|name| !name.is_empty()) {
            let query = Query::parse(&format!("{{ {name} != nil }}")).unwrap();
            assert_eq!(
                query.to_string(),
                format!("{{ {} != nil }}", intrinsic.name())
            );
        }
    }
}

#[test]
fn operators_bind_as_in_tempo() {
    check("{ .a || .b && .c }", "{ .a || .b && .c }");
    check("{ (.a || .b) && .c }", "{ .a || .b && .c }");
    same("{ .a || (.b && .c) }");
    check("{ .a + .b * 2 > 1 }", "{ .a + .b * 2 > 1 }");
    check("{ (.a + .b) * 2 > 1 }", "{ (.a + .b) * 2 > 1 }");
    check("{ .a - (.b - 1) = 0 }", "{ .a - (.b - 1) = 0 }");
    check("{ 2 ^ 3 ^ 2 = 512 }", "{ 2 ^ 3 ^ 2 = 512 }");
    same("{ (2 ^ 3) ^ 2 = 64 }");
    same("{ -.a * 2 = 1 }");
    same("{ (-.a) * 2 = 1 }");
    check("{ .a = - 5 }", "{ .a = -5 }");
    same("{ (-5) ^ 2 = 25 }");
    same("{ !.a && .b }");
}

#[test]
fn spansets() {
    same("{ .a } && { .b } || { .c }");
    same("{ .a } && ({ .b } || { .c })");
    for sign in [">", ">>", "<", "<<", "~"] {
        for form in ["", "!", "&"] {
            same(&format!("{{ .a }} {form}{sign} {{ .b }}"));
            check(
                &format!("{{.a}}{form}{sign}{{.b}}"),
                &format!("{{ .a }} {form}{sign} {{ .b }}"),
            );
        }
    }
    same("{ .a } > { .b } >> { .c } && { .d } ~ { .e }");
    same("{ .a } > ({ .b } >> { .c })");
    same("({ .a } && { .b }) >> { .c }");
    same("({ .a } | count() > 2) && { .b }");
}

#[test]
fn pipelines() {
    same("{ .a } | { .b } | count() > 2");
    same("{ } | avg(span:duration) > 1s | max(.x) - min(.x) >= 2.5");
    same("{ } | sum(.a) / count() < 10 ^ 2");
    same("{ } | by(resource.service.name) | count() > 1 | coalesce() | select(.a, span:status)");
    same("{ } | (count() + 1) * 2 = 4");
    same("by(span:name) | count() > 1");
    check("{}|count()=-5", "{ } | count() = 0 - 5");
    check(
        "{ .a } with (most_recent=true,x=\"y\")",
        "{ .a } with(most_recent=true, x=\"y\")",
    );
}

#[test]
fn a_pipeline_in_parentheses_is_compared_by_its_number() {
    check("({ } | count()) > 2", "{ } | count() > 2");
    check(
        "(({ .a } >> { .b } | by(.c) | avg(.d))) <= 1.5s | select(.e)",
        "{ .a } >> { .b } | by(.c) | avg(.d) <= 1s500ms | select(.e)",
    );
    check(
        "({ .a } | count() > 1 | max(.b) - 1) != -5 | rate()",
        "{ .a } | count() > 1 | max(.b) - 1 != 0 - 5 | rate()",
    );
    check(
        "({ .a = \")\" && (.b || .c) } | count()) = 2",
        "{ .a = \")\" && (.b || .c) } | count() = 2",
    );
    // These are spansets still.
    same("({ .a } | count() > 1) > { .b }");
    check("({ .a }) > ({ .b })", "{ .a } > { .b }");
    // Two pipelines have no span set in common whose number could be compared.
    let two = "({ .a } | count()) > ({ .b } | count())";
    check_error(two, 17, "expected a comparison");
    check_error("({ } | select(.a)) > 2", 17, "expected | and a number");
    check_error("({ }) > 2", 4, "expected | and a number");
}

#[test]
fn a_pipeline_may_begin_with_any_stage() {
    same("select(.a)");
    same("by(.a) | count() > 1");
    same("count() > 1");
    check_error("coalesce()", 0, "a query begins with");
}

#[test]
fn a_query_says_itself_how_many_exemplars_it_wants() {
    let check = |hints: &str, expected: Option<usize>| {
        let query = Query::parse(&format!("{{ }} | rate() {hints}")).unwrap();
        assert_eq!(query.exemplars(), expected, "{hints}");
    };
    check("", None);
    check("with(exemplars=7)", Some(7));
    check("with(most_recent=true, exemplars=0)", Some(0));
    check("with(exemplars=false)", Some(0));
    check("with(exemplars=true)", None);
    check("with(exemplars=\"5\")", None);
    check("with(sample=0.1, unknown=1s)", None);
}

#[test]
fn metrics() {
    same("{ } | rate()");
    same("{ .a } | { .b } | rate() by (resource.service.name, .b)");
    same("{ } | count_over_time() by (span:status) | topk(5)");
    same("{ } | min_over_time(span:duration) | bottomk(2)");
    same("{ } | quantile_over_time(span:duration, 0.5, 0.99) by (.a)");
    same("{ } | histogram_over_time(.bytes)");
    same("{ } | rate() > 5 | topk(1)");
    same("{ } | avg_over_time(span:duration) >= 1s");
    check(
        "{} | compare({status=error})",
        "{ } | compare({ span:status = error }, 10)",
    );
    same("{ } | compare({ .a } >> { .b }, 5, 100, 200)");
    same("{ } | rate() with(exemplars=false)");
}

#[test]
fn what_is_no_query_is_refused_at_its_place() {
    check_error("{", 1, "expected a value, an attribute");
    check_error("{ .a = 1", 0, "close it with }");
    check_error("{ .a = }", 7, "expected a value");
    check_error("{ .a == 1 }", 6, "expected a value");
    check_error("{ .a = 1 .b = 2 }", 9, "&& or ||");
    check_error("{ . = 1 }", 3, "the name of an attribute");
    check_error("{ foo = 1 }", 2, "write .foo");
    check_error("{ service.name = \"x\" }", 2, "no scope; write .service");
    check_error("{ span:nothing = 1 }", 2, "span:duration, span:name");
    check_error("{ what:ever = 1 }", 2, "there are span:");
    check_error("{ duration > \"1s\" }", 11, "never equal");
    check_error("{ duration > 5x }", 13, "neither a number nor a duration");
    check_error("{ status = \"error\" }", 9, "without quotes");
    check_error("{ status > ok }", 9, "only = and !=");
    check_error("{ kind =~ \"server\" }", 7, "without quotes");
    check_error("{ name = server }", 7, "text is never equal to a kind");
    check_error("{ name =~ \"(\" }", 10, "bad regular expression");
    check_error(
        "{ name =~ `(x{1000}){1000}` }",
        10,
        "bad regular expression",
    );
    check_error("{ name =~ 5 }", 10, "in quotes");
    check_error("{ name }", 2, "no condition");
    check_error("{ 5 }", 2, "no condition");
    check_error("{ name && .a }", 7, "between conditions");
    check_error("{ name + 1 = 2 }", 7, "numbers are needed");
    check_error("{ !name = 1 }", 2, "before a condition");
    check_error("{ .a } | count()", 16, "such as > 5");
    check_error("{ .a } | count(.a) > 1", 15, "count takes nothing");
    check_error("{ .a } | avg(name) > 1", 13, "expected a number");
    check_error("{ .a } | avg() > 1", 13, "expected a value");
    check_error("{ .a } | nothing()", 9, "expected { conditions }, count()");
    check_error("{ .a } |", 8, "expected { conditions }, count()");
    check_error("{ .a } { .b }", 7, "expected | and a stage");
    check_error("{ .a } && ", 10, "expected { conditions }");
    check_error("({ .a }", 7, "expected )");
    check_error("{ } | by(.a, .b)", 16, "takes one field");
    check_error("{ } | quantile_over_time(duration)", 33, "a quantile");
    check_error("{ } | quantile_over_time(duration, 2)", 35, "from 0 to 1");
    check_error("{ } | rate() | topk(0)", 20, "from 1 to");
    check_error("{ } | rate() | count() > 2", 15, "topk(n)");
    check_error("{ .a = 99999999999999999999 }", 7, "too large");
    check_error("{ .a = \"x }", 7, "no end");
}

#[test]
fn what_the_old_language_said_is_shown_in_the_new() {
    let check = |text: &str, shown: &str| {
        let error = Query::parse(text).expect_err(text);
        assert!(error.message.ends_with(shown), "{text}: {}", error.message);
    };
    check(
        "service=checkout status=error duration>100ms",
        "write { resource.service.name = \"checkout\" && status = error && duration > 100ms }",
    );
    check(
        "operation=\"POST /pay\" http.route!=/x retry>=1",
        "write { name = \"POST /pay\" && .http.route != \"/x\" && .retry >= 1 }",
    );
    check(
        "service=~`a|b` kind=server",
        "write { resource.service.name =~ \"a|b\" && kind = server }",
    );
    check(".a = 1 && name = \"x\"", "write { .a = 1 && name = \"x\" }");
    check("duration>soon", "status = error }");
    check("what is this", "status = error }");
}

#[test]
fn the_error_points_at_the_column() {
    let error = Query::parse("{ name = \"a\"\n  && duration > fast }").unwrap_err();
    assert_eq!((error.line, error.column), (2, 17));
    let shown = error.to_string();
    assert!(
        shown.ends_with("\n    && duration > fast }\n                  ^"),
        "{shown}"
    );
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = |n: usize| format!("{{ {}.a{} }}", "(".repeat(n), ")".repeat(n));
    assert!(Query::parse(&deep(60)).is_ok());
    assert!(
        Query::parse(&deep(100))
            .unwrap_err()
            .message
            .contains("nest")
    );
    let signs = format!("{{ {}.a = 1 }}", "- ".repeat(100));
    assert!(Query::parse(&signs).unwrap_err().message.contains("nest"));
    let powers = format!("{{ 1{} = 1 }}", " ^ 1".repeat(100));
    assert!(Query::parse(&powers).unwrap_err().message.contains("nest"));
    let nots = format!("{{ {}.a }}", "!".repeat(100));
    assert!(Query::parse(&nots).unwrap_err().message.contains("nest"));
    let sets = format!("{}{{ }}{}", "(".repeat(100), ")".repeat(100));
    assert!(Query::parse(&sets).unwrap_err().message.contains("nest"));
    let scalars = format!("{{ }} | {}count(){} > 1", "(".repeat(100), ")".repeat(100));
    assert!(Query::parse(&scalars).unwrap_err().message.contains("nest"));
    let long = format!("{{ .a{} }}", " || .a".repeat(1000));
    assert!(
        Query::parse(&long)
            .unwrap_err()
            .message
            .contains("at most 512")
    );
    let stages = format!("{{ }}{}", " | { }".repeat(100));
    assert!(
        Query::parse(&stages)
            .unwrap_err()
            .message
            .contains("32 stages")
    );
    let bytes = format!("{{ .{} = 1 }}", "a".repeat(20_000));
    assert!(
        Query::parse(&bytes)
            .unwrap_err()
            .message
            .contains("bytes long")
    );
    let patterns = "{ ".to_owned() + &vec!["name =~ \"\\\\pL{100}\""; 200].join(" || ") + " }";
    assert!(
        Query::parse(&patterns)
            .unwrap_err()
            .message
            .contains("regular expression")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "[{}()|&!=<>~.\"`a-c0-9sm :+*^/%,é\\\\-]{0,40}") {
        let _ = Query::parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_words_make_the_parser_panic(words in proptest::collection::vec(word(), 0..14)) {
        let text = words.join(" ");
        if let Ok(query) = Query::parse(&text) {
            let written = query.to_string();
            prop_assert_eq!(Query::parse(&written).map_err(|e| e.to_string()), Ok(query), "{}", written);
        }
    }

    #[test]
    fn what_is_written_reads_back(text in query()) {
        let query = Query::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        let written = query.to_string();
        prop_assert_eq!(Query::parse(&written).map_err(|e| e.to_string()), Ok(query), "{} {}", text, written);
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "{",
        "}",
        "{",
        "}",
        "(",
        ")",
        "|",
        "||",
        "&&",
        "!",
        "=",
        "!=",
        ">",
        ">>",
        "<",
        "~",
        "!~",
        "=~",
        "&>",
        ".a",
        "span.b",
        "name",
        "status",
        "error",
        "duration",
        "1s",
        "5",
        "-",
        "+",
        "^",
        "\"x\"",
        "nil",
        "count()",
        "by(",
        "rate()",
        "avg(",
        "select(",
        "coalesce()",
        "topk(3)",
        "with(",
        ",",
        "true",
    ])
}

/// A field that can be anything, so that every operator may stand around it.
fn field() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![".a", "span.b", "parent.c", "event.d", ".\"x y\""]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(4, 24, 2, |inner| {
            let op = proptest::sample::select(vec!["+", "-", "*", "/", "%", "^"]);
            prop_oneof![
                (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                inner.clone().prop_map(|a| format!("({a})")),
                inner.prop_map(|a| format!("- {a}")),
                proptest::sample::select(vec!["5", "1.5", "100ms", "-3"]).prop_map(str::to_owned),
            ]
        })
}

fn condition() -> impl Strategy<Value = String> {
    let op = proptest::sample::select(vec!["=", "!=", ">", ">=", "<", "<="]);
    let leaf = prop_oneof![
        (field(), op, field()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        Just("name =~ \"a|b\"".to_owned()),
        Just(".a != nil".to_owned()),
        Just("status = error".to_owned()),
        Just(".flag".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn spanset() -> impl Strategy<Value = String> {
    let ops = vec![
        "&&", "||", ">", ">>", "<", "<<", "~", "!>>", "!~", "&>", "&~",
    ];
    let leaf = condition().prop_map(|condition| format!("{{ {condition} }}"));
    leaf.prop_recursive(3, 8, 2, move |inner| {
        let op = proptest::sample::select(ops.clone());
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("({a} | count() > 1)")),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let stage = prop_oneof![
        spanset(),
        field().prop_map(|field| format!("by({field})")),
        field().prop_map(|field| format!("avg({field}) + 2 * count() > 5 - max({field})")),
        field().prop_map(|field| format!("select({field}, .z)")),
        Just("coalesce()".to_owned()),
    ];
    let end = prop_oneof![
        Just(String::new()),
        field().prop_map(|field| format!(" | rate() by ({field}) | topk(3) > 2")),
        field().prop_map(|field| format!(" | quantile_over_time({field}, .5)")),
        spanset().prop_map(|spanset| format!(" | compare({spanset}, 3)")),
        Just(" with(a=1)".to_owned()),
    ];
    let whole = (spanset(), proptest::collection::vec(stage, 0..3), end)
        .prop_map(|(first, stages, end)| [vec![first], stages].concat().join(" | ") + &end);
    let compared = (spanset(), field(), -9..9_i64)
        .prop_map(|(first, field, n)| format!("({first} | avg({field}) + 1) >= {n}"));
    prop_oneof![9 => whole, 1 => compared]
}
