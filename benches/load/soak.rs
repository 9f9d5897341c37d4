//! Records at a given rate and questions beside them, for a while: whether anything grows,
//! falls behind, or is lost.

use crate::Failure;
use crate::ask::{Question, Shape, ask};
use crate::check;
use crate::corpus::{BODY_BYTES, Corpus, Encoded, RECORDS_PER_REQUEST};
use crate::figures::{Figures, megabytes};
use crate::process::{Sonde, disk_bytes};
use crate::send::{self, Ledger, Load};
use crate::text::needles;
use crate::times::Times;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_millis(250);
const MINUTE_MS: u64 = 60_000;

/// Requests that are due one after the other.
struct Paced {
    corpus: Corpus,
    begun: Instant,
    every: Duration,
}

impl Load for Paced {
    fn encoded(&self, request: u64) -> Encoded {
        self.corpus.encoded(request)
    }

    fn due(&self, request: u64) -> Option<Instant> {
        Some(self.begun + self.every.mul_f64(request as f64))
    }

    fn over(&self) -> Option<Instant> {
        self.due(self.corpus.requests)
    }
}

/// Kinds of questions, asked in turn.
const KINDS: [&str; 6] = [
    "a request ID, over everything",
    "the newest 100",
    "the newest 100 of level=\"error\"",
    "the newest 100 with a word",
    "10 minutes by level, 10 s steps",
    "10 minutes, a word by service, 1 min steps",
];

/// What was measured of a stretch of time.
#[derive(Default)]
struct Stretch {
    of_kind: [Times; KINDS.len()],
    /// How many questions were refused, and what the first was told.
    refused: usize,
    why: Option<String>,
    /// The most acknowledged records that were not searchable at one moment.
    lag_max: u64,
}

/// One run, as those see it who send, ask and look.
struct Soak {
    sonde: Sonde,
    load: Arc<Paced>,
    ledger: Arc<Ledger>,
    /// Since the last line.
    since: Mutex<Stretch>,
    is_over: AtomicBool,
}

pub(crate) async fn run(minutes: f64, rate: f64) -> Result<(), Failure> {
    let every = Duration::from_secs_f64(RECORDS_PER_REQUEST as f64 * BODY_BYTES / rate);
    let requests = (minutes * 60.0 / every.as_secs_f64()).ceil() as u64;
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let sonde = Sonde::start(&data).await?;
    println!(
        "\nsoak: {minutes} minutes at {:.1} MB/s of bodies, a question every {} ms",
        rate / 1e6,
        ASK_EVERY.as_millis()
    );
    let soak = Arc::new(Soak {
        sonde,
        load: Arc::new(Paced {
            corpus: Corpus::from_now(requests, every),
            begun: Instant::now(),
            every,
        }),
        ledger: Arc::default(),
        since: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    let asking = tokio::spawn({
        let soak = Arc::clone(&soak);
        async move { soak.ask().await }
    });
    let looking = tokio::spawn({
        let soak = Arc::clone(&soak);
        async move { soak.look(&data).await }
    });
    let to = soak.sonde.grpc();
    let sent = send::send(to, 0..requests, Arc::clone(&soak.load), &soak.ledger).await;
    let last = Instant::now();
    soak.is_over.store(true, Ordering::Release);
    let lag = soak.sonde.searchable().await.map(|_| last.elapsed());
    asking.await?;
    let whole = looking.await??;
    sent?;
    soak.summary(&whole, lag?).await
}

impl Soak {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Asks one question after the other.
    async fn ask(&self) {
        let needles = needles(1000);
        for turn in 0.. {
            if self.is_over() {
                return;
            }
            let due = Instant::now() + ASK_EVERY;
            let kind = turn % KINDS.len();
            let corpus = &self.load.corpus;
            let sent_until = corpus.begin_ms(self.ledger.first_unsent().max(1));
            let period_ms = (corpus.begin_ms(0), sent_until);
            let question = question(kind, &needles[turn % needles.len()], period_ms);
            let answer = ask(&self.sonde, &question).await;
            self.note(kind, answer.map(|answer| answer.took));
            tokio::time::sleep_until(due.into()).await;
        }
    }

    fn note(&self, kind: usize, asked: Result<Duration, Failure>) {
        let mut since = self.since.lock();
        match asked {
            Ok(took) => since.of_kind[kind].push(took),
            Err(error) => {
                since.refused += 1;
                since.why.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Looks how it goes, and prints a line now and then.
    async fn look(&self, data: &Path) -> Result<Stretch, Failure> {
        println!(
            "{:>6} {:>8} {:>12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            "s",
            "MB/s",
            "lag records",
            "p50 ms",
            "p99 ms",
            "RSS MB",
            "anon MB",
            "disk MB",
            "store MB",
            "segments"
        );
        let mut whole = Stretch::default();
        let (mut printed, mut bytes) = (self.load.begun, 0);
        loop {
            let status = self.sonde.status().await?;
            let behind = status.journal_end.saturating_sub(status.applied);
            let lag = behind * RECORDS_PER_REQUEST;
            let is_over = self.is_over();
            let line = {
                let mut since = self.since.lock();
                since.lag_max = since.lag_max.max(lag);
                let is_due = is_over || printed.elapsed() > LINE_EVERY;
                is_due.then(|| std::mem::take(&mut *since))
            };
            if let Some(since) = line {
                let seconds = printed.elapsed().as_secs_f64();
                let sent = self.ledger.body_bytes();
                let all = since.all();
                let used = self.sonde.used()?;
                println!(
                    "{:>6.0} {:>8.1} {:>12} {:>8.1} {:>8.1} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>9}",
                    self.load.begun.elapsed().as_secs_f64(),
                    megabytes(sent - bytes) / seconds,
                    since.lag_max,
                    all.quantile_ms(0.5),
                    all.quantile_ms(0.99),
                    megabytes(used.rss_bytes),
                    megabytes(used.anonymous_bytes),
                    megabytes(disk_bytes(data)),
                    megabytes(status.stored_bytes),
                    status.segments,
                );
                (printed, bytes) = (Instant::now(), sent);
                whole.add(since);
            }
            if is_over {
                return Ok(whole);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Prints the whole, and checks what is stored.
    async fn summary(&self, whole: &Stretch, lag: Duration) -> Result<(), Failure> {
        let status = self.sonde.merged().await?;
        let used = self.sonde.used()?;
        let took = self.load.begun.elapsed();
        let bodies = self.ledger.body_bytes();
        whole.print();
        let mut figures = Figures::new();
        figures.add("bodies, GB", bodies as f64 / 1e9);
        let (sent, due) = (self.ledger.acknowledged(), self.load.corpus.requests);
        figures.add("requests sent of those due", sent as f64 / due as f64);
        figures.add("requests sent again", self.ledger.retries() as f64);
        let name = "last acknowledgement to searchable, s";
        figures.add(name, lag.as_secs_f64());
        let name = "records acknowledged but not searchable, at most";
        figures.add(name, whole.lag_max as f64);
        let name = "most memory, MB, mapped files included";
        figures.add(name, megabytes(used.rss_peak_bytes));
        let name = "memory at the end, MB, without";
        figures.add(name, megabytes(used.anonymous_bytes));
        let cores = used.cpu_seconds / took.as_secs_f64();
        figures.add("cores in use, merging included", cores);
        figures.add(
            "log store of bodies",
            status.stored_bytes as f64 / bodies as f64,
        );
        figures.add("segments", status.segments as f64);
        figures.print("in all");
        self.sonde.complain();
        let found = check::check(&self.sonde, &self.load.corpus, &self.ledger);
        found.await?.report()
    }
}

/// A question about the time in which records were sent so far.
fn question(kind: usize, needle: &str, all: (u64, u64)) -> Question {
    let recent = (all.0.max(all.1.saturating_sub(10 * MINUTE_MS)), all.1);
    let (query, period_ms, shape) = match kind {
        0 => (format!("{{}} |= `{needle}`"), all, Shape::Newest(100)),
        1 => ("{}".into(), all, Shape::Newest(100)),
        2 => ("{level=\"error\"}".into(), all, Shape::Newest(100)),
        3 => ("{} |= `deadlock`".into(), all, Shape::Newest(100)),
        4 => (
            "sum by (level) (count_over_time({}[10s]))".into(),
            recent,
            Shape::Every(10_000),
        ),
        _ => (
            "sum by (service_name) (count_over_time({} |= `timeout` [1m]))".into(),
            recent,
            Shape::Every(MINUTE_MS),
        ),
    };
    Question {
        query,
        period_ms,
        shape,
    }
}

impl Stretch {
    fn add(&mut self, later: Self) {
        for (all, times) in self.of_kind.iter_mut().zip(&later.of_kind) {
            all.extend(times);
        }
        self.refused += later.refused;
        self.why = self.why.take().or(later.why);
        self.lag_max = self.lag_max.max(later.lag_max);
    }

    fn all(&self) -> Times {
        self.of_kind
            .iter()
            .fold(Times::default(), |mut all, times| {
                all.extend(times);
                all
            })
    }

    fn print(&self) {
        println!(
            "\n{:>10} {:>10} {:>7}  question",
            "p50 ms", "p99 ms", "times"
        );
        for (kind, times) in KINDS.iter().zip(&self.of_kind) {
            println!(
                "{:>10.2} {:>10.2} {:>7}  {kind}",
                times.quantile_ms(0.5),
                times.quantile_ms(0.99),
                times.count(),
            );
        }
        if let Some(why) = &self.why {
            println!("{:>10}  questions refused, as in: {why}", self.refused);
        }
    }
}
