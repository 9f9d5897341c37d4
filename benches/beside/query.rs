//! How soon typical questions are answered, and that the answers are Prometheus'.

use crate::Failure;
use crate::data::{self, STEP, Size};
use crate::program::{Program, Which};
use crate::write::{self, Door};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often each is asked, and for how long at most.
const ROUNDS: usize = 15;
const PATIENCE: Duration = Duration::from_secs(10);
/// How far two answers may be apart, relative to the larger: sums in another order.
const TOLERANCE: f64 = 1e-9;
/// Away from all samples, so that it does not matter whose ranges include their start.
const OFF: i64 = 1_123;

/// What is asked for.
#[derive(Clone, Copy)]
enum Over {
    Now,
    /// The last so many minutes, in steps of so many seconds.
    Minutes(i64, i64),
}

use Over::{Minutes, Now};

/// As dashboards and rules ask; `H` is one host, `T` some ten.
const QUESTIONS: [(&str, Over); 26] = [
    (r#"up{instance="H"}"#, Now),
    (
        r#"rate(http_requests_total{instance="H",handler="/login",code="200"}[5m])"#,
        Now,
    ),
    (r#"node_load1{instance="H"}"#, Minutes(60, 15)),
    (
        r#"rate(node_context_switches_total{instance="H"}[5m])"#,
        Minutes(60, 15),
    ),
    (
        r#"sum by (mode) (rate(node_cpu_seconds_total{instance="H"}[5m]))"#,
        Minutes(60, 15),
    ),
    (
        r#"1 - avg(rate(node_cpu_seconds_total{instance="H",mode="idle"}[5m]))"#,
        Minutes(60, 60),
    ),
    (
        r#"node_memory_MemAvailable_bytes{instance=~"T"} / node_memory_MemTotal_bytes{instance=~"T"}"#,
        Minutes(60, 60),
    ),
    (
        r#"histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{instance="H"}[5m])))"#,
        Minutes(60, 60),
    ),
    ("up", Now),
    ("count(up == 1)", Now),
    ("node_load1", Minutes(60, 60)),
    ("max_over_time(node_load1[10m])", Minutes(60, 60)),
    ("topk(5, node_load1)", Now),
    (
        "topk(5, rate(node_context_switches_total[5m]))",
        Minutes(60, 60),
    ),
    (
        "sum by (code) (rate(http_requests_total[5m]))",
        Minutes(60, 60),
    ),
    (
        r#"sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))"#,
        Minutes(60, 60),
    ),
    (
        "histogram_quantile(0.9, sum by (handler, le) (rate(http_request_duration_seconds_bucket[5m])))",
        Minutes(60, 60),
    ),
    (
        "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        Now,
    ),
    (
        "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[5m]))",
        Now,
    ),
    (
        "sum by (mode) (rate(node_cpu_seconds_total[5m]))",
        Minutes(60, 60),
    ),
    (
        "avg by (instance) (irate(node_cpu_seconds_total{mode=\"user\"}[5m]))",
        Minutes(60, 60),
    ),
    (
        "sum by (device) (increase(node_disk_reads_completed_total[1h]))",
        Now,
    ),
    (
        "http_requests_total / on (instance, handler) group_left http_request_duration_seconds_count",
        Now,
    ),
    (
        "max_over_time(sum(rate(http_requests_total[5m]))[30m:1m])",
        Now,
    ),
    (
        "quantile_over_time(0.95, node_load1[30m])",
        Minutes(60, 120),
    ),
    (r#"count({__name__=~".+",job="node"})"#, Now),
];

pub(crate) async fn run(size: Size) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let last = data::last_time();
    println!(
        "\nquery: {} series, {} samples each; p50 in ms of {ROUNDS} in turns",
        size.hosts() * data::SERIES_PER_HOST,
        size.steps
    );
    let mut programs = Vec::new();
    for which in Which::all() {
        let program = which.start(dir.path(), &[]).await?;
        Door::RemoteWrite.send_all(&program, size, last).await?;
        write::until_all(&program, size, last).await?;
        program.idle().await?;
        programs.push(program);
    }
    for program in &programs {
        print!("{:>17}", program.name());
    }
    println!("{:>8}  question", "times");
    let mut ratios = Vec::new();
    for (query, over) in QUESTIONS {
        let host = size.hosts() / 2;
        let some: Vec<_> = (host..size.hosts().min(host + 10))
            .map(|n| format!("host-{n:05}:9100"))
            .collect();
        let query = query
            .replace("\"H\"", &format!("\"host-{host:05}:9100\""))
            .replace("\"T\"", &format!("\"{}\"", some.join("|")));
        let times = ask_in_turns(&programs, &query, over, last).await?;
        let medians: Vec<_> = times.into_iter().map(median_ms).collect();
        for median in &medians {
            print!("{median:>17.2}");
        }
        let ratio = medians[1] / medians[0];
        ratios.push(ratio);
        let text = match over {
            Now => query,
            Minutes(minutes, step) => format!("{query} over {minutes}m every {step}s"),
        };
        println!(
            "{ratio:>8.2}  {}",
            text.chars().take(110).collect::<String>()
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "prometheus takes {:.2} times as long at the least, {:.2} in the median, {:.2} at the most; budget: above 1 on every one, 2 in the median",
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1]
    );
    for program in &programs {
        let used = program.used()?;
        println!(
            "{:>10.1} MB resident: {}",
            used.rss_bytes as f64 / 1e6,
            program.name()
        );
    }
    Ok(())
}

/// One after the other, so that what else the machine does hits all alike.
async fn ask_in_turns(
    programs: &[Program],
    query: &str,
    over: Over,
    last: i64,
) -> Result<Vec<Vec<Duration>>, Failure> {
    let mut times = vec![Vec::new(); programs.len()];
    let begun = Instant::now();
    // The first round warms and is compared.
    let mut answers = Vec::new();
    for program in programs {
        answers.push(ask(program, query, over, last).await?.1);
    }
    if programs.len() > 1 && programs[1].which() == Which::Prometheus {
        let (ours, theirs) = (points(&answers[0]), points(&answers[1]));
        same(&ours, &theirs).map_err(|why| format!("{query}: {why}"))?;
    }
    for round in 0..ROUNDS {
        if round > 2 && begun.elapsed() > PATIENCE {
            break;
        }
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(ask(program, query, over, last).await?.0);
        }
    }
    Ok(times)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2);
    middle.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

async fn ask(
    program: &Program,
    query: &str,
    over: Over,
    last: i64,
) -> Result<(Duration, Value), Failure> {
    let seconds = |at: i64| (at as f64 / 1e3).to_string();
    let end = last - 2 * STEP + OFF;
    let begun = Instant::now();
    let answer = match over {
        Now => program.ask(query, end as f64 / 1e3).await?,
        Minutes(minutes, step) => {
            let parameters = [
                ("query", query.to_owned()),
                ("start", seconds(end - minutes * 60_000)),
                ("end", seconds(end)),
                ("step", step.to_string()),
            ];
            program.result("/api/v1/query_range", &parameters).await?
        }
    };
    Ok((begun.elapsed(), answer))
}

/// By labels and time.
fn points(result: &Value) -> BTreeMap<(String, String), f64> {
    let mut points = BTreeMap::new();
    for series in result.as_array().into_iter().flatten() {
        let labels = series["metric"].to_string();
        let one = std::slice::from_ref(&series["value"]);
        let values = series["values"].as_array().map_or(one, Vec::as_slice);
        for value in values {
            let number = value[1].as_str().and_then(|text| text.parse().ok());
            let key = (labels.clone(), value[0].to_string());
            points.insert(key, number.unwrap_or(f64::NAN));
        }
    }
    points
}

fn same(
    ours: &BTreeMap<(String, String), f64>,
    theirs: &BTreeMap<(String, String), f64>,
) -> Result<(), String> {
    if theirs.is_empty() || ours.len() != theirs.len() {
        let (ours, theirs) = (ours.len(), theirs.len());
        return Err(format!("{ours} points, prometheus has {theirs}"));
    }
    for (key, theirs) in theirs {
        let Some(ours) = ours.get(key) else {
            return Err(format!("{key:?} is missing"));
        };
        let apart = (ours - theirs).abs();
        let is_same =
            apart <= TOLERANCE * ours.abs().max(theirs.abs()) || ours.is_nan() && theirs.is_nan();
        if !is_same {
            return Err(format!("{key:?} is {ours}, prometheus has {theirs}"));
        }
    }
    Ok(())
}
