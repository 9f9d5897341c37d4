//! Templates people would expect, and every body back from its pieces.

use super::*;
use crate::class::{is_word_byte, signature};
use proptest::prelude::*;

fn split(body: &[u8], cut: Cut) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut splitter = Splitter::default();
    splitter.split(body, cut).then(|| {
        let variables = splitter.variables.iter().map(|v| v.of(body).to_vec());
        (splitter.template.clone(), variables.collect())
    })
}

fn check(body: &str, cut: Cut, template: &str, variables: &[&str]) {
    let (found, values) = split(body.as_bytes(), cut).unwrap();
    let found = String::from_utf8(found).unwrap().replace('\u{e}', "▮");
    assert_eq!(
        found.replace('\u{f}', "▯"),
        template,
        "template of {body:?}"
    );
    let values: Vec<_> = values.iter().map(|v| String::from_utf8_lossy(v)).collect();
    assert_eq!(values, variables, "variables of {body:?}");
}

#[test]
fn words_with_digits_are_variables() {
    let whole = |body, template, variables| check(body, Cut::Whole, template, variables);
    whole("", "", &[]);
    whole("user=42 took 17 ms", "user=▮ took ▮ ms", &["42", "17"]);
    whole("7", "▮", &["7"]);
    whole("GET /v2/a-7f3é/x", "GET /▮/a-▮/x", &["v2", "7f3é"]);
    whole(
        "from 10.0.3.4:80 1.5",
        "from ▮:▮ ▮.▮",
        &["10.0.3.4", "80", "1", "5"],
    );
}

#[test]
fn the_values_of_json_are_variables() {
    check(
        r#"{"user1" : "bob \"7\"","n":-3.5e+7,"ok":true,"l":["a",null],"e":""}"#,
        Cut::Whole,
        r#"{"user1" : "▯","n":▯,"ok":▯,"l":["▯",▯],"e":"▯"}"#,
        &[r#"bob \"7\""#, "-3.5e+7", "true", "a", "null", ""],
    );
    check(r#"{"cut":"off"#, Cut::Whole, r#"{"cut":"▯"#, &["off"]);
    check(r#"{"cut":"off\"#, Cut::Whole, r#"{"cut":"▯"#, &["off\\"]);
    check(r#"{""#, Cut::Whole, r#"{"▯"#, &[""]);
}

#[test]
fn fields_with_digits_or_joints_are_variables() {
    let fields = |body, template, variables| check(body, Cut::Fields, template, variables);
    fields(
        "12:01 status libxss-dev:amd64 <none> a/b.c: done. (x-y), -v",
        "▯ status ▯ <none> ▯: done. (▯), -v",
        &["12:01", "libxss-dev:amd64", "a/b.c", "x-y"],
    );
    fields("é-é 10.0.0.1.", "▯ ▯.", &["é-é", "10.0.0.1"]);
    fields(r#"{"a":"x y"}"#, r#"{"a":"▯"}"#, &["x y"]);
}

#[test]
fn a_head_ends_before_the_third_plain_word() {
    check(
        "12:01 INFO job ran 7 times",
        Cut::Head,
        "▮:▮ INFO job ▯",
        &["12", "01", "ran 7 times"],
    );
    check("INFO job 7 ran", Cut::Head, "INFO job ▮ ▯", &["7", "ran"]);
    check("only two", Cut::Head, "only two", &[]);
}

#[test]
fn bodies_that_templates_cannot_hold_stay_raw() {
    assert_eq!(split(b"a \x0e b", Cut::Whole), None);
    assert_eq!(split(&[b'x'; BODY_BYTES_MAX + 1], Cut::Whole), None);
    assert_eq!(
        split("7 ".repeat(SLOTS_MAX + 1).as_bytes(), Cut::Whole),
        None
    );
}

fn joined(template: &[u8], variables: &[Vec<u8>]) -> Vec<u8> {
    let mut variables = variables.iter();
    let mut out = Vec::new();
    for byte in template {
        match *byte {
            WORD_SLOT | TEXT_SLOT => out.extend(variables.next().unwrap()),
            byte => out.push(byte),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn every_body_comes_back(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[a1_é .:{}\"\\\\,-]{0,200}".prop_map(String::into_bytes),
            "\\{[a1 :\",\\\\]{0,80}".prop_map(String::into_bytes),
        ],
        cut in prop_oneof![Just(Cut::Whole), Just(Cut::Fields), Just(Cut::Head)],
    ) {
        if let Some((template, variables)) = split(&body, cut) {
            prop_assert_eq!(joined(&template, &variables), body);
            let slots: Vec<u8> = template.iter().copied().filter(|b| matches!(*b, WORD_SLOT | TEXT_SLOT)).collect();
            for (slot, value) in slots.iter().zip(&variables) {
                let wordlike = !value.is_empty() && value.iter().all(|b| is_word_byte(*b) || *b == b'.');
                prop_assert!(*slot == TEXT_SLOT || wordlike && signature(value) & 0x3ff != 0);
            }
        } else {
            prop_assert!(has_reserved(&body));
        }
    }
    #[test]
    fn a_field_is_a_variable_with_a_digit_or_with_a_joint_between_others(body in "[a1é .:_-]{0,60}") {
        let joint = |c: char| matches!(c, '.' | ':' | '_' | '-');
        let expected: Vec<Vec<u8>> = body
            .split(' ')
            .filter(|field| {
                field.contains('1') || field.trim_matches(joint).contains(joint)
            })
            .map(|field| field.trim_end_matches(['.', ':']).as_bytes().to_vec())
            .collect();
        let (_, variables) = split(body.as_bytes(), Cut::Fields).unwrap();
        prop_assert_eq!(variables, expected);
    }
}
