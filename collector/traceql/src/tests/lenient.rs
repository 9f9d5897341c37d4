//! What is told of a query that is still being written.

use crate::Query;
use proptest::prelude::*;

#[test]
fn the_whole_conditions_of_an_unfinished_query_count() {
    let check = |text: &str, expected: &str| {
        assert_eq!(
            Query::parse_unfinished(text).to_string(),
            expected,
            "{text}"
        );
    };
    check("", "{ }");
    check("{", "{ }");
    check("{ .a = 1 }", "{ .a = 1 }");
    check("{ .a = 1", "{ .a = 1 }");
    check("{ .a = 1 && ", "{ .a = 1 }");
    check("{ .a = 1 && .b = }", "{ .a = 1 }");
    check(
        "{ .b = && .a = 1 && name = \"x && y\" }",
        "{ .a = 1 && span:name = \"x && y\" }",
    );
    check("{ .a = 1 && .b = \"open }", "{ .a = 1 }");
    check("{ .a = 1 || .b = ", "{ }");
    check("{ (.a = 1 || .b = 2) && .c = ", "{ .a = 1 || .b = 2 }");
    check("{ .a = 1 } | cou", "{ .a = 1 }");
    check("{ .a = 1 & .b", "{ .a = 1 && .b }");
    check("what is this", "{ }");
    check("service=web", "{ }");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_some_query(text in "[{}()|&!=<>~.\"`a-c0-9 é]{0,40}") {
        let query = Query::parse_unfinished(&text);
        prop_assert_eq!(Query::parse(&query.to_string()).map_err(|e| e.to_string()), Ok(query));
    }
}
