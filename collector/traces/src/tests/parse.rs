//! The query text.

use crate::TraceQuery;

fn check_error(text: &str, offset: usize, part: &str) {
    let error = TraceQuery::parse(text).unwrap_err();
    assert_eq!(error.offset, offset, "{text:?}: {error}");
    assert!(error.message.contains(part), "{text:?}: {error}");
}

#[test]
fn what_is_no_query_is_refused_at_its_place() {
    check_error("service", 7, "expected =");
    check_error("service=", 8, "expected a value");
    check_error("service=\"a", 8, "no end");
    check_error("a=1 service>b", 11, "text");
    check_error("duration>5", 9, "100ms");
    check_error("duration=~5ms", 8, "=~");
    check_error("status=bad", 7, "unset, ok, error");
    check_error("kind=robot", 5, "server");
    check_error("a>b", 2, "numbers");
    check_error("a=~(", 3, "regular expression");
    check_error("=x", 0, "expected a key");
    check_error("a=~`(x{1000}){1000}`", 3, "regular expression");
    check_error("a=~`x)|(y`", 3, "regular expression");
}

#[test]
fn the_error_points_at_the_column() {
    let error = TraceQuery::parse("service=a\n  duration>fast").unwrap_err();
    assert_eq!((error.line, error.column), (2, 12));
    assert!(
        error
            .to_string()
            .ends_with("\n  duration>fast\n           ^"),
        "{error}"
    );
}

#[test]
fn no_text_makes_the_parser_panic() {
    let pieces = [
        "a", "é", "=", "!", "~", "\"", "`", " ", "\n", ">", "<", "duration", "1ms", "\\", "(",
    ];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                for d in pieces {
                    let _ = TraceQuery::parse(&[a, b, c, d].concat())
                        .map_err(|error| error.to_string());
                }
            }
        }
    }
}
