//! Random lines: JSON, logfmt, access logs, packed lines, free text; whole and broken.

use crate::json::Json;
use crate::world::pick;
use rand::Rng;

/// What most lines of a stream look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Json,
    Torn,
    Logfmt,
    Access,
    Packed,
    Text,
}

impl Style {
    pub(crate) fn random(rng: &mut impl Rng, torn: bool) -> Self {
        match rng.random_range(0..10) {
            0..3 => Self::Json,
            3 if torn => Self::Torn,
            3..6 => Self::Logfmt,
            6 | 7 => Self::Access,
            8 => Self::Packed,
            _ => Self::Text,
        }
    }

    /// A line; one of eight has another style than the stream.
    pub(crate) fn line(self, rng: &mut impl Rng) -> Vec<u8> {
        let style = if rng.random_bool(0.125) {
            Self::random(rng, self == Self::Torn)
        } else {
            self
        };
        let line = match style {
            Self::Json => json(rng, false),
            Self::Torn => json(rng, true),
            Self::Logfmt => logfmt(rng),
            Self::Access => access(rng),
            Self::Packed => packed(rng),
            Self::Text => return text(rng),
        };
        // Colours inside of quotes with escapes are read in more than one way.
        if rng.random_bool(0.06) && !line.contains('\\') {
            return coloured(rng, &line).into_bytes();
        }
        line.into_bytes()
    }
}

/// The keys that lines have, with values that suit them.
fn value(rng: &mut impl Rng, key: &str) -> String {
    match key {
        "level" => pick(rng, &["info", "warn", "error", "debug"]).into(),
        "method" => pick(rng, &["GET", "POST", "PUT", "get"]).into(),
        "path" => pick(
            rng,
            &["/", "/api/v1/query", "/api/v1/push", "/metrics", "/über"],
        )
        .into(),
        "status" => pick(rng, &["200", "201", "404", "500", "503"]).into(),
        "duration" => pick(
            rng,
            &[
                "12ms", "250ms", "1.5s", "1h2m", "900µs", "3s", "0.5s", "slow",
            ],
        )
        .into(),
        "size" => pick(
            rng,
            &["512", "20KB", "5MiB", "1.5GB", "0B", "3kb", "42 MB", "huge"],
        )
        .into(),
        "count" => match rng.random_range(0..12) {
            0 => "many".into(),
            1 => "-3".into(),
            n => (n * 7).to_string(),
        },
        "total" => rng.random_range(0..2000).to_string(),
        "latency" => {
            let quarter = f64::from(rng.random_range(0..400)) / 4.0 + 0.125;
            serde_json::Value::from(quarter).to_string()
        }
        "user" => pick(
            rng,
            &["ada", "Ødegård", "用户", "bob smith", "o'neil", "a=b"],
        )
        .into(),
        "addr" => pick(rng, ADDRESSES).into(),
        "msg" => sentence(rng),
        "app" => pick(rng, &["inner", "api"]).into(),
        "trace_id" => pick(rng, &["0af7651916cd43dd", "ffffffffffffffff"]).into(),
        "9lives" => pick(rng, &["yes", "no"]).into(),
        "user-agent" => pick(rng, &["curl/7.68.0", "Mozilla/5.0 (X11)"]).into(),
        _ => pick(rng, &["a", "b", "c"]).into(),
    }
}

pub(crate) const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "10.0.0.42",
    "192.168.4.5",
    "192.168.4.129",
    "8.8.8.8",
    "2001:db8::1",
    "2001:db8::ff00:42",
    "::1",
];

const KEYS: &[&str] = &[
    "level",
    "method",
    "path",
    "status",
    "duration",
    "size",
    "count",
    "total",
    "latency",
    "user",
    "addr",
    "msg",
    "app",
    "trace_id",
    "9lives",
    "user-agent",
    "pod",
    "host",
    "host_extracted",
];

/// Stands for what no value of JSON can be.
const ODD: &str = "<odd>";

/// Some keys, in random order, each once.
fn keys(rng: &mut impl Rng) -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for _ in 0..rng.random_range(2..10) {
        let key = pick(rng, KEYS);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

pub(crate) fn sentence(rng: &mut impl Rng) -> String {
    let words = [
        "connection",
        "refused",
        "to",
        "the",
        "database",
        "Timeout",
        "after",
        "retry",
        "cache",
        "miss",
        "größer",
        "naïve",
        "日本語",
        "🙂",
        "panic:",
        "user_id=17",
        "GET",
        "(null)",
        "100%",
        "a.b.c",
        "[x]",
        "don't",
        "x+y",
        "C:\\temp",
    ];
    let count = rng.random_range(1..7);
    let words: Vec<&str> = (0..count).map(|_| pick(rng, &words)).collect();
    words.join(" ")
}

fn json(rng: &mut impl Rng, torn: bool) -> String {
    match rng.random_range(0..24) {
        0 => return "not json at all".into(),
        1 => return pick(rng, &["42", "null", "true", ""]).into(),
        2 if torn => return pick(rng, &["[1,2,3]", "\"text\"", "{", "{\"a"]).into(),
        _ => {}
    }
    let mut members: Vec<(String, Json)> = Vec::new();
    let flat = rng.random_bool(0.3);
    for key in keys(rng) {
        let text = value(rng, key);
        let is_number = text.parse::<f64>().is_ok()
            && text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let value = if is_number && rng.random_bool(0.7) {
            Json::Number(text)
        } else {
            Json::Text(text)
        };
        members.push((key.into(), value));
    }
    if rng.random_bool(0.4) {
        members.push(("ok".into(), Json::Bool(rng.random())));
    }
    if rng.random_bool(0.2) {
        members.push(("nothing".into(), Json::Null));
    }
    if rng.random_bool(0.1) {
        // Its text becomes an escape that is none, or a control character.
        members.push(("odd".into(), Json::Text(ODD.into())));
    }
    if rng.random_bool(0.15) {
        for _ in 0..2 {
            members.push(("dup".into(), Json::Text(value(rng, "dup"))));
        }
    }
    if !flat && rng.random_bool(0.6) {
        let tags = (0..rng.random_range(0..3)).map(|_| Json::Text(value(rng, "tag")));
        members.push(("tags".into(), Json::List(tags.collect())));
    }
    if !flat && rng.random_bool(0.7) {
        members.push(("req".into(), request(rng)));
    }
    let odd = pick(
        rng,
        &["\\q", "a\\u00g0b", "\\ud83d", "\\ud83d\\u0041", "\t\u{1}"],
    );
    let whole = Json::Object(members.clone()).compact().replace(ODD, odd);
    if torn && rng.random_bool(0.6) {
        return tear(rng, &members);
    }
    if flat && rng.random_bool(0.3) {
        let spaced: Vec<String> = members
            .iter()
            .map(|(n, v)| format!("{} : {}", Json::Text(n.clone()).compact(), v.compact()))
            .collect();
        return format!("{{ {} }} ", spaced.join(" , "));
    }
    whole
}

fn request(rng: &mut impl Rng) -> Json {
    let mut members = vec![
        ("method".to_owned(), Json::Text(value(rng, "method"))),
        (
            "user-agent".to_owned(),
            Json::Text(value(rng, "user-agent")),
        ),
        ("total".to_owned(), Json::Number(value(rng, "total"))),
    ];
    if rng.random_bool(0.5) {
        let inner = vec![
            ("id".to_owned(), Json::Text(value(rng, "id"))),
            (
                "quoted \"name\"".to_owned(),
                Json::Text("say \"hi\"\n".into()),
            ),
        ];
        members.push(("inner".to_owned(), Json::Object(inner)));
    }
    Json::Object(members)
}

/// An object that breaks off behind a comma, or inside the next name.
fn tear(rng: &mut impl Rng, members: &[(String, Json)]) -> String {
    let keep = rng.random_range(1..=members.len());
    let begun = Json::Object(members[..keep].to_vec()).compact();
    let end = pick(rng, &[",", ",\"", ",\"na", ",\"name\":", ",\"name\":\"val"]);
    format!("{}{end}", &begun[..begun.len() - 1])
}

fn logfmt(rng: &mut impl Rng) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for key in keys(rng) {
        let text = value(rng, key);
        let bare = !text.contains([' ', '"', '=', '\\']) && rng.random_bool(0.8);
        if bare {
            pairs.push(format!("{key}={text}"));
        } else {
            pairs.push(format!("{key}={}", Json::Text(text).compact()));
        }
    }
    if rng.random_bool(0.15) {
        pairs.push(format!("dup={}", value(rng, "dup")));
        pairs.push(format!("dup={}", value(rng, "dup")));
    }
    if rng.random_bool(0.25) {
        let broken = [
            "=value",
            "foo=bar=buzz",
            "fo\"o=bar",
            "alone",
            "empty=",
            "none=\"\"",
            "open=\"never",
            "bad=\"\\q\"",
            "bad=\"\\u00g0\"",
            "controls=\"a\\\"\u{1}\tb\"",
            "lines=\"\\\\a\nb\"",
        ];
        let at = rng.random_range(0..=pairs.len());
        pairs.insert(at, pick(rng, &broken).into());
    }
    pairs.join(pick(rng, &[" ", " ", "  "]))
}

fn access(rng: &mut impl Rng) -> String {
    format!(
        "{} - - [10/Jun/2021:09:14:29 +0000] \"{} {} HTTP/1.1\" {} {} \"-\" \"{}\"",
        value(rng, "addr"),
        value(rng, "method"),
        value(rng, "path"),
        value(rng, "status"),
        value(rng, "total"),
        value(rng, "user-agent"),
    )
}

fn packed(rng: &mut impl Rng) -> String {
    let mut members = vec![
        ("pod".to_owned(), Json::Text(value(rng, "pod"))),
        ("app".to_owned(), Json::Text(value(rng, "app"))),
        ("total".to_owned(), Json::Number(value(rng, "total"))),
    ];
    if rng.random_bool(0.8) {
        let inner = if rng.random() {
            logfmt(rng)
        } else {
            sentence(rng)
        };
        let at = rng.random_range(0..=members.len());
        members.insert(at, ("_entry".to_owned(), Json::Text(inner)));
    }
    Json::Object(members).compact()
}

fn coloured(rng: &mut impl Rng, line: &str) -> String {
    let middle = line
        .char_indices()
        .map(|(at, _)| at)
        .nth(line.chars().count() / 2)
        .unwrap_or(0);
    let on = pick(rng, &["\u{1b}[31m", "\u{1b}[1;33m", "\u{1b}[0m"]);
    format!("{on}{}\u{1b}[0m{}", &line[..middle], &line[middle..])
}

fn text(rng: &mut impl Rng) -> Vec<u8> {
    let line = match rng.random_range(0..12) {
        0 => String::new(),
        1 => {
            let mut bytes = sentence(rng).into_bytes();
            bytes.extend_from_slice(b" \xff\xfe bytes");
            return bytes;
        }
        2 => format!("{}\nand a second line", sentence(rng)),
        3 => format!(
            "client {} port 80 said {}",
            pick(rng, ADDRESSES),
            sentence(rng)
        ),
        4 => format!("addr={}:8080 {}", pick(rng, &ADDRESSES[..5]), sentence(rng)),
        5 => "x".repeat(rng.random_range(50..400)),
        _ => sentence(rng),
    };
    line.into_bytes()
}
