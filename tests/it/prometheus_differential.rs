//! PromQL on the wire, against a real Prometheus: both are sent the same remote-write bodies,
//! then asked the same seeded questions over HTTP. Status, kinds and texts of errors, labels,
//! times, values as they are written, and order wherever the language gives one must be alike.
//!
//! How many are asked is `SONDE_TEST_QUERIES`, from which seed `SONDE_TEST_SEED`. The n-th
//! question depends on the seed and n alone, so one that differs can be asked again.
//!
//! The Prometheus is Debian's, older than the version that Sonde follows. Times are chosen so
//! that no sample and no step of a subquery lies on the edge of a range, which belongs to it
//! there and not here. What is otherwise different stands in [`explained`], each with its
//! reason and a question that shows it.

mod compare;
mod data;
mod explained;
mod generate;

use crate::harness::{PATIENCE, Sonde, client, list};
use crate::prometheus_api::Prometheus;
use crate::tools::tool;
use compare::{Outcome, Reply};
use explained::EXPLAINED;
use generate::Question;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sonde_proto::remote_write::{Version, body};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const QUIET: [(&str, &str); 7] = [
    ("agent.tail.paths", "[]"),
    ("agent.node.enabled", "false"),
    ("rules.use_rules", "false"),
    ("rules.default_alerts", "false"),
    ("metrics.late_max_seconds", "1000000000"),
    ("metrics.retention_seconds", "1000000000"),
    // Part of it is sealed and part of it is not.
    ("metrics.head_bytes_max", "4194304"),
];
/// How many questions, and which.
const QUERIES: u64 = 5_000;
const SEED: u64 = 20_231_114;
/// How many are asked at once.
const WORKERS: usize = 4;
/// How many differences are shown.
const SHOWN: usize = 40;

fn from_env(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// The two programs, which hold the same.
struct Both {
    sonde: Sonde,
    prometheus: Prometheus,
    client: reqwest::Client,
}

impl Both {
    async fn start(program: &Path, dir: &Path) -> Self {
        let sonde = Sonde::up(dir, &QUIET).await;
        let flags = [
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.retention.time=100y",
        ];
        let config = "scrape_configs: []\n";
        let prometheus = Prometheus::start(program, &dir.join("prometheus"), config, &flags).await;
        Self {
            sonde,
            prometheus,
            client: client(),
        }
    }

    fn urls(&self) -> [String; 2] {
        [self.sonde.url(""), self.prometheus.url.clone()]
    }

    /// Sends all samples to both, slice after slice, and waits until both have them.
    async fn load(&self, seed: u64) {
        let mut slices = data::slices(&data::series(seed));
        slices.push(vec![data::last()]);
        for slice in slices {
            let body = body(Version::V1, &slice).unwrap();
            for url in self.urls() {
                let request = self.client.post(format!("{url}/api/v1/write"));
                let request = request
                    .header("content-encoding", "snappy")
                    .header("content-type", "application/x-protobuf")
                    .header("x-prometheus-remote-write-version", "0.1.0");
                let response = request.body(body.clone()).send().await.unwrap();
                let status = response.status();
                let said = response.text().await.unwrap();
                assert!(status.is_success(), "{url}: {status} {said}");
            }
        }
        // Samples are applied in the order in which they were taken.
        let question = Question::at(data::LAST, data::END);
        let begun = Instant::now();
        for url in self.urls() {
            loop {
                let reply = self.ask(&url, &question).await;
                if reply.body["data"]["result"][0]["value"][1] == "1" {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "{url}: {reply:?}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }

    async fn ask(&self, url: &str, question: &Question) -> Reply {
        let url = format!("{url}/api/v1/{}", question.endpoint());
        let request = self.client.post(url).form(&question.parameters());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        Reply { status, body }
    }

    async fn compare(&self, question: &Question) -> Outcome {
        let [ours, theirs] = self.urls();
        let (ours, theirs) = tokio::join!(self.ask(&ours, question), self.ask(&theirs, question));
        compare::compare(question, &ours, &theirs)
    }
}

/// What came out of all questions.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, usize>,
    explained: BTreeMap<&'static str, usize>,
    differing: Vec<(u64, String)>,
}

impl Tally {
    fn add(&mut self, number: u64, question: &Question, outcome: Outcome) {
        *self.counts.entry(question.endpoint()).or_default() += 1;
        *self.counts.entry(outcome.word()).or_default() += 1;
        match outcome {
            Outcome::Same { .. } => {}
            Outcome::Explained(why) => *self.explained.entry(why).or_default() += 1,
            Outcome::Differs(how) => self.differing.push((number, format!("{question}\n{how}"))),
        }
    }

    fn merge(&mut self, other: Self) {
        for (word, count) in other.counts {
            *self.counts.entry(word).or_default() += count;
        }
        for (why, count) in other.explained {
            *self.explained.entry(why).or_default() += count;
        }
        self.differing.extend(other.differing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_questions_are_answered_as_prometheus_answers_them() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let (queries, seed) = (
        from_env("SONDE_TEST_QUERIES", QUERIES),
        from_env("SONDE_TEST_SEED", SEED),
    );
    let dir = tempfile::tempdir().unwrap();
    let both = Arc::new(Both::start(&program, dir.path()).await);
    both.load(seed).await;
    for one in EXPLAINED {
        for question in one.shown_by {
            let outcome = both.compare(&Question::parsed(question)).await;
            assert!(
                matches!(outcome, Outcome::Explained(why) if why == one.why),
                "{question}: {}: {outcome:?}",
                one.why
            );
        }
    }
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let (both, next) = (both.clone(), next.clone());
        workers.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                if number >= queries {
                    return tally;
                }
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number << 24));
                let question = generate::question(&mut rng);
                let outcome = both.compare(&question).await;
                tally.add(number, &question, outcome);
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(part) = workers.join_next().await {
        tally.merge(part.unwrap());
    }
    tally.differing.sort();
    let (counts, explained) = (&tally.counts, &tally.explained);
    println!(
        "seed {seed}, {queries} questions in {:?}: {counts:?}, explained {explained:?}",
        begun.elapsed()
    );
    let shown = tally.differing.iter().take(SHOWN);
    let shown = shown.map(|(number, how)| format!("{number}: {how}\n"));
    assert!(
        tally.differing.is_empty(),
        "{} of {queries} differ (seed {seed}):\n{}",
        tally.differing.len(),
        shown.collect::<String>()
    );
    // Most have to have something to say.
    let telling = tally.counts.get("telling").copied().unwrap_or_default() as u64;
    let failed = tally.counts.get("failed").copied().unwrap_or_default() as u64;
    assert!(telling > queries / 3, "only {telling} tell something");
    assert!(failed > queries / 20, "only {failed} fail");
    let explained = tally.counts.get("explained").copied().unwrap_or_default() as u64;
    assert!(
        explained < queries / 20 + 10,
        "{explained} are explained away"
    );
    let both = Arc::into_inner(both).expect("no worker is left");
    assert!(both.sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_explained_part_by_part() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    for slice in data::slices(&data::series(SEED)) {
        let request = client().post(sonde.url("/api/v1/write"));
        let request = request
            .header("content-encoding", "snappy")
            .header("content-type", "application/x-protobuf");
        let body = body(Version::V1, &slice).unwrap();
        assert!(
            request
                .body(body)
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
    }
    let query = "sum by (job) (rate(requests_total[5m])) / on (job) limit";
    let (start, end) = (
        (data::BASE / 1000 + 1800).to_string(),
        (data::BASE / 1000 + 3600).to_string(),
    );
    let over = [
        ("query", query),
        ("start", &start),
        ("end", &end),
        ("step", "1m"),
    ];
    let has_all =
        |answer: &Value| answer["series"] == 3 && answer["samples"].as_u64() > Some(3_000);
    let answer = sonde
        .until("/sonde/v1/explain/metrics", &over, has_all)
        .await;
    let parts = list(&answer, "parts");
    let shown: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                part["part"].as_str().unwrap(),
                part["depth"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        (
            "sum by (job) (rate(requests_total[5m])) / on (job) limit",
            0,
        ),
        ("sum by (job) (rate(requests_total[5m]))", 1),
        ("rate(requests_total[5m])", 2),
        ("requests_total[5m]", 3),
        ("limit", 1),
    ];
    assert_eq!(shown, expected);
    let number = |part: usize, name: &str| parts[part][name].as_u64().unwrap();
    assert_eq!(
        (number(3, "series_read"), number(4, "series_read")),
        (27, 3)
    );
    assert_eq!(
        (
            number(0, "series_read"),
            number(0, "series"),
            number(2, "series")
        ),
        (0, 3, 27)
    );
    assert!(number(3, "chunks") >= 27 && number(3, "bytes") > 1_000);
    let read = number(3, "samples") + number(4, "samples");
    assert_eq!(Some(read), answer["samples"].as_u64());
    // The command prints the same as a tree.
    let url = sonde.url("");
    let time = ["--time", &end, "--url", &url];
    let out =
        crate::harness::sonde(&[&["query", "metrics", query, "--explain"], &time[..]].concat())
            .await;
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(
        lines[0].contains("PART") && lines[4].contains("      requests_total[5m]"),
        "{text}"
    );
    let wrong = sonde
        .get("/sonde/v1/explain/metrics", &[("query", "sum(")])
        .await;
    assert!(
        wrong["error"].as_str().unwrap().contains("parse error"),
        "{wrong}"
    );
    assert!(sonde.stop().await.success());
}
