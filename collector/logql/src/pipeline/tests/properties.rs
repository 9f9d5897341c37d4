//! Parsers against anything, and against others that do the same in a plainer way.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 4000 })
    }
}

/// The parsed labels of a record of an empty stream; `None` where it was marked.
fn parsed(pipeline: &Pipeline, line: &[u8]) -> Option<BTreeMap<String, String>> {
    let labels = Labels::empty();
    let record = Record {
        time: TIME,
        line,
        stream: StreamView {
            labels: &labels,
            metadata: &[],
        },
        metadata: &[],
    };
    let mut scratch = Scratch::default();
    let processed = pipeline.run(&record, &mut scratch).unwrap();
    if processed.labels.error().is_some() {
        return None;
    }
    let all = processed.labels.sorted();
    Some(
        all.into_iter()
            .map(|(n, v, _)| (n.into_owned(), v.to_owned()))
            .collect(),
    )
}

fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        "[a-c._ 1-3-]{0,3}",
        any::<String>(),
        Just("é\u{fffd}😀\u{0}".to_owned())
    ];
    let key = prop_oneof!["[a-c]{1,2}", "[a-c0-9_. -]{0,4}", any::<String>()];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    let value = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::vec(("[a-c.]{1,2}|.{0,3}", value), 0..6)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}

/// A key as the name of a label, in the plainest way.
fn name(prefix: &str, key: &str) -> String {
    let key = key.trim();
    let mut name = prefix.to_owned();
    if !prefix.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
        name.push('_');
    }
    name.extend(
        key.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }),
    );
    name
}

fn flatten(
    prefix: &str,
    object: &serde_json::Map<String, Json>,
    out: &mut BTreeMap<String, String>,
) {
    for (key, value) in object {
        let name = name(prefix, key);
        let text = match value {
            Json::Object(inner) => {
                flatten(&name, inner, out);
                continue;
            }
            Json::Null | Json::Array(_) => continue,
            Json::String(text) => text.replace('\u{fffd}', " "),
            other => other.to_string(),
        };
        if !name.is_empty() {
            out.entry(name).or_insert(text);
        }
    }
}

/// The pairs of a line of simple logfmt, in the plainest way.
fn simple_pairs(line: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for word in line.split([' ', '\t']) {
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').unwrap(),
            None => value,
        };
        if !value.is_empty() {
            out.entry(name("", key)).or_insert_with(|| value.to_owned());
        }
    }
    out
}

/// Something like a line of a parser's language, and any bytes.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\""),
        Just("\\"),
        Just("\\u00"),
        Just("\\ud83d"),
        Just("="),
        Just(" "),
        Just("a"),
        Just("\"a\":"),
        Just("1"),
        Just("1.5e"),
        Just("true"),
        Just("null"),
        Just("\"_entry\":\"x\""),
        Just("é"),
        Just("\u{fffd}"),
        Just("\x1b["),
        Just("\x1b]0;"),
        Just("m"),
        Just("\x07"),
        Just("10.0.0.1"),
        Just("::1"),
        Just("\n"),
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
        json().prop_map(|value| {
            let mut text = value.to_string();
            text.truncate(text.floor_char_boundary(text.len() / 2));
            text.into_bytes()
        }),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json_is_what_serde_reads(value in json(), pretty in any::<bool>()) {
        let Json::Object(object) = &value else { unreachable!() };
        let line = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let mut expected = BTreeMap::new();
        flatten("", object, &mut expected);
        prop_assert_eq!(parsed(&compiled("| json"), line.as_bytes()), Some(expected), "{}", line);
    }

    #[test]
    fn what_serde_reads_is_no_mistake(line in soup()) {
        let all = parsed(&compiled("| json"), &line);
        if let Ok(text) = std::str::from_utf8(&line)
            && let Ok(Json::Object(object)) = serde_json::from_str(text)
        {
            prop_assert_eq!(all.is_some(), true, "{} {:?}", text, object);
        }
    }

    #[test]
    fn paths_find_what_pointers_find(value in json(), keys in prop::collection::vec("[a-c]{1,2}", 1..4)) {
        let line = value.to_string();
        let path = keys.join(".");
        let found = value.pointer(&format!("/{}", keys.join("/")));
        let expected = match found {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.replace('\u{fffd}', " "),
            Some(other) => other.to_string(),
        };
        let all = parsed(&compiled(&format!("| json x=\"{path}\"")), line.as_bytes()).unwrap();
        prop_assert_eq!(&all["x"], &expected, "{} in {}", path, line);
    }

    #[test]
    fn logfmt_is_what_words_are(line in "([a-c.]{1,3}(=([a-z/:]{0,3}|\"[a-z=:]{0,4}\"))?[ \t]{1,2}){0,8}") {
        let expected = simple_pairs(&line);
        prop_assert_eq!(parsed(&compiled("| logfmt"), line.as_bytes()), Some(expected.clone()), "{}", line);
        prop_assert_eq!(parsed(&compiled("| logfmt --strict"), line.as_bytes()), Some(expected));
    }

    #[test]
    fn logfmt_reads_back_what_is_quoted(value in any::<String>()) {
        let line = format!("a={} b=1", serde_json::to_string(&value).unwrap());
        let all = parsed(&compiled("| logfmt --strict --keep-empty"), line.as_bytes()).unwrap();
        prop_assert_eq!(&all["a"], &value.replace('\u{fffd}', " "));
        prop_assert_eq!(&all["b"], "1");
    }

    #[test]
    fn no_line_breaks_a_stage(line in soup(), other in soup()) {
        for text in STAGES {
            let pipeline = compiled(text);
            let mut scratch = Scratch::default();
            let first = outcome(&pipeline, &mut scratch, &line);
            outcome(&pipeline, &mut scratch, &other);
            // What the buffers held before makes no difference.
            prop_assert_eq!(outcome(&pipeline, &mut scratch, &line), first, "{}", text);
        }
    }

    #[test]
    fn wanting_some_labels_takes_the_same_of_them(value in json(), names in prop::collection::vec("[a-c]{1,2}(_[a-c]{1,2})?", 1..3)) {
        let line = value.to_string();
        let all = parsed(&compiled("| json"), line.as_bytes()).unwrap();
        let wanted = Wanted::Only(names.clone());
        let some = Pipeline::compile_wanted(&stages("| json"), &PipelineLimits::default(), &wanted).unwrap();
        let some = parsed(&some, line.as_bytes()).unwrap();
        for name in names {
            prop_assert_eq!(some.get(&name), all.get(&name), "{} of {}", name, line);
        }
    }

    #[test]
    fn decolorized_lines_stay_so(line in soup()) {
        let pipeline = compiled("| decolorize");
        let text = outcome(&pipeline, &mut Scratch::default(), &line);
        if !line.contains(&0x1b) && !line.windows(2).any(|pair| pair == [0xC2, 0x9B]) {
            prop_assert_eq!(text, format!("{} |", String::from_utf8_lossy(&line)));
        }
    }
}

const STAGES: [&str; 14] = [
    "| json",
    r#"| json x="a", y="a.a[0][\"a\"]", z="[1]""#,
    "| logfmt",
    "| logfmt --strict --keep-empty",
    r#"| logfmt x="a", a"#,
    "| regexp `(?P<a>.)(?P<b>[^a]*)(?P<c>x)?`",
    "| pattern `<a>:<_> <b>=<c>`",
    "| unpack",
    "| decolorize | decolorize",
    r#"| json | logfmt | a > 1 or a > 1s or a > 1KB | line_format "{{.a}}""#,
    r#"| json | label_format a=b, c="{{.}}", d=`{{__line__ | trunc 3}}` | drop a | keep c, d"#,
    r#"|~ `a.*\d` or `é` !~ `\s{2}` |> "a<_>" or "<_>=<_>" != ip("10.0.0.0/8")"#,
    r#"| json | a=ip("::1") or a!=ip("10.0.0.1-10.0.0.9")"#,
    r#"| unpack | json | line_format `{{__line__ | b64enc | b64dec | urlencode | urldecode | title}}`"#,
];
