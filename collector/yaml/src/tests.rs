//! Texts, and the problems a person is told of.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// What a person might configure: every shape that the rooms use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Config {
    port: u16,
    ratio: f64,
    retries: Option<u32>,
    enabled: bool,
    name: String,
    api_key: String,
    mode: Mode,
    labels: BTreeMap<String, String>,
    paths: Vec<String>,
    export: Export,
    rules: Vec<Rule>,
    wait: Option<Wait>,
    sink: Option<Sink>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Export {
    endpoint: String,
    interval_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    record: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Fast,
    Careful,
}

/// A number of seconds, or a text with a unit.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Wait {
    Seconds(u64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Sink {
    File { path: String },
    Http { address: String, retries: u32 },
}

fn parsed(text: &str) -> Config {
    read("c.yaml", text, &Options::default()).unwrap().value
}

/// Asserts every problem of a text, one a line.
fn check(text: &str, expected: &str) {
    let problems = read::<Config>("c.yaml", text, &Options::default()).unwrap_err();
    assert_eq!(problems.to_string(), expected, "\n{text}");
}

fn with(text: &str, overrides: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, String> {
    let overrides: Vec<_> = overrides
        .iter()
        .map(|(p, v)| ((*p).to_owned(), (*v).to_owned()))
        .collect();
    let look = |name: &str| {
        env.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    };
    let options = Options {
        overrides: &overrides,
        env: &look,
        interpolate: true,
    };
    read("c.yaml", text, &options)
        .map(|checked| checked.value)
        .map_err(|problems| problems.to_string())
}

#[test]
fn nothing_is_every_default() {
    for text in [
        "",
        "# only a comment\n",
        "null",
        "---\n",
        "{}",
        "labels:\nrules:\nname:\nexport:\n",
    ] {
        assert_eq!(parsed(text), Config::default(), "{text:?}");
    }
}

#[test]
fn values_are_read_as_their_writer_meant_them() {
    let config = parsed(
        "port: 0x50\nratio: 1\nenabled: yes\nname: 007\nlabels: {severity: 1, on: off, empty: }\n\
         paths: [1.0, null, \"a\\tb\"]\nmode: careful\nwait: 5\nsink: {type: http, address: 1, retries: 2}\n",
    );
    assert_eq!((config.port, config.ratio, config.enabled), (80, 1.0, true));
    assert_eq!(
        (config.name.as_str(), config.mode, config.wait),
        ("007", Mode::Careful, Some(Wait::Seconds(5)))
    );
    let labels: Vec<_> = config
        .labels
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(labels, [("empty", ""), ("on", "off"), ("severity", "1")]);
    assert_eq!(config.paths, ["1.0", "", "a\tb"]);
    assert_eq!(
        config.sink,
        Some(Sink::Http {
            address: "1".into(),
            retries: 2
        })
    );
    assert_eq!(parsed("wait: 5m").wait, Some(Wait::Text("5m".into())));
}

#[test]
fn all_problems_are_told_at_once_by_place() {
    check(
        "prot: 1\nport: 70000\nexport:\n  endpoint: [a]\n  intervall_ms: 5\nrules:\n  - record: a\n  - expr: up\n    lables: {}\nenabled: maybe\n",
        "c.yaml:1:1: unknown key `prot` (did you mean `port`?)\n\
         c.yaml:2:7: `port`: must be at most 65535, found an integer `70000`\n\
         c.yaml:4:13: `export.endpoint`: expected a string, found a list\n\
         c.yaml:5:3: unknown key `intervall_ms` in `export` (did you mean `interval_ms`?)\n\
         c.yaml:7:5: missing key `expr` in `rules[0]`\n\
         c.yaml:9:5: unknown key `lables` in `rules[1]` (did you mean `labels`?)\n\
         c.yaml:10:10: `enabled`: expected true or false, found a string `maybe`",
    );
}

#[test]
fn an_unknown_key_far_from_every_known_one_lists_them() {
    check(
        "export:\n  zzzzzz: 1\n",
        "c.yaml:2:3: unknown key `zzzzzz` in `export` (known here: endpoint, interval_ms)",
    );
}

#[test]
fn a_duplicate_key_is_told_with_its_first_place() {
    check(
        "port: 1\nname: a\nport: 2\n",
        "c.yaml:3:1: duplicate key `port` (it stands first in line 1)",
    );
}

#[test]
fn a_number_in_quotes_is_told_to_lose_them() {
    check(
        "port: \"80\"\n",
        "c.yaml:1:7: `port`: expected an integer, found a string `80` (numbers stand without quotes)",
    );
}

#[test]
fn a_wrong_word_is_told_the_nearest_right_one() {
    check(
        "mode: carefull\n",
        "c.yaml:1:7: `mode`: expected one of fast, careful, found a string `carefull` (did you mean `careful`?)",
    );
}

#[test]
fn a_tagged_value_is_judged_by_its_own_kind() {
    check(
        "sink: {type: file, pat: /x}\n",
        concat!(
            "c.yaml:1:7: missing key `path` in `sink`\n",
            "c.yaml:1:20: unknown key `pat` in `sink` (did you mean `path`?)"
        ),
    );
}

#[test]
fn broken_yaml_is_one_problem_at_its_place() {
    for text in [
        "a: [1, 2",
        "a: b: c",
        "\"",
        "a:\n\t- b",
        "*nowhere",
        "a: &x [*x]",
        "a: 1\n---\nb: 2\n",
    ] {
        let problems = read::<Config>("c.yaml", text, &Options::default()).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{text:?}: {problems}");
        assert!(
            problems.0[0].line >= 1 && problems.0[0].column >= 1,
            "{problems}"
        );
    }
}

#[test]
fn anchors_and_merges_are_read_and_own_keys_win() {
    let config = parsed(
        "rules:\n  - &base {expr: up, labels: {team: a}}\n  - {<<: *base, record: r}\n  - {<<: [*base], expr: down}\n",
    );
    assert_eq!(config.rules[1].expr, "up");
    assert_eq!(config.rules[1].labels["team"], "a");
    assert_eq!(config.rules[2].expr, "down");
}

#[test]
fn variables_come_from_the_environment() {
    let env = [("PORT", "81"), ("EMPTY", ""), ("NAME", "x: y")];
    let text = "port: ${PORT}\nname: 'a${NAME}b$$c$d'\npaths: ['${EMPTY:-fallback}', '${NONE:-}', '$${PORT}']\n";
    let config = with(text, &[], &env).unwrap();
    assert_eq!((config.port, config.name.as_str()), (81, "ax: yb$c$d"));
    assert_eq!(config.paths, ["fallback", "", "${PORT}"]);
    // A group of a regular expression is no variable.
    let config = with("name: a${1}$2\n", &[], &env).unwrap();
    assert_eq!(config.name, "a${1}$2");
    // Without interpolation a dollar sign is a dollar sign.
    assert_eq!(parsed("name: ${PORT}").name, "${PORT}");
}

#[test]
fn a_variable_that_is_not_set_is_told_at_the_value() {
    let problems = with(
        "name: ${NONE}\nport: ${PORT:?the port to listen on}\nmode: ${\n",
        &[],
        &[],
    )
    .unwrap_err();
    let lines: Vec<&str> = problems.lines().collect();
    assert!(
        lines[0].starts_with("c.yaml:1:7: environment variable NONE is not set"),
        "{problems}"
    );
    assert!(
        lines[1].starts_with("c.yaml:2:7: environment variable PORT is not set: the port"),
        "{problems}"
    );
    assert!(
        lines.len() == 3 && lines[2].starts_with("c.yaml:3:7: `${` without `}`"),
        "{problems}"
    );
}

#[test]
fn overrides_replace_add_and_make_the_way() {
    let overrides = [
        ("port", "90"),
        ("export.endpoint", "http://h:1"),
        ("rules[0].expr", "down"),
        ("rules[1].expr", "up"),
        ("labels.\"host.name\"", "h"),
        ("paths", "[a, b]"),
        ("port", "91"),
    ];
    let config = with("port: 1\nrules: [{expr: x}]\n", &overrides, &[]).unwrap();
    assert_eq!(
        (config.port, config.export.endpoint.as_str()),
        (91, "http://h:1")
    );
    assert_eq!(
        (config.rules[0].expr.as_str(), config.rules[1].expr.as_str()),
        ("down", "up")
    );
    assert_eq!(
        (config.labels["host.name"].as_str(), config.paths.len()),
        ("h", 2)
    );
}

#[test]
fn a_problem_of_an_override_names_it() {
    let overrides = [
        ("port", "x"),
        ("exprt.endpoint", "1"),
        ("rules[3].expr", "up"),
        ("a[", "1"),
        ("name.x", "1"),
    ];
    let problems = with("name: n\n", &overrides, &[]).unwrap_err();
    assert_eq!(
        problems,
        "--set port: `port`: expected an integer, found a string `x`\n\
         --set exprt.endpoint: unknown key `exprt` (did you mean `export`?)\n\
         --set rules[3].expr: `[3]` cannot be set: the list has 0 values\n\
         --set a[: `[` without `]` in the path\n\
         --set name.x: `x` cannot be set: what holds it is not a mapping",
    );
}

#[test]
fn no_message_holds_a_secret() {
    let texts = [
        "api_key: [hunter2]\n",
        "api_key: {hunter2: 1, hunter2b: hunter2}\n",
        "labels: {password: [hunter2]}\n",
        "port: ${SECRET}\nmode: ${SECRET}\nenabled: ${SECRET}\nwait: [${SECRET}]\n",
    ];
    for text in texts {
        let problems = with(text, &[], &[("SECRET", "hunter2")]).unwrap_err();
        assert!(!problems.contains("hunter2"), "{problems}");
    }
    let tree = format!(
        "{:?}",
        parse::document("a: hunter2", &mut Report::new("f", &[])).unwrap()
    );
    assert!(!tree.contains("hunter2"), "{tree}");
}

#[test]
fn a_type_of_more_keys_does_not_quote_the_secret_of_one() {
    let problems = read::<Pair>(
        "p.yaml",
        "user: u\npassword: \"hun\\tter2\"\n",
        &Options::default(),
    )
    .unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("a mapping that is not accepted"),
        "{problems}"
    );
    assert!(!problems.to_string().contains("ter2"), "{problems}");
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Both {
    user: String,
    password: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Both")]
struct Pair;

impl TryFrom<Both> for Pair {
    type Error = String;

    fn try_from(both: Both) -> Result<Self, String> {
        Err(format!(
            "{} and {:?} do not go together",
            both.user, both.password
        ))
    }
}

/// Values of serde's own errors: a type that refuses what its schema allows.
#[derive(Debug, Deserialize, JsonSchema)]
struct Strict {
    #[expect(dead_code, reason = "only its refusal is looked at")]
    token: Even,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Even;

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("{text} is odd"))
    }
}

#[test]
fn what_serde_refuses_has_a_place_and_no_secret() {
    let problems = read::<Strict>("s.yaml", "\ntoken: hunter2\n", &Options::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "s.yaml:2:8: a string that is not accepted here; it is not shown, it may be secret"
    );
}

#[test]
fn a_later_problem_finds_its_place() {
    let text =
        "rules:\n  - expr: up == 1\n  - expr: |\n      sum(\n        bad)\n  - expr: 'it''s bad'\n";
    let checked = read::<Config>("c.yaml", text, &Options::default()).unwrap();
    let place = |problem: Problem| (problem.line, problem.column);
    assert_eq!(place(checked.at("rules[0].expr", "m")), (2, 11));
    assert_eq!(place(checked.at("rules[0].nowhere", "m")), (2, 5));
    assert_eq!(place(checked.inside("rules[0].expr", 1, 4, "m")), (2, 14));
    assert_eq!(place(checked.inside("rules[1].expr", 2, 3, "m")), (5, 9));
    assert_eq!(place(checked.inside("rules[2].expr", 1, 6, "m")), (6, 18));
    assert_eq!(place(checked.inside("rules[9].expr", 9, 9, "m")), (2, 3));
}

#[test]
fn depth_aliases_and_bytes_are_bounded() {
    let refused = |text: &str, why: &str| {
        let problems = read::<serde_json::Value>("c.yaml", text, &Options::default()).unwrap_err();
        assert!(problems.to_string().contains(why), "{problems}");
    };
    refused(&"[".repeat(100), "nested deeper");
    refused(&"- ".repeat(100), "nested deeper");
    refused(&"[".repeat(100_000), "recursion limit");
    refused(&"- ".repeat(100_000), "nested deeper");
    refused(&"{a: ".repeat(100_000), "");
    refused(&" ".repeat(BYTES_MAX + 1), "bytes long");
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(",");
        laughs.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    refused(&laughs, "aliases expanded");
}

#[test]
fn problems_beyond_the_bound_are_counted() {
    let text: String = (0..500).map(|n| format!("unknown_{n}: 1\n")).collect();
    let problems = read::<Config>("c.yaml", &text, &Options::default()).unwrap_err();
    assert_eq!(problems.0.len(), PROBLEMS_MAX + 1);
    assert!(
        problems.to_string().ends_with("and 400 more problems"),
        "{problems}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", path in "[a-z.\\[\\]0-9\"]{0,12}", value in "\\PC{0,12}") {
        let overrides = [(path, value)];
        let env = |_: &str| Some("v".to_owned());
        let options = Options { overrides: &overrides, env: &env, interpolate: true };
        let _read = read::<Config>("c.yaml", &text, &options);
    }

    #[test]
    fn no_text_like_yaml_panics(text in "(port|rules|expr|sink|wait|a|<<|[-:?&*!|>{}\\[\\],'\"#$ \n]){0,60}") {
        let read = read::<Config>("c.yaml", &text, &Options::default());
        if let Err(problems) = read {
            prop_assert!(!problems.0.is_empty());
        }
    }

    #[test]
    fn what_json_says_yaml_reads(port in any::<u16>(), name in "\\PC{0,20}", paths in prop::collection::vec("\\PC{0,9}", 0..4)) {
        let text = serde_json::json!({ "port": port, "name": name, "paths": paths }).to_string();
        let config = read::<Config>("c.yaml", &text, &Options::default()).map(|checked| checked.value);
        let config = config.map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        prop_assert_eq!((config.port, config.name, config.paths), (port, name, paths));
    }
}

#[test]
fn a_key_that_nobody_knows_does_not_hide_what_the_check_finds() {
    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    #[derive(Default)]
    struct Shop {
        doors: Vec<String>,
    }
    let check = |checked: Checked<Shop>| -> Result<Shop, Problems> {
        let closed = checked.value.doors.iter().position(|door| door == "closed");
        match closed {
            Some(at) => Err(Problems(vec![
                checked.at(&format!("doors[{at}]"), "is closed"),
            ])),
            None => Ok(checked.value),
        }
    };
    let read = |text: &str| read_and_check("shop.yaml", text, &Options::default(), check);
    let problems = read("dors: []\ndoors: [open, closed]\nwidow: 1\n").unwrap_err();
    let places: Vec<_> = problems.0.iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(1, 1), (2, 15), (3, 1)], "{problems}");
    // A mistake of another kind leaves nothing to check.
    let problems = read("doors: [[closed]]\n").unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(read("doors: [open]\n").unwrap().doors, ["open"]);
}
