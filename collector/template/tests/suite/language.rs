//! Every template of the tables yields what the documentation says.

use crate::shared::{CASES, HTML_CASES, SCRIPTS, execute};

fn check(text: &str, html: bool, expected: Option<&str>) {
    let outcome = execute(text, html);
    assert_eq!(
        outcome.as_deref().ok(),
        expected,
        "{text}\nyields {outcome:?}"
    );
}

#[test]
fn a_template_yields_what_the_documentation_says() {
    for (text, expected) in CASES {
        check(text, false, *expected);
    }
}

#[test]
fn a_value_in_html_is_escaped_by_its_place() {
    for (text, expected) in HTML_CASES {
        check(text, true, *expected);
    }
}

#[test]
fn a_value_in_a_script_is_refused() {
    for text in SCRIPTS {
        let error = execute(text, true).unwrap_err();
        assert!(error.contains("cannot be made safe"), "{error}");
    }
}
