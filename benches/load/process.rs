//! The process under load, and what the system knows of it.

use crate::Failure;
use crate::used::{Used, used};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The longest wait for anything that is not measured by how long it may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is asked how far it has come where that time is measured.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long nothing may change until merging counts as done.
pub(crate) const QUIET: Duration = Duration::from_secs(5);
pub(crate) const QUIET_WITHIN: Duration = Duration::from_secs(180);
/// How many lines of its log are kept.
const LOG_LINES_MAX: usize = 1000;

/// A running `sonde collector`, killed when dropped.
pub(crate) struct Sonde {
    child: Child,
    pid: u32,
    http: reqwest::Client,
    addresses: HashMap<&'static str, SocketAddr>,
    log: watch::Receiver<Vec<String>>,
    /// When it was started.
    pub(crate) started: Instant,
    /// How long it took until all its ports accepted.
    pub(crate) listening: Duration,
}

/// How far it has come.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// How many entries are durable, and how many of these are searchable.
    pub(crate) journal_end: u64,
    pub(crate) applied: u64,
    pub(crate) caught_up: bool,
    /// What a crash would replay the journal from.
    pub(crate) resume_from: u64,
    pub(crate) records: u64,
    pub(crate) tail_records: u64,
    pub(crate) segments: u64,
    /// Of the log store's segments.
    pub(crate) stored_bytes: u64,
}

impl Sonde {
    /// Starts one with its data in `dir`, which keeps everything however old it is and
    /// lets questions take long: how long is what is measured.
    pub(crate) async fn start(dir: &Path) -> Result<Self, Failure> {
        let data_dir = format!("data_dir={}", dir.display());
        let settings = [
            &data_dir,
            "http.listen=127.0.0.1:0",
            "otlp.grpc.listen=127.0.0.1:0",
            "otlp.http.listen=127.0.0.1:0",
            "http.query_seconds_max=300",
            "logs.retention_seconds=0",
            "logs.retention_bytes_max=0",
            // The last spans need not wait for two minutes until they are sealed.
            "traces.seal_seconds=10",
        ];
        let built = env!("CARGO_BIN_EXE_sonde").into();
        let program = std::env::var_os("SONDE_BENCH_PROGRAM").unwrap_or(built);
        let mut command = Command::new(program);
        command.arg("collector").env_remove("SONDE_LOG");
        for setting in settings {
            command.args(["--set", setting]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().ok_or("it ended at once")?;
        let stderr = child.stderr.take().ok_or("its log is not piped")?;
        let log = follow(stderr);
        let mut own = Self {
            child,
            pid,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .build()?,
            addresses: HashMap::new(),
            log,
            started,
            listening: Duration::ZERO,
        };
        for name in ["otlp.grpc", "http"] {
            let line = own.logged(&format!("listening name={name} addr=")).await?;
            let address = line.rsplit('=').next().unwrap_or_default().trim();
            own.addresses.insert(name, address.parse()?);
        }
        own.listening = started.elapsed();
        Ok(own)
    }

    async fn logged(&mut self, text: &str) -> Result<String, Failure> {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let there = self.log.wait_for(|lines| found(lines).is_some());
        let line = match tokio::time::timeout(PATIENCE, there).await {
            Ok(Ok(lines)) => found(&lines),
            _ => None,
        };
        line.ok_or_else(|| {
            let log = self.log.borrow().join("\n");
            format!("sonde did not say {text:?}; its log:\n{log}").into()
        })
    }

    /// Where OTLP is taken over gRPC.
    pub(crate) fn grpc(&self) -> SocketAddr {
        self.addresses["otlp.grpc"]
    }

    /// The URL of a path of its API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses["http"])
    }

    pub(crate) fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// What it says of itself.
    pub(crate) async fn said(&self) -> Result<Value, Failure> {
        let asked = self.http.get(self.url("/sonde/v1/status")).send().await?;
        Ok(asked.error_for_status()?.json().await?)
    }

    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        let answer = self.said().await?;
        let number = |room: &str, name: &str| {
            let found = answer.pointer(room).and_then(|room| room[name].as_u64());
            found.ok_or_else(|| format!("its status has no number {name} in {room}"))
        };
        let (journal, store) = ("/journal/logs", "/stores/logs");
        Ok(Status {
            journal_end: number(journal, "end")?,
            applied: number(journal, "applied")?,
            caught_up: answer["journal"]["logs"]["caught_up"] == true,
            resume_from: number(store, "resume_from")?,
            records: number(store, "records")?,
            tail_records: number(store, "tail_records")?,
            segments: number(store, "segments")?,
            stored_bytes: number(store, "bytes")?,
        })
    }

    /// Asks until the status satisfies. Whoever asks often uses processor time of the process.
    pub(crate) async fn until(
        &self,
        look_every: Duration,
        satisfied: impl Fn(&Status) -> bool,
    ) -> Result<Status, Failure> {
        let begun = Instant::now();
        loop {
            let status = self.status().await?;
            if satisfied(&status) {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("it did not come on any further than {status:?}").into());
            }
            tokio::time::sleep(look_every).await;
        }
    }

    /// Waits until all that was acknowledged so far is searchable.
    pub(crate) async fn searchable(&self) -> Result<Status, Failure> {
        let goal = self.status().await?.journal_end;
        self.until(LOOK_EVERY, |status| status.applied >= goal)
            .await
    }

    /// Waits until all of it is sealed.
    pub(crate) async fn sealed(&self) -> Result<Status, Failure> {
        let look_every = QUIET / 20;
        let sealed =
            |status: &Status| status.applied >= status.journal_end && status.tail_records == 0;
        self.until(look_every, sealed).await
    }

    /// Waits until it merges no more. The status where it does not come to rest.
    pub(crate) async fn merged(&self) -> Result<Status, Failure> {
        let begun = Instant::now();
        let mut last = self.sealed().await?;
        let mut since = Instant::now();
        while since.elapsed() < QUIET && begun.elapsed() < QUIET_WITHIN {
            tokio::time::sleep(QUIET / 20).await;
            let status = self.status().await?;
            if (status.segments, status.stored_bytes) != (last.segments, last.stored_bytes) {
                since = Instant::now();
            }
            last = status;
        }
        Ok(last)
    }

    pub(crate) fn used(&self) -> Result<Used, Failure> {
        used(self.pid)
    }

    /// Prints the warnings and errors of its log, if there are any.
    pub(crate) fn complain(&self) {
        let lines = self.log.borrow();
        let serious = |line: &&String| line.contains(" WARN ") || line.contains(" ERROR ");
        let told: Vec<_> = lines.iter().filter(serious).collect();
        if let Some(first) = told.first() {
            println!(
                "{} warnings and errors in its log, as in: {first}",
                told.len()
            );
        }
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<ExitStatus, Failure> {
        let mut kill = Command::new("kill");
        let told = kill.arg("-TERM").arg(self.pid.to_string()).status().await?;
        if !told.success() {
            return Err("it had ended before it was told to".into());
        }
        Ok(tokio::time::timeout(PATIENCE, self.child.wait()).await??)
    }
}

/// Reads a log to its end, in the background.
fn follow(stderr: tokio::process::ChildStderr) -> watch::Receiver<Vec<String>> {
    let (lines, log) = watch::channel(Vec::new());
    let mut stderr = BufReader::new(stderr).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = stderr.next_line().await {
            lines.send_modify(|lines| {
                if lines.len() < LOG_LINES_MAX {
                    lines.push(line);
                }
            });
        }
    });
    log
}

/// How many bytes the files in a directory take on the disk.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            // What was removed since it was listed takes none.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                left.push(entry.path());
            } else {
                bytes += meta.blocks() * 512;
            }
        }
    }
    bytes
}
