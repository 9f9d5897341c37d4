//! Every action, as Prometheus documents it.

use super::*;
use std::borrow::Borrow;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn config(action: &str) -> RelabelConfig {
    RelabelConfig {
        action: action.into(),
        ..RelabelConfig::default()
    }
}

#[track_caller]
fn check(
    config: impl Borrow<RelabelConfig>,
    before: &[(&str, &str)],
    after: Option<&[(&str, &str)]>,
) {
    let config = config.borrow();
    let mut changed = labels(before);
    let kept = apply(&[Rule::new(config).unwrap()], &mut changed);
    assert_eq!(kept, after.is_some(), "{config:?}");
    if let Some(after) = after {
        assert_eq!(changed, labels(after), "{config:?}");
    }
}

fn sources(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const ABC: [(&str, &str); 3] = [("a", "foo"), ("b", "bar"), ("c", "baz")];

#[test]
fn replace_writes_groups_into_a_label_whose_name_may_hold_groups() {
    let replace = |regex: &str, target: &str, replacement: &str| RelabelConfig {
        source_labels: sources(&["a", "b"]),
        regex: regex.into(),
        target_label: target.into(),
        replacement: replacement.into(),
        ..RelabelConfig::default()
    };
    let check = |rule, added: &[(&str, &str)]| {
        let mut all = labels(&ABC);
        all.extend(labels(added));
        let all: Vec<_> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        check(rule, &ABC, Some(&all));
    };
    check(replace("(.*)", "d", "$1"), &[("d", "foo;bar")]);
    check(
        replace("f(.*);(.*)r", "a", "b${1}${2}m"),
        &[("a", "boobam")],
    );
    check(replace("f(.*);(.*)r", "$2$1", "x"), &[("baoo", "x")]);
    // A part does not match, and a name that comes to nothing is none.
    check(replace("oo", "d", "x"), &[]);
    check(replace("f(.*);.*(q?)", "$2", "x"), &[]);
    check(replace("(.*)", "d", "$$1 $nothing"), &[("d", "$1 ")]);
    check(
        replace("(?i)FOO;(?P<last>.*)", "d", "${last}"),
        &[("d", "bar")],
    );
}

#[test]
fn replace_with_nothing_removes_and_a_dot_is_a_line_feed_too() {
    let remove = RelabelConfig {
        target_label: "a".into(),
        replacement: String::new(),
        ..RelabelConfig::default()
    };
    check(remove, &ABC, Some(&ABC[1..]));
    let set = RelabelConfig {
        target_label: "d".into(),
        replacement: "x".into(),
        ..RelabelConfig::default()
    };
    check(set, &[], Some(&[("d", "x")]));
    let all = RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: "b".into(),
        ..RelabelConfig::default()
    };
    check(all, &[("a", "1\n2")], Some(&[("a", "1\n2"), ("b", "1\n2")]));
}

#[test]
fn keep_and_drop_look_at_the_whole_and_at_equality() {
    let rule = |action: &str, regex: &str| RelabelConfig {
        source_labels: sources(&["a", "b"]),
        separator: "-".into(),
        regex: regex.into(),
        ..config(action)
    };
    check(rule("keep", "foo-b.*"), &ABC, Some(&ABC));
    check(rule("keep", "foo"), &ABC, None);
    check(rule("drop", "foo-b.*"), &ABC, None);
    check(rule("Drop", "foo"), &ABC, Some(&ABC));
    let equal = |action: &str, target: &str| RelabelConfig {
        source_labels: sources(&["a"]),
        target_label: target.into(),
        ..config(action)
    };
    check(equal("keepequal", "a"), &ABC, Some(&ABC));
    check(equal("keepequal", "b"), &ABC, None);
    check(equal("dropequal", "a"), &ABC, None);
    check(equal("dropequal", "b"), &ABC, Some(&ABC));
}

#[test]
fn labels_are_mapped_dropped_and_kept_by_name() {
    let rule = |action: &str, regex: &str| RelabelConfig {
        regex: regex.into(),
        ..config(action)
    };
    let meta = [("__meta_zone", "x"), ("a", "1")];
    let mapped = [("__meta_zone", "x"), ("a", "1"), ("zone", "x")];
    check(rule("labelmap", "__meta_(.+)"), &meta, Some(&mapped));
    check(rule("labeldrop", "[ab]"), &ABC, Some(&ABC[2..]));
    check(rule("labelkeep", "[ab]"), &ABC, Some(&ABC[..2]));
}

#[test]
fn values_are_hashed_as_prometheus_hashes_them_and_change_their_case() {
    let write = |action: &str, modulus| RelabelConfig {
        source_labels: sources(&["c"]),
        target_label: "d".into(),
        modulus,
        ..config(action)
    };
    // Known from Prometheus' own tests.
    let known = [("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "976")];
    check(write("hashmod", 1000), &ABC, Some(&known));
    let shout = [("c", "Baß"), ("d", "BASS")];
    check(write("uppercase", 0), &shout[..1], Some(&shout));
    let quiet = [("c", "BaZ"), ("d", "baz")];
    check(write("lowercase", 0), &quiet[..1], Some(&quiet));
}

#[test]
fn a_rule_that_makes_no_sense_is_told() {
    let mut bad = vec![config("replace"), config("hashmod"), config("paint")];
    bad.push(RelabelConfig {
        regex: "(".into(),
        ..config("keep")
    });
    bad.push(RelabelConfig {
        target_label: "a".into(),
        ..config("labeldrop")
    });
    bad.push(RelabelConfig {
        target_label: "a".into(),
        regex: "x".into(),
        ..config("keepequal")
    });
    for config in bad {
        assert!(Rule::new(&config).is_err(), "{config:?}");
    }
}

#[test]
fn hashes_are_the_last_half_of_the_digest() {
    // RFC 1321, A.5.
    assert_eq!(hash("abc"), 0xd696_3f7d_28e1_7f72);
    assert_eq!(hash(""), 0xe980_0998_ecf8_427e);
}
