//! Names by each scheme.

use super::{Escaping, is_legacy_label_name, is_legacy_metric_name, unescape};
use proptest::prelude::*;

#[track_caller]
fn check(name: &str, underscores: &str, dots: &str, values: &str) {
    assert_eq!(Escaping::Utf8.metric_name(name), name);
    assert_eq!(Escaping::Underscores.metric_name(name), underscores);
    assert_eq!(Escaping::Dots.metric_name(name), dots);
    assert_eq!(Escaping::Values.metric_name(name), values);
}

#[test]
fn names_are_escaped_as_prometheus_escapes_them() {
    check("plain:name", "plain:name", "plain:name", "plain:name");
    check(
        "with_under_score",
        "with_under_score",
        "with__under__score",
        "with_under_score",
    );
    check(
        "http.status_code",
        "http_status_code",
        "http_dot_status__code",
        "U__http_2e_status__code",
    );
    check("1st", "_st", "__st", "U___31_st");
    check("tür 😀", "t_r__", "t__r____", "U__t_fc_r_20__1f600_");
    check("", "", "", "");
}

#[test]
fn a_colon_is_allowed_in_metric_names_only() {
    assert!(is_legacy_metric_name("a:b"));
    assert!(!is_legacy_label_name("a:b"));
    assert_eq!(Escaping::Underscores.label_name("a:b"), "a_b");
}

#[test]
fn what_was_not_escaped_stays_as_it_is() {
    for name in ["plain", "U__bad_zz_", "U__open_2e", "U___110000_", "U__"] {
        let expected = if name == "U__" { "" } else { name };
        assert_eq!(unescape(name), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_can_be_undone_and_all_schemes_give_names_that_old_readers_know(name in "\\PC{1,12}") {
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values] {
            prop_assert!(is_legacy_metric_name(&escaping.metric_name(&name)));
            prop_assert!(is_legacy_label_name(&escaping.label_name(&name)));
        }
        prop_assume!(!name.starts_with("U__"));
        for escaped in [Escaping::Values.metric_name(&name), Escaping::Values.label_name(&name)] {
            prop_assert_eq!(unescape(&escaped).into_owned(), name.clone());
        }
    }

    #[test]
    fn any_text_can_be_unescaped(name in "(U__)?[a-f0-9_.]{0,20}") {
        let _ = unescape(&name);
    }
}
