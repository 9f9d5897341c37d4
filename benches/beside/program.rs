//! The programs that are compared, each with a data directory and a port of its own.

use crate::Failure;
use crate::used::{Used, used};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// The longest wait for anything that is not measured by how long it may take.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A program that uses less of a core than this for so long has nothing left to do.
const IDLE_SHARE: f64 = 0.05;
const IDLE_FOR: Duration = Duration::from_secs(2);
const IDLE_WITHIN: Duration = Duration::from_secs(120);

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Sonde,
    Prometheus,
    VictoriaMetrics,
}

/// A running program, killed when dropped.
pub(crate) struct Program {
    which: Which,
    child: Child,
    pid: u32,
    port: u16,
    http: reqwest::Client,
    dir: PathBuf,
    more: Vec<String>,
}

impl Which {
    /// Those that are on this machine, ours first.
    pub(crate) fn all() -> Vec<Self> {
        let all = [Self::Sonde, Self::Prometheus, Self::VictoriaMetrics];
        all.into_iter()
            .filter(|which| which.file().is_some())
            .collect()
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sonde => "sonde",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoria-metrics",
        }
    }

    fn file(self) -> Option<PathBuf> {
        match self {
            Self::Sonde => Some(env!("CARGO_BIN_EXE_sonde").into()),
            _ => in_path(self.name()),
        }
    }

    /// Starts it; `more` are settings of its own.
    pub(crate) async fn start(self, dir: &Path, more: &[&str]) -> Result<Program, Failure> {
        let more = more.iter().map(|&one| one.to_owned()).collect();
        Program::start(self, dir.join(self.name()), more).await
    }
}

/// Where a program is that is installed.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

impl Program {
    async fn start(which: Which, dir: PathBuf, more: Vec<String>) -> Result<Self, Failure> {
        let file = which
            .file()
            .ok_or_else(|| format!("there is no {}; install it", which.name()))?;
        std::fs::create_dir_all(&dir)?;
        let port = free_port()?;
        let mut command = Command::new(file);
        let data = dir.join("data");
        match which {
            Which::Sonde => {
                command.arg("collector").env_remove("SONDE_LOG");
                let settings = [
                    format!("data_dir={}", data.display()),
                    format!("http.listen=127.0.0.1:{port}"),
                    "otlp.grpc.listen=127.0.0.1:0".into(),
                    "otlp.http.listen=127.0.0.1:0".into(),
                    "http.query_seconds_max=300".into(),
                    "metrics.series_max=4000000".into(),
                    "metrics.query_series_max=4000000".into(),
                    "metrics.query_label_bytes_max=4294967296".into(),
                ];
                for setting in settings.iter().chain(&more) {
                    command.args(["--set", setting]);
                }
            }
            Which::Prometheus => {
                let config = dir.join("prometheus.yml");
                std::fs::write(&config, "scrape_configs: []\n")?;
                command
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--storage.tsdb.path={}", data.display()))
                    .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                    .args([
                        "--web.enable-remote-write-receiver",
                        "--web.enable-admin-api",
                    ])
                    .args(&more);
            }
            Which::VictoriaMetrics => {
                command
                    .arg(format!("-storageDataPath={}", data.display()))
                    .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
                    .args(["-retentionPeriod=12", "-search.latencyOffset=0s"])
                    .args(["-search.disableCache", "-maxLabelsPerTimeseries=64"])
                    .args(["-search.maxUniqueTimeseries=4000000"])
                    .args(["-search.maxQueryDuration=300s"])
                    .args(&more);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or("it ended at once")?;
        let mut own = Self {
            which,
            child,
            pid,
            port,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .build()?,
            dir,
            more,
        };
        own.ready().await?;
        Ok(own)
    }

    /// Waits until it answers a question.
    async fn ready(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.ask("vector(1)", last_second()).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                return Err(format!("{} ended: {status}\n{log}", self.name()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} does not answer", self.name()).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(crate) const fn which(&self) -> Which {
        self.which
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.which.name()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn http(&self) -> reqwest::Client {
        self.http.clone()
    }

    pub(crate) fn used(&self) -> Result<Used, Failure> {
        used(self.pid)
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The result of an instant query, by its labels.
    pub(crate) async fn ask(&self, query: &str, at: f64) -> Result<Value, Failure> {
        let parameters = [("query", query.to_owned()), ("time", at.to_string())];
        self.result("/api/v1/query", &parameters).await
    }

    /// The result of a question.
    pub(crate) async fn result(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<Value, Failure> {
        let asked = self.http.get(self.url(path)).query(parameters).send();
        let response = asked.await?;
        let status = response.status();
        let body = response.bytes().await?;
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|_| format!("{status}: {}", String::from_utf8_lossy(&body)))?;
        if answer["status"] != "success" {
            return Err(format!("{}: {status} {}", self.name(), answer["error"]).into());
        }
        Ok(answer["data"]["result"].take())
    }

    /// Waits until it has nothing left to do, and says what it has used until then.
    pub(crate) async fn idle(&self) -> Result<Used, Failure> {
        let begun = Instant::now();
        let mut last = self.used()?;
        loop {
            tokio::time::sleep(IDLE_FOR).await;
            let now = self.used()?;
            let share = (now.cpu_seconds - last.cpu_seconds) / IDLE_FOR.as_secs_f64();
            if share < IDLE_SHARE || begun.elapsed() > IDLE_WITHIN {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Waits until the sum of all that `query` gives at a time is this.
    pub(crate) async fn until(&self, query: &str, at: f64, sum: f64) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let found = self.ask(query, at).await;
            if let Ok(result) = &found
                && result[0]["value"][1].as_str().and_then(|n| n.parse().ok()) == Some(sum)
            {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{}: {query} stays {found:?}", self.name()).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        let mut kill = Command::new("kill");
        let told = kill.arg("-TERM").arg(self.pid.to_string()).status().await?;
        if !told.success() {
            return Err("it had ended before it was told to".into());
        }
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    /// Kills it as a power cut would, and starts it again. When it was started.
    pub(crate) async fn restart(&mut self) -> Result<Instant, Failure> {
        self.child.kill().await?;
        let begun = Instant::now();
        *self = Self::start(self.which, self.dir.clone(), self.more.clone()).await?;
        Ok(begun)
    }
}

fn last_second() -> f64 {
    crate::data::last_time() as f64 / 1e3
}
