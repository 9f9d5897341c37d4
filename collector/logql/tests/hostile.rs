//! Records and queries that are made to cost much: every one is carried out, or refused, within
//! bounds that hold for any input.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sonde_logql::source::{Record, StreamView};
use sonde_logql::{Category, LogQuery, PipelineLimits, Scratch, TEXT_BYTES_MAX, parse};
use sonde_logql_oracle::{World, query, text};
use sonde_proto::{Labels, UnixNanos};
use std::time::Duration;

const MIB: usize = 1 << 20;
/// How long a record may be worked on in a build without optimization.
const TIME_MAX: Duration = Duration::from_secs(60);

/// How long this thread has been at work: what else the machine does is not counted. Nothing
/// where the system does not tell.
fn worked() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name may hold anything; see proc_pid_stat(5): utime and stime, the 14th and 15th.
    let (_, after_name) = stat.rsplit_once(')').unwrap_or_default();
    let times = after_name.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// A record's line and metadata.
struct Hostile {
    name: &'static str,
    line: Vec<u8>,
    metadata: Vec<(String, String)>,
}

fn line(name: &'static str, line: impl Into<Vec<u8>>) -> Hostile {
    Hostile {
        name,
        line: line.into(),
        metadata: Vec::new(),
    }
}

/// A text as often as makes `bytes` bytes.
fn repeated(text: &str, bytes: usize) -> String {
    text.repeat(bytes / text.len())
}

/// Numbered texts.
fn numbered(count: usize, one: impl Fn(usize) -> String, between: &str) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(between)
}

fn records() -> Vec<Hostile> {
    let member = |n| format!("\"key{n}\":\"value{n}\"");
    let object = |members: String| format!("{{{members}}}");
    let deep = |open: &str, close: &str| open.repeat(10_000) + &close.repeat(10_000);
    vec![
        line("20 MiB of one sign", repeated("a", 20 * MIB)),
        line(
            "20 MiB of a string",
            object(format!("\"a\":\"{}\"", repeated("x\\n", 20 * MIB))),
        ),
        line("4 MiB of pairs", repeated("a=b ", 4 * MIB)),
        line("4 MiB of quotes", repeated("\"", 4 * MIB)),
        line(
            "4 MiB of backslashes",
            format!("a=\"{}", repeated("\\", 4 * MIB)),
        ),
        line("4 MiB of nothing", repeated(" ", 4 * MIB)),
        line("4 MiB that are not UTF-8", vec![0xff; 4 * MIB]),
        line("4 MiB of colours", repeated("\x1b[31m", 4 * MIB)),
        line("100,000 members", object(numbered(100_000, member, ","))),
        line(
            "100,000 equal members",
            object(numbered(100_000, |_| member(7), ",")),
        ),
        line(
            "100,000 pairs",
            numbered(100_000, |n| format!("key{n}=value{n}"), " "),
        ),
        line("deep objects", deep(r#"{"a":"#, "}")),
        line("deep arrays", format!(r#"{{"a":{}}}"#, deep("[", "]"))),
        line("objects that do not end", deep(r#"{"a":{"b":"#, "")),
        Hostile {
            name: "100,000 labels",
            line: object(numbered(100_000, member, ",")).into(),
            metadata: (0..100_000)
                .map(|n| (format!("key{n}"), "m".to_owned()))
                .collect(),
        },
        Hostile {
            name: "100,000 equal labels",
            line: b"key=value pod=x".to_vec(),
            metadata: vec![("pod".to_owned(), "m".to_owned()); 100_000],
        },
    ]
}

/// Runs a query on a record and checks what came of it.
fn run(query: &LogQuery, hostile: &Hostile, scratch: &mut Scratch) {
    let labels: Labels = [("app", "api"), ("host", "h1")].into_iter().collect();
    let metadata: Vec<(&str, &str)> = hostile
        .metadata
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let record = Record {
        time: UnixNanos(1),
        line: &hostile.line,
        stream: StreamView {
            labels: &labels,
            metadata: &[],
        },
        metadata: &metadata,
    };
    let begun = worked();
    let passes = query.matches_line(record.line);
    if let Some(processed) = query.pipeline().run(&record, scratch) {
        let limits = PipelineLimits::default();
        let (mut count, mut bytes) = (0, 0);
        processed.labels.for_each(|name, value, category| {
            if category == Category::Parsed && !name.starts_with("__error") {
                count += 1;
                bytes += name.len() + value.len();
            }
        });
        assert!(count <= limits.labels_max, "{query}: {count} labels");
        assert!(
            bytes <= limits.label_bytes_max,
            "{query}: {bytes} bytes of labels"
        );
        let longest = hostile.line.len().max(limits.template_bytes_max) + 1;
        assert!(processed.line.len() <= longest, "{query}: the line grew");
    }
    let took = worked() - begun;
    if std::env::var_os("SONDE_SHOW").is_some() && took > Duration::from_millis(500) {
        println!("{took:?} {} {query}: {passes}", hostile.name);
    }
    assert!(took < TIME_MAX, "{took:?} for {}: {query}", hostile.name);
}

/// Stages that cost the most.
const STAGES: [&str; 16] = [
    "| json",
    "| logfmt",
    "| logfmt --strict --keep-empty",
    r#"| json x="a.a.a[0]", y="key99999", z="[\"key7\"]""#,
    r#"| logfmt x="key99999", a"#,
    "| unpack",
    "| decolorize",
    "| pattern `<a>\\n<_>=<b> <_>`",
    "| json | drop a, key1 | json | logfmt",
    "| json | keep a, key1 | logfmt | drop a",
    r#"|= ip("10.0.0.0/8") or "x""#,
    "|> `<_>a<_>b<_>c<_>`",
    "| line_format `{{__line__ | replace \"a\" \"aaaaaaaa\"}}{{.a}}`",
    "| label_format a=`{{.}}`, b=`{{__line__ | repeat 9}}`",
    "| json | line_format `{{range $k, $v := (fromJson __line__)}}{{$k}}{{end}}`",
    "| key99999=~`.*` | pod!=`` | key1 > 5 | distinct key99999, pod",
];

#[test]
fn any_stage_takes_any_record() {
    let queries = STAGES.map(|stage| LogQuery::parse(&format!("{{}} {stage}")).unwrap());
    for hostile in records() {
        for query in &queries {
            run(query, &hostile, &mut Scratch::default());
        }
    }
}

#[test]
fn any_query_takes_any_record() {
    let records = records();
    let mut scratches: Vec<Scratch> = Vec::new();
    for seed in 0..64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let world = World::random(&mut rng);
        let expr = query::log(&mut rng, &world);
        let query = LogQuery::parse(&text::log(&mut rng, &expr)).unwrap();
        let mut scratch = Scratch::default();
        run(
            &query,
            &records[seed as usize % records.len()],
            &mut scratch,
        );
        scratches.push(scratch);
    }
}

/// Expressions whose search takes long where it is done naively.
const BOMBS: [&str; 8] = [
    "(a|a)*b{1000}",
    "(a*)*c",
    "(a+)+$",
    "(a|aa)+$",
    "(.*)(.*)(.*)(.*)(.*)=x",
    "[ab]*a[ab]{200}c",
    "(?i)a.{0,200}é",
    "(x+x+)+y",
];

#[test]
fn expressions_take_time_in_proportion_to_the_line() {
    let records = [
        line("a few MiB of one sign", repeated("a", 2 * MIB)),
        line("a few MiB of two signs", repeated("abbabaab", 2 * MIB)),
    ];
    for bomb in BOMBS {
        let stages = [
            format!("|~ `{bomb}`"),
            format!("| regexp `(?P<all>{bomb})`"),
            format!("| label_format a=`{{{{__line__ | trunc 60000}}}}` | a=~`{bomb}`"),
        ];
        for stage in stages {
            let query = LogQuery::parse(&format!("{{}} {stage}")).unwrap();
            for hostile in &records {
                run(&query, hostile, &mut Scratch::default());
            }
        }
    }
}

#[test]
fn expressions_that_would_take_too_much_memory_are_refused() {
    for pattern in [
        r"(\w{1000}){1000}",
        r"((a{100}){100}){100}",
        r"(\pL{1,500}){1,500}",
        r"(?i)(\PN{500}|\pL{500}){20}",
    ] {
        for stage in ["|~", "| regexp", "| a=~"] {
            let begun = worked();
            let text = format!("{{}} {stage} `(?P<x>{pattern})`");
            assert!(LogQuery::parse(&text).is_err(), "{text}");
            assert!(worked() - begun < TIME_MAX, "{text}");
        }
    }
}

#[test]
fn a_query_of_10_mb_is_refused_at_once() {
    for text in [
        "{".repeat(10 * MIB),
        format!("{{a=\"{}\"}}", "x".repeat(10 * MIB)),
        format!("{{}} {}", "| json ".repeat(10 * MIB / 7)),
        format!("{}1{}", "(".repeat(5 * MIB), ")".repeat(5 * MIB)),
        "é".repeat(5 * MIB),
        " ".repeat(10 * MIB),
        "#".repeat(10 * MIB),
    ] {
        let begun = worked();
        let error = parse(&text).unwrap_err().to_string();
        assert!(worked() - begun < Duration::from_secs(5));
        assert!(error.contains(&TEXT_BYTES_MAX.to_string()), "{error}");
        assert!(error.len() < 1000, "the message is short");
    }
}
