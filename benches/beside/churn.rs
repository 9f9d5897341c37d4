//! Series that come and go, as they do where programs are deployed all day: whether memory
//! grows with those that are gone, and whether every sample is there in the end.

use crate::Failure;
use crate::data::{Host, SERIES_PER_HOST, Size};
use crate::figures::{Figures, megabytes};
use crate::program::{Program, Which};
use crate::times::Times;
use crate::write::{self, Label, Sample, TimeSeries, WriteRequest};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SCRAPE_EVERY: Duration = Duration::from_secs(5);
/// How many parts of the hosts are there: each minute the oldest is replaced.
const PARTS: usize = 10;
const REPLACE_EVERY: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Short, so that in ten minutes series leave memory as they do in days.
const SEAL: &str = "metrics.seal_interval_seconds=60";
/// Prometheus' marker for a series that ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Questions, asked in turn.
const QUESTIONS: [&str; 4] = [
    "sum by (mode) (rate(node_cpu_seconds_total[1m]))",
    "topk(5, rate(http_requests_total[1m]))",
    "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))",
    r#"node_load1{instance="host-00007:9100"}"#,
];

/// One host, and the labels of its series as they are sent.
struct Live {
    host: Host,
    labels: Vec<Vec<Label>>,
}

/// The hosts that there are, the oldest first.
struct Fleet {
    live: VecDeque<Live>,
    /// The number of the next to come.
    next: usize,
    /// Samples that no marker is, so far.
    samples: u64,
}

/// What was measured since the last line.
#[derive(Default)]
struct Since {
    asked: Times,
    refused: usize,
}

/// Replaces a tenth of the series every minute for so long.
pub(crate) async fn run(minutes: f64, size: Size) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let program = Which::Sonde.start(dir.path(), &[SEAL]).await?;
    let mut fleet = Fleet::new(size.hosts());
    println!(
        "churn: {} series every {} s for {minutes} minutes, a tenth of them replaced every minute; {SEAL}",
        size.hosts() * SERIES_PER_HOST,
        SCRAPE_EVERY.as_secs(),
    );
    let (since, is_over) = (Mutex::new(Since::default()), AtomicBool::new(false));
    let begun = Instant::now();
    let sending = async {
        let sent = fleet.send_for(&program, minutes * 60.0).await;
        is_over.store(true, Ordering::Release);
        sent
    };
    let (last, (), looked) = tokio::join!(
        sending,
        ask(&program, &since, &is_over),
        look(&program, &since, &is_over, begun),
    );
    let (last, asked) = (last?, looked?);
    let all = begun.elapsed().as_secs() + 60;
    let (now, live) = (last as f64 / 1e3, fleet.live.len() * SERIES_PER_HOST);
    // What was acknowledged last is seen last.
    let up = r#"count(up{instance=~"host-.+"})"#;
    program.until(up, now, fleet.live.len() as f64).await?;
    // A name at a time: there are more series than one question may read.
    let (mut samples, mut series, mut there) = (0.0, 0.0, 0.0);
    for name in fleet.names() {
        let every = format!(r#"{name}{{instance=~"host-.+"}}"#);
        samples += number(
            &program,
            &format!("sum(count_over_time({every}[{all}s]))"),
            now,
        )
        .await?;
        series += number(
            &program,
            &format!("count(count_over_time({every}[{all}s]))"),
            now,
        )
        .await?;
        there += number(&program, &format!("count({every})"), now).await?;
    }
    let ever = (fleet.next * SERIES_PER_HOST) as f64;
    if (samples, series, there) != (fleet.samples as f64, ever, live as f64) {
        return Err(format!(
            "{samples} samples of {series} series, {there} at the end, are there of {} of {ever}, {live}",
            fleet.samples
        )
        .into());
    }
    let used = program.used()?;
    let mut figures = Figures::new();
    figures.add("M samples, each found", fleet.samples as f64 / 1e6);
    figures.add("series at once", live as f64);
    figures.add("series ever", ever);
    let cores = used.cpu_seconds / begun.elapsed().as_secs_f64();
    figures.add("cores in use", cores);
    figures.add("questions", asked.count() as f64);
    figures.add("p50 of an answer, ms", asked.quantile_ms(0.5));
    figures.add("p99 of an answer, ms", asked.quantile_ms(0.99));
    figures.add("MB resident at most", megabytes(used.rss_peak_bytes));
    figures.print("in all");
    Ok(())
}

impl Fleet {
    fn new(hosts: usize) -> Self {
        let mut own = Self {
            live: VecDeque::new(),
            next: 0,
            samples: 0,
        };
        own.add(hosts);
        own
    }

    /// The names of the metrics that each host has.
    fn names(&self) -> BTreeSet<&str> {
        let series = self.live.iter().take(1).flat_map(|live| &live.labels);
        let names = series.flatten().filter(|label| label.name == "__name__");
        names.map(|label| label.value.as_str()).collect()
    }

    fn add(&mut self, hosts: usize) {
        for _ in 0..hosts {
            let host = Host::new(self.next);
            let labels = write::labels_of(&host);
            self.live.push_back(Live { host, labels });
            self.next += 1;
        }
    }

    /// Scrapes all hosts again and again. The time of the last samples.
    async fn send_for(&mut self, program: &Program, seconds: f64) -> Result<i64, Failure> {
        let begun = Instant::now();
        let (mut ticks, mut replaced) = (tokio::time::interval(SCRAPE_EVERY), 0);
        let mut last = 0;
        while begun.elapsed().as_secs_f64() < seconds {
            ticks.tick().await;
            let mut ended = Vec::new();
            let minutes = begun.elapsed().as_secs() / REPLACE_EVERY.as_secs();
            while replaced < minutes {
                let part = self.live.len().div_ceil(PARTS);
                ended.extend(self.live.drain(..part));
                self.add(part);
                replaced += 1;
            }
            last = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
            self.scrape(program, &ended, last).await?;
        }
        Ok(last)
    }

    /// Sends a sample of each series, and a marker for each that ended.
    async fn scrape(
        &mut self,
        program: &Program,
        ended: &[Live],
        timestamp: i64,
    ) -> Result<(), Failure> {
        let (mut requests, mut values) = (vec![WriteRequest::default()], Vec::new());
        let mut push = |labels: &Vec<Label>, value| {
            if let Some(request) = requests.last_mut() {
                request.timeseries.push(TimeSeries {
                    labels: labels.clone(),
                    samples: vec![Sample { value, timestamp }],
                });
                if request.timeseries.len() == write::SAMPLES_PER_REQUEST {
                    requests.push(WriteRequest::default());
                }
            }
        };
        for labels in ended.iter().flat_map(|live| &live.labels) {
            push(labels, f64::from_bits(STALE));
        }
        for live in &mut self.live {
            live.host.step(&mut values);
            for (labels, value) in live.labels.iter().zip(&values) {
                push(labels, *value);
                self.samples += 1;
            }
        }
        stream::iter(&requests)
            .map(|request| write::send(program, request))
            .buffer_unordered(write::SENDERS)
            .try_collect()
            .await
    }
}

/// The one number that a question is answered with.
async fn number(program: &Program, question: &str, at: f64) -> Result<f64, Failure> {
    let answer = program.ask(question, at).await?;
    let text = answer[0]["value"][1].as_str().unwrap_or("0");
    Ok(text.parse()?)
}

/// Asks one question after the other.
async fn ask(program: &Program, since: &Mutex<Since>, is_over: &AtomicBool) {
    for question in QUESTIONS.iter().cycle() {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let begun = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        let answer = program.ask(question, now).await;
        {
            let mut since = since.lock();
            since.asked.push(begun.elapsed());
            since.refused += usize::from(answer.is_err());
        }
        tokio::time::sleep_until((begun + ASK_EVERY).into()).await;
    }
}

/// Prints a line now and then.
async fn look(
    program: &Program,
    since: &Mutex<Since>,
    is_over: &AtomicBool,
    begun: Instant,
) -> Result<Times, Failure> {
    println!(
        "{:>6} {:>10} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "s",
        "in memory",
        "unsealed",
        "segments",
        "p50 ms",
        "p99 ms",
        "refused",
        "RSS MB",
        "anon MB"
    );
    let (mut due, mut whole) = (begun, Times::default());
    while !is_over.load(Ordering::Acquire) {
        if Instant::now() < due {
            tokio::time::sleep(ASK_EVERY).await;
            continue;
        }
        due += LINE_EVERY;
        let asked = program.http().get(program.url("/sonde/v1/status")).send();
        let status: Value = asked.await?.error_for_status()?.json().await?;
        let store = &status["stores"]["metrics"];
        let number = |name: &str| {
            let found = store[name].as_u64();
            found.ok_or_else(|| format!("its status has no number {name} in {store}"))
        };
        let (used, since) = (program.used()?, std::mem::take(&mut *since.lock()));
        whole.extend(&since.asked);
        println!(
            "{:>6.0} {:>10} {:>11} {:>9} {:>8.1} {:>8.1} {:>8} {:>8.0} {:>8.0}",
            begun.elapsed().as_secs_f64(),
            number("series")?,
            number("unsealed")?,
            number("segments")?,
            since.asked.quantile_ms(0.5),
            since.asked.quantile_ms(0.99),
            since.refused,
            megabytes(used.rss_bytes),
            megabytes(used.anonymous_bytes),
        );
    }
    Ok(whole)
}
