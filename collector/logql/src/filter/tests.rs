//! What line filters find, and what they know about what they find.

use super::*;
use crate::ast::{Expr, Stage};
use proptest::prelude::*;

fn filter(text: &str) -> Result<LineFilter, CompileError> {
    match crate::parse(&format!("{{}} {text}")) {
        Ok(Expr::Log(log)) => match log.stages.as_slice() {
            [Stage::Line(filter)] => LineFilter::compile(filter),
            other => panic!("{text}: {other:?}"),
        },
        other => panic!("{text}: {other:?}"),
    }
}

fn compiled(text: &str) -> LineFilter {
    filter(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Lines that the filter lets through, and lines that it does not.
fn check(text: &str, found: &[&str], not_found: &[&str]) {
    let filter = compiled(text);
    let any_of = filter.any_of();
    for line in found {
        assert!(filter.matches(line.as_bytes()), "{text} finds {line:?}");
        if let Some(texts) = &any_of {
            let has = |text: &Vec<u8>| memchr::memmem::find(line.as_bytes(), text).is_some();
            assert!(texts.iter().any(has), "{text}: {texts:?} of {line:?}");
        }
    }
    for line in not_found {
        assert!(
            !filter.matches(line.as_bytes()),
            "{text} does not find {line:?}"
        );
    }
}

fn check_refused(text: &str, message: &str) {
    match filter(text) {
        Ok(_) => panic!("{text} was not refused"),
        Err(error) => assert!(error.to_string().contains(message), "{text}: {error}"),
    }
}

#[test]
fn texts_are_found_as_they_are() {
    check(r#"|= "err""#, &["err", "an error"], &["", "ERR", "er r"]);
    check(r#"|= "a.b""#, &["a.b"], &["axb"]);
    check(r#"|= """#, &["", "x"], &[]);
    check(r#"!= "err""#, &["", "ERR"], &["err"]);
    check(r#"!= """#, &[], &["", "x"]);
    check(r#"|= "a" or "b" or "c""#, &["a", "xbx", "c"], &["d", ""]);
    check(r#"|= "a" or """#, &["", "d"], &[]);
    check(r#"!= "a" or "b""#, &["c", ""], &["a", "b", "ab"]);
    check(r#"|= "é" or "$1""#, &["é", "$1"], &["e"]);
}

#[test]
fn the_dot_is_any_character() {
    check(r"|~ `a.b`", &["a\nb", "a b", "aéb"], &["a\n\nb"]);
    check(r"|~ `^a.*b$`", &["a\n\nb"], &["a\nc"]);
    check(
        r"|~ `first.+\d second` or `x.y`",
        &["first\n1 second", "x\ny"],
        &[],
    );
    check(r"!~ `a.b`", &["ab"], &["a\nb"]);
    // Where the pattern says otherwise, that counts.
    check(r"|~ `(?-s)a.b`", &["a b"], &["a\nb"]);
    check(r"|~ `(?-s:a.b).c`", &["a b\nc"], &["a\nb\nc"]);
    check(r"|~ `^b$`", &["b"], &["a\nb"]);
    check(r"|~ `(?m)^b$`", &["a\nb"], &["ab"]);
}

#[test]
fn bytes_are_compared_as_they_came() {
    let filter = compiled(r#"|= "b""#);
    assert!(filter.matches(b"\xff\xfeb\xff"));
    let filter = compiled(r"|~ `^a.c$`");
    assert!(filter.matches("aéc".as_bytes()));
    // A byte that is not UTF-8 is one character.
    assert!(filter.matches(b"a\xffc"));
    assert!(!filter.matches(b"a\xff\xfec"));
    assert!(!compiled(r"!~ `^a.c$`").matches(b"a\xffc"));
    assert!(compiled("|~ `a\u{fffd}`").matches(b"a\xff"));
    assert_eq!(compiled("|~ `a\u{fffd}`").any_of(), None);
}

#[test]
fn regular_expressions_are_gos() {
    check(r"|~ `\d+`", &["x1"], &["٣", "x"]);
    check(r"|~ `^\D+$`", &["٣"], &["1"]);
    check(r"|~ `^\w+$`", &["aZ_0"], &["é", "a b"]);
    check(r"|~ `^\W+$`", &["é", "-"], &["a"]);
    check(r"|~ `^\s$`", &[" ", "\t", "\r"], &["\u{a0}", "\u{b}", "x"]);
    check(r"|~ `^\S$`", &["\u{a0}", "x"], &[" "]);
    check(
        r"|~ `\bfoo\b`",
        &["foo", "éfoo", "foo é"],
        &["foox", "_foo"],
    );
    check(r"|~ `o\Bo`", &["oo"], &["o o"]);
    check(r"|~ `^[\d\-x]+$`", &["1-x"], &["٣", "y"]);
    check(r"|~ `^[^\d]$`", &["x", "٣"], &["1"]);
    check(r"|~ `^[\D]$`", &["x"], &["1"]);
    check(r"|~ `\Qa.b\E.`", &["a.bx"], &["axbx"]);
    check(r"|~ `\Qa.b`", &["a.b"], &["axb"]);
    check(r"|~ `^a\z`", &["a"], &["a\n", "b"]);
    check(r"|~ `^.$`", &["x", "é", "\n"], &["xy", ""]);
    check(r"|~ `(?s)^.$`", &["\n", "x"], &["xy"]);
    check(r"|~ `(?m)^b$`", &["a\nb\nc"], &["a b"]);
    check(r"|~ `(?i)ERROR`", &["error", "an Error"], &["err"]);
    check(r"|~ `(?i:a)B`", &["AB", "aB"], &["Ab"]);
    check(r"|~ `^a{2}$`", &["aa"], &["a", "a{2}"]);
    check(r"|~ `a{`", &["a{"], &["a"]);
    check(r"|~ `a{,2}`", &["a{,2}"], &["aa"]);
    check(r"|~ `a{x}`", &["a{x}"], &["a"]);
    check(r"|~ `}]`", &["}]"], &["]"]);
    check(r#"|~ `\<\>\/\"\-\_`"#, &["<>/\"-_"], &[""]);
    check(r"|~ `\x41\x{1F600}\101\t\a`", &["A😀A\t\x07"], &["A"]);
    check(r"|~ `^[[]$`", &["["], &["]"]);
    check(r"|~ `^[]a]$`", &["]", "a"], &["["]);
    check(r"|~ `^[a&&b]$`", &["a", "b", "&"], &["c"]);
    check(r"|~ `^[a~~b+--]$`", &["a", "b", "~", "-"], &["c"]);
    check(r"|~ `^[[:alpha:][:^alpha:]]$`", &["a", "1"], &["ab"]);
    check(r"|~ `^[a-]$`", &["a", "-"], &["b"]);
    check(r"|~ `^[\]\\^]$`", &["]", "\\", "^"], &["a"]);
    check(r"|~ `^\pL\p{Greek}\P{Greek}$`", &["éαx"], &["αxα"]);
    check(r"|~ `(?P<a>x)(?<b>y)(?:z)`", &["xyz"], &["xy"]);
    check(r"|~ `\b{start}`", &["a{start}"], &["a"]);
    check(r"|~ `x # y`", &["x # y"], &["x"]);
    check(r"|~ ``", &["", "x"], &[]);
    check(r"|~ `.*`", &["", "x"], &[]);
    check(r"!~ `^$`", &["x"], &[""]);
    check(r"|~ `a` or `^b`", &["xa", "bx"], &["xb"]);
}

#[test]
fn what_go_refuses_is_refused() {
    for pattern in [
        r"(",
        r")",
        r"[a",
        r"[b-a]",
        r"*",
        r"\8",
        r"\1",
        r"(?=a)",
        r"(?!a)",
        r"(?<=a)",
        r"(?<!a)",
        r"(?P=a)",
        r"(?x)a",
        r"(?u)a",
        r"\Z",
        r"\C",
        r"\é",
        r"a\",
        r"[\q]",
        r"[[:nothing:]]",
        r"\p{Nothing}",
        r"(?P<a>x",
        r"(?P<a",
        r"\x{110000}",
        r"\xg0",
    ] {
        check_refused(&format!("|~ `{pattern}`"), "not a regular expression");
    }
}

#[test]
fn patterns_cover_whole_lines() {
    check(
        "|> `a<_>c`",
        &["abc", "abbc"],
        &["ac", "abcd", "xabc", "abcc"],
    );
    check("|> `<_>b<_>`", &["abc", "abbc"], &["ab", "bc", "b"]);
    check("|> `<_>`", &["a", " "], &[""]);
    check("|> `abc`", &["abc"], &["abcd", "xabc", ""]);
    check("|> ``", &[""], &["a"]);
    check(
        "|> `<_> level=<_>`",
        &["x level=y"],
        &["level=y", "x level="],
    );
    check("!> `a<_>`", &["b", "a"], &["ab"]);
    check(
        "|> `a<_>` or `<_>z`",
        &["ab", "xz"],
        &["az ".trim_end_matches("z "), "x"],
    );
    check_refused("|> `<a>`", "takes nothing out");
    check_refused("|> `<_><_>`", "nothing stands between");
}

#[test]
fn addresses_are_found_anywhere() {
    let found = [
        "10.1.2.3",
        "from 10.1.2.3:80 x",
        "a=10.1.2.3,b",
        "x10.1.2.3y",
    ];
    check(
        r#"|= ip("10.0.0.0/8")"#,
        &found,
        &["11.1.2.3", "", "10.1.2", "10.1.2.3.4", "010.1.2.3"],
    );
    check(r#"!= ip("10.0.0.0/8")"#, &["11.1.2.3", ""], &found);
    check(r#"|= ip("10.1.2.3")"#, &found, &["10.1.2.4", "10.1.2.33"]);
    check(
        r#"|= ip("10.1.2.2-10.1.2.4")"#,
        &found,
        &["10.1.2.1", "10.1.2.5"],
    );
    check(r#"|= ip("10.1.2.0/31")"#, &["10.1.2.1"], &["10.1.2.2"]);
    check(r#"|= ip("0.0.0.0/0")"#, &found, &["::1", "text"]);
    check(
        r#"|= ip("2001:db8::/32")"#,
        &["2001:db8::1", "[2001:db8:0:1::2]:80", "x 2001:DB8::"],
        &["2001:db9::1", "10.0.0.1"],
    );
    check(
        r#"|= ip("::1")"#,
        &["::1", "from ::1 x", "0:0:0:0:0:0:0:1"],
        &["::2", "1"],
    );
    check(r#"|= ip("fe80::1-fe80::ff")"#, &["fe80::a"], &["fe80::100"]);
    check(
        r#"|= ip("::ffff:10.0.0.0/104")"#,
        &["::ffff:10.1.2.3"],
        &["10.1.2.3"],
    );
    check(
        r#"|= ip("10.1.2.3") or "text""#,
        &["10.1.2.3", "text"],
        &["10.1.2.4"],
    );
    // A run that is no address as a whole is none, and takes what is in it along.
    check(
        r#"|= ip("1.2.3.4")"#,
        &[
            "a long text before 1.2.3.4",
            "v1. 1.2.3.4",
            "12:34:56 1.2.3.4",
        ],
        &[
            "a::1.2.3.4",
            "1.2.3.4.5",
            "1.2.3.4.",
            "12.1.2.3.4",
            "..::..",
            "1",
            ":",
            ".",
        ],
    );
    for bad in [
        "",
        "10.0.0",
        "10.0.0.1/33",
        "10.0.0.1/",
        "10.0.0.1-",
        "a-b",
        "::1/129",
        "10.0.0.1/+8",
    ] {
        check_refused(&format!("|= ip({bad:?})"), "is no address");
    }
    check_refused(r#"|= ip("10.0.0.9-10.0.0.1")"#, "is no range");
    check_refused(r#"|= ip("10.0.0.1-::1")"#, "is no range");
}

#[test]
fn needed_texts_are_known() {
    let check = |text: &str, expected: Option<&[&str]>| {
        let found = compiled(text).any_of();
        let found = found.map(|texts| {
            let text = |text: Vec<u8>| String::from_utf8(text).unwrap();
            texts.into_iter().map(text).collect::<Vec<_>>()
        });
        let expected =
            expected.map(|texts| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(found, expected, "{text}");
    };
    check(r#"|= "error""#, Some(&["error"]));
    check(r#"|= "b" or "a""#, Some(&["a", "b"]));
    check(r#"|= "a" or """#, None);
    check(r#"!= "error""#, None);
    check(r"!~ `error`", None);
    check(r"|~ `error`", Some(&["error"]));
    check(r"|~ `error|warn`", Some(&["error", "warn"]));
    check(r"|~ `(error|warn): x`", Some(&["error: x", "warn: x"]));
    check(r"|~ `^error$`", Some(&["error"]));
    check(r"|~ `.*error.*`", Some(&["error"]));
    check(r"|~ `user=\d+ failed`", Some(&[" failed"]));
    check(r"|~ `a.*bcd.*ef`", Some(&["bcd"]));
    check(r"|~ `colou?r`", Some(&["color", "colour"]));
    check(r"|~ `[ab]cd`", Some(&["acd", "bcd"]));
    check(r"|~ `(?i)go`", Some(&["GO", "Go", "gO", "go"]));
    check(r"|~ `(abc)+`", Some(&["abc"]));
    check(r"|~ `(abc)*`", None);
    check(r"|~ `(abc){0,2}x`", Some(&["x"]));
    check(r"|~ `\d+`", None);
    check(r"|~ `error|.`", None);
    check(r"|~ `error|\d`", None);
    check(r"|~ `\berror\b`", Some(&["error"]));
    check(r"|~ `error` or `\w`", None);
    check("|> `<_> error: <_>`", Some(&[" error: "]));
    check("|> `<_>`", None);
    check(r#"|= ip("10.1.2.3")"#, Some(&["10.1.2.3"]));
    check(r#"|= ip("10.0.0.0/8")"#, None);
    check(r#"|= ip("::1")"#, None);
}

#[test]
fn only_one_text_is_a_contains() {
    let check = |text: &str, expected: Option<(&str, bool)>| {
        let filter = compiled(text);
        let expected = expected.map(|(text, negated)| (text.as_bytes(), negated));
        assert_eq!(filter.as_contains(), expected, "{text}");
    };
    check(r#"|= "a""#, Some(("a", false)));
    check(r#"!= "a""#, Some(("a", true)));
    check(r"|~ `.*a\.b.*`", Some(("a.b", false)));
    check(r"!~ `ab`", Some(("ab", true)));
    check(r#"|= "a" or "b""#, None);
    check(r"|~ `a|b`", None);
    check(r"|~ `^a`", None);
    check(r"|~ `a\d`", None);
    check("|> `a<_>`", None);
    check(r#"|= ip("1.2.3.4")"#, None);
}

#[test]
fn filters_are_shown_as_they_are_written() {
    for text in [
        r#"|= "a" or "b""#,
        r#"!~ "a\\d""#,
        r#"!= ip("10.0.0.0/8")"#,
        r#"|> "a<_>""#,
    ] {
        assert_eq!(compiled(text).to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_line_that_matches_has_a_needed_text(
        pattern in r"(\(?(a|bc|\?|\.|\.\*|\\d|\^|\[ab\]|\||\)|\+|é|\(\?i\))){1,8}",
        line in "[abcAB0é\n]{0,8}",
    ) {
        let Ok(hir) = re2::parse_filter(&pattern) else { return Ok(()) };
        let Ok(regex) = re2::compile_filter(&pattern, 1) else { return Ok(()) };
        let finds = regex.is_match(line.as_bytes());
        let has = |text: &Vec<u8>| memchr::memmem::find(line.as_bytes(), text).is_some();
        if let Some(texts) = literal::required(&hir) && finds {
            prop_assert!(texts.iter().any(has), "{} {:?} {:?}", pattern, texts, line);
        }
        if let Some(texts) = literal::only_texts(&hir) {
            prop_assert_eq!(texts.iter().any(has), finds, "{} {:?} {:?}", pattern, texts, line);
        }
    }

    #[test]
    fn addresses_are_found_wherever_one_may_begin(line in r"([0-9a-f]{1,4}[.: ]|[.:]{1,2}|10\.0\.0\.1|::1|x){0,12}") {
        let range = AddressRange::parse("10.0.0.1").unwrap();
        prop_assert_eq!(range.is_in(line.as_bytes()), range.is_in_plainly(line.as_bytes()), "{}", line);
        let range = AddressRange::parse("::/0").unwrap();
        prop_assert_eq!(range.is_in(line.as_bytes()), range.is_in_plainly(line.as_bytes()), "{}", line);
    }

    #[test]
    fn any_expression_is_compiled_or_refused(pattern in r"[\\\[\](){}?*+|^$.a-c0-9P<>:=!,&~ézQEdwbxi -]{0,16}", line in any::<Vec<u8>>()) {
        if let Ok(regex) = re2::compile(&pattern, 1) {
            regex.is_match(&line);
        }
        let _ = re2::parse_filter(&pattern);
    }

    #[test]
    fn a_text_between_others_is_found(text in any::<String>(), before in any::<Vec<u8>>(), after in any::<Vec<u8>>()) {
        let line = [&before, text.as_bytes(), &after].concat();
        let quoted = format!("\\Q{text}");
        prop_assume!(!text.contains("\\E"));
        prop_assert!(re2::compile(&quoted, 1).unwrap().is_match(&line));
        let of = |op| ast::LineFilter {
            op,
            alternatives: vec![
                ast::LineText { text: text.clone(), is_ip: false },
                ast::LineText { text: format!("{text}x"), is_ip: false },
            ],
        };
        prop_assert!(LineFilter::compile(&of(LineOp::Contains)).unwrap().matches(&line));
        prop_assert!(!LineFilter::compile(&of(LineOp::NotContains)).unwrap().matches(&line));
    }
}
