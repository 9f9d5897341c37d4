//! Queries read, refused and printed.

use super::*;
use proptest::prelude::*;

#[test]
fn a_query_reads_back_what_it_writes() {
    let check = |text: &str, expected: &str| {
        let query = LogQuery::parse(text).unwrap();
        assert_eq!(query.to_string(), expected);
        assert_eq!(LogQuery::parse(expected).unwrap().to_string(), expected);
    };
    check("", "{}");
    check(" { } ", "{}");
    check(
        r#"{service="a",level!="info",}"#,
        r#"{service_name="a", level!="info"}"#,
    );
    check(
        r#"{a=~"x|y" , b!~`\d+`}|="t" != "u" |~ `\w` !~"v""#,
        r#"{a=~"x|y", b!~"\\d+"} |= "t" != "u" |~ "\\w" !~ "v""#,
    );
    check(
        r#"|= "tab\tquote\"\u00e9\x41\101""#,
        "{} |= \"tab\\tquote\\\"éAA\"",
    );
}

fn fails(text: &str, offset: usize, part: &str) {
    let error = LogQuery::parse(text).unwrap_err();
    assert!(error.message.contains(part), "{text:?}: {}", error.message);
    assert_eq!(error.offset, offset, "{text:?}: {}", error.message);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    fails("{", 1, "a label's name");
    fails("{a", 2, "=, !=, =~ or !~");
    fails("{a=b}", 3, "a value in quotes");
    fails(r#"{a="b" c="d"}"#, 7, "',' or '}'");
    fails(r#"{service.name="b"}"#, 8, "service_name");
    fails(r#"{a="b}"#, 3, "no closing quote");
    fails("{a=`b}", 3, "no closing backquote");
    fails(r#"{a="\q"}"#, 4, "unknown escape");
    fails(r#"{a="\xff"}"#, 4, "no character");
    fails(r#"{a=~"("}"#, 4, "bad regular expression");
    fails(r#"{} |~ "(""#, 6, "not a regular expression");
    fails("{} | json", 3, "only line filters");
    fails("{} foo", 3, "expected a line filter");
    fails("{} |=", 5, "the text to look for");
}

#[test]
fn the_message_points_at_the_place() {
    let error = LogQuery::parse("{a=\"b\"}\n  |= 'x'").unwrap_err();
    assert_eq!((error.line, error.column), (2, 6));
    let shown = error.to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[1], "    |= 'x'");
    assert_eq!(lines[2].find('^'), lines[1].find('\''));
}

#[test]
fn a_pattern_that_would_take_too_much_memory_is_refused() {
    fails("{} |~ \"((a{100}){100}){100}\"", 6, "smaller repetitions");
    fails(
        &format!("|~ \"{}x{}\"", "(".repeat(500), ")".repeat(500)),
        3,
        "nest",
    );
    let many = "{}".to_owned() + &" |= \"a\"".repeat(65);
    assert!(
        LogQuery::parse(&many)
            .unwrap_err()
            .message
            .contains("at most 64")
    );
    assert!(
        LogQuery::parse(&"x".repeat(1 << 20))
            .unwrap_err()
            .message
            .contains("at most")
    );
}

#[test]
fn a_pattern_without_special_characters_is_text() {
    let query = LogQuery::parse(r#"|~ "plain" |~ "a.b" !~ "other""#).unwrap();
    let finders: Vec<_> = query.filters().iter().map(LineFilter::finder).collect();
    assert!(matches!(finders[..], [Some(_), None, None]));
    assert_eq!(query.filters()[0].required(), [[b"plain".to_vec()]]);
    assert!(query.filters()[2].required().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in r#"[{}=!~|,"`\\a-z0-9_.\n é(\[*+xuU]{0,40}"#) {
        if let Err(error) = LogQuery::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset));
            prop_assert!(error.to_string().ends_with('^'));
        }
    }

    #[test]
    fn any_text_can_be_looked_for(needle in "\\PC{0,20}", raw in any::<bool>()) {
        prop_assume!(!raw || !needle.contains('`'));
        let text = if raw { format!("{{}} |= `{needle}`") } else { format!("{{}} |= {}", parse::quoted(&needle)) };
        let query = LogQuery::parse(&text).unwrap();
        prop_assert_eq!(query.filters()[0].text(), needle);
    }
}

#[test]
fn a_pattern_sees_what_is_shown_of_bytes_that_are_no_text() {
    let line = b"user=\xff\xfe done";
    let check = |query: &str, expected: bool| {
        let query = LogQuery::parse(query).unwrap();
        assert_eq!(query.matches_line(line), expected, "{query}");
    };
    check("{} |~ `user=.* done`", true);
    check("{} !~ `user=.* done`", false);
    check("{} |~ `user=. done`", false);
    check("{} |~ `(?i)DONE$`", true);
}
