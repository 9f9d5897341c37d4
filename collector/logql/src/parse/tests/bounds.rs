//! Limits: what is too long, too deep or too many is refused, and nothing overflows the stack.

use super::*;

fn refused(query: &str, part: &str) {
    let Err(error) = parse(query) else {
        panic!("a query of {} bytes was read: {part}", query.len());
    };
    assert!(error.message.contains(part), "{}", error.message);
    check_words(query, &error);
}

#[test]
fn a_text_that_is_too_long_is_not_even_cut() {
    let long = |bytes: usize| {
        let query = "{a=\"\"}";
        format!("{{a=\"{}\"}}", "x".repeat(bytes - query.len()))
    };
    assert!(parse(&long(TEXT_BYTES_MAX)).is_ok());
    refused(&long(TEXT_BYTES_MAX + 1), "at most 131072 bytes");
    refused(&"'".repeat(10 << 20), "at most 131072 bytes");
    refused(&"é".repeat(TEXT_BYTES_MAX), "at most 131072 bytes");
}

#[test]
fn nesting_is_bounded_in_every_rule() {
    let check = |open: &str, core: &str, close: &str| {
        let nested = |depth: usize| format!("{}{core}{}", open.repeat(depth), close.repeat(depth));
        let query = nested(90);
        let read = parse(&query).unwrap_or_else(|error| panic!("{open}\n{error}"));
        assert_eq!(
            parse(&read.to_string()).unwrap().to_string(),
            read.to_string()
        );
        assert!(!crate::format::pretty(&read).is_empty());
        for depth in [101, 5000] {
            let mut query = nested(depth);
            query.truncate(TEXT_BYTES_MAX);
            refused(&query, "nested at most 100 deep");
        }
    };
    check("(", "{a=\"b\"}", ")");
    check("(", "1", ")");
    check("sum(", "vector(1)", ")");
    check("topk(1, ", "vector(1)", ")");
    check("label_replace(", "vector(1)", ", \"a\", \"\", \"\", \"\")");
    check("vector(1) ^ ", "vector(1)", "");
    check("vector(1) + (", "vector(1)", ")");
    check("", "vector(1)", " + vector(1)");
    // Each parenthesis behind one operator of each precedence.
    let ladder = "vector(1) or vector(1) and vector(1) == vector(1) + vector(1) * (";
    let ladders = |depth| format!("{}vector(1){}", ladder.repeat(depth), ")".repeat(depth));
    assert!(parse(&ladders(90 / 5)).is_ok());
    refused(&ladders(99), "nested at most 100 deep");
    refused(&ladders(1000), "nested at most 100 deep");
    let within = |before: &str, open: &str, core: &str, close: &str, behind: &str, depth: usize| {
        format!(
            "{before}{}{core}{}{behind}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let filters = |depth| within("{a=\"b\"} | ", "(", "c=\"d\"", ")", "", depth);
    assert!(parse(&filters(90)).is_ok());
    refused(&filters(101), "nested at most 100 deep");
    refused(&filters(60_000), "nested at most 100 deep");
    let ranges = |depth| within("rate(", "(", "{a=\"b\"}", ")", "[5m])", depth);
    assert!(parse(&ranges(90)).is_ok());
    refused(&ranges(101), "nested at most 100 deep");
    refused(&ranges(60_000), "nested at most 100 deep");
}

#[test]
fn lists_are_bounded_in_every_rule() {
    let check = |before: &str, one: &str, comma: &str, behind: &str| {
        let list = |count: usize| format!("{before}{}{behind}", vec![one; count].join(comma));
        let query = list(100);
        let read = parse(&query).unwrap_or_else(|error| panic!("{before}\n{error}"));
        assert_eq!(
            parse(&read.to_string()).unwrap().to_string(),
            read.to_string()
        );
        refused(&list(101), "at most 100 ");
        refused(
            &list(TEXT_BYTES_MAX / 8 / (one.len() + comma.len())),
            "at most 100 ",
        );
    };
    check("{", "a=\"b\"", ",", "}");
    check("{}", "|= \"b\"", " ", "");
    check("{}", "| json", " ", "");
    check("{} |=", "\"b\"", " or ", "");
    check("{} | ", "a=\"b\"", " and ", "");
    check("{} | ", "a=\"b\"", " or ", "");
    check("{} | ", "a=\"b\"", ",", "");
    check("{} | ", "a=\"b\"", " ", "");
    check("{} | ", "(a=\"b\")", "", "");
    check("{} | json ", "a", ",", "");
    check("{} | logfmt ", "a=\"b\"", ",", "");
    check("{} | drop ", "a", ",", "");
    check("{} | keep ", "a=\"b\"", ",", "");
    check("{} | distinct ", "a", ",", "");
    check("sum by (", "a", ",", ") (vector(1))");
    check("vector(1) + on (", "a", ",", ") vector(1)");
    check("rate({} | unwrap a", "| b=\"c\"", " ", "[5m])");
    let formats = |count: usize| {
        let all: Vec<String> = (0..count).map(|n| format!("a{n}=b")).collect();
        format!("{{}} | label_format {}", all.join(","))
    };
    assert!(parse(&formats(100)).is_ok());
    refused(&formats(101), "at most 100 labels");
}

#[test]
fn regular_expressions_are_counted_over_the_whole_query() {
    let query = |count: usize| {
        let one = "rate({a=~\"b\"} | c=~\"d\" | drop e!~\"f\" [5m])";
        vec![one; count].join(" + ")
    };
    assert!(parse(&query(33)).is_ok());
    refused(&query(34), "at most 100 regular expressions");
}

#[test]
fn classes_that_take_long_to_read_are_counted_over_the_whole_query() {
    let lines = |count: usize| vec!["|~ \"(?i)\\\\pL+x\""; count].join(" ");
    assert!(parse(&format!("{{a=\"b\"}} {}", lines(20))).is_ok());
    refused(&format!("{{a=\"b\"}} {}", lines(21)), "too many classes");
    refused(
        &format!("{{a=~\"[\\\\W]\"}} {}", lines(20)),
        "too many classes",
    );
    let both = [lines(20), "| regexp \"(?P<a>\\\\pL)\"".into()].join(" ");
    refused(&format!("{{}} {both}"), "too many classes");
    let selector = format!("{{a=~\"{}\"}}", "[\\\\W]".repeat(60));
    assert!(parse_selectors([selector.as_str()]).is_ok());
    assert!(parse_selectors([selector.as_str(), &selector]).is_err());
}

#[test]
fn what_they_take_once_compiled_is_bounded_over_the_whole_query() {
    // Each takes most of a megabyte.
    const LARGE: &str = "[a-z]{9000}x";
    let most = PATTERNS_FEW + sonde_proto::re2::COMPILED_BYTES_MAX / (1 << 20);
    let lines = |count: usize| format!("{{}} {}", vec![format!("|~ \"{LARGE}\""); count].join(" "));
    assert!(parse(&lines(most)).is_ok());
    let query = lines(most + 1);
    refused(&query, "take more than 33554432 bytes of memory");
    let error = parse(&query).unwrap_err();
    assert_eq!(error.offset, query.rfind('"').unwrap() - LARGE.len() - 1);
    // Wherever they stand.
    let others = |count: usize| {
        let one =
            format!("rate({{a=~\"{LARGE}\"}} | regexp \"(?P<b>{LARGE})\" | c!~\"{LARGE}\" [5m])");
        vec![one; count].join(" + ")
    };
    refused(&others(most / 3 + 1), "take more than");
    let selector = format!("{{a=~\"{LARGE}\"}}");
    assert!(parse_selectors(vec![selector.as_str(); most + 1]).is_err());
    // Small ones are as many as may be, and so are names, whatever a query has room for.
    assert!(parse(&format!("{{}} {}", vec!["|~ \"a.+b\""; 100].join(" "))).is_ok());
    for names in [40, 80, 110, 200, 400] {
        let names: Vec<_> = (0..names)
            .map(|n| format!("checkout-{:x}-{n:05}", n * 7919))
            .collect();
        let one = format!("rate({{pod=~\"{}\"}}[5m])", names.join("|"));
        let count = (TEXT_BYTES_MAX / (one.len() + " + ".len())).min(100);
        assert!(parse(&vec![one; count].join(" + ")).is_ok(), "{count}");
    }
}

#[test]
fn those_of_lines_and_of_regexp_are_counted_with_them() {
    let alternatives = |count: usize| format!("{{}} |~ {}", vec!["\"a.b\""; count].join(" or "));
    assert!(parse(&alternatives(100)).is_ok());
    refused(
        &format!("{} |~ \"c\"", alternatives(100)),
        "at most 100 regular",
    );
    refused(
        &format!("{} !~ \"c\"", alternatives(100)),
        "at most 100 regular",
    );
    refused(
        &format!("{} | a=~\"c\"", alternatives(100)),
        "at most 100 regular",
    );
    refused(
        &format!("{} | regexp \"(?P<a>b)\"", alternatives(100)),
        "at most 100 regular",
    );
    // Texts are none of them.
    assert!(parse(&format!("{} |= \"c\" != \"d\"", alternatives(100))).is_ok());
    let bomb = vec![alternatives(100).replacen("{} ", "", 1); 99].join(" ");
    refused(&format!("{{}} {bomb}"), "at most 100 regular");
}

#[test]
fn labels_are_read_without_compiling_anything() {
    assert_eq!(
        parse_labels("{a=\"b\", }").unwrap(),
        [("a".into(), "b".into())]
    );
    // It would be too large, and is not even looked at.
    let bomb = parse_labels("{a=~\"((d{100}){100}){100}\"}").unwrap_err();
    assert!(bomb.message.contains("labels are given with ="), "{bomb}");
    assert!(parse_labels("{a=\"b\"} | json").is_err());
}

#[test]
fn selectors_that_are_asked_for_together_are_one_query() {
    let some = |count| vec!["{a=~\"b\", c=\"d\"}"; count];
    assert_eq!(parse_selectors(some(100)).unwrap().len(), 100);
    let refused = |texts: Vec<&str>, reason: &str| {
        let error = parse_selectors(texts).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refused(vec!["{a=~\"b\", c!~\"d\"}"; 51], "at most 100 regular");
    refused(vec!["{}"; 101], "at most 100 selectors");
    refused(vec!["{}", "rate({}[5m])"], "expected");
}

#[test]
fn a_message_shows_no_more_than_a_part_of_what_is_wrong() {
    let long = "x".repeat(100_000);
    for query in [
        long.clone(),
        format!("{{{long}"),
        format!("{{}} | {long}"),
        format!("{{}} | {long} ~"),
        format!("{long}({{}}[5m])"),
        format!("{{a=\"b\"}} | c = {long}"),
        format!("{{}} | c > 5{long}"),
        format!("{{}} | logfmt --{long}"),
        format!("{{a=~\"({long}\"}}"),
        format!("{{a=~\"[z-a]{long}\"}}"),
        format!("{{}} | label_format {long}=a, {long}=b"),
        format!("vector(1) + on ({long}) group_left ({long}) vector(1)"),
    ] {
        let error = parse(&query).unwrap_err();
        check_words(&query, &error);
        assert!(error.to_string().len() < 1000, "{error}");
    }
}
