//! A process of `sonde` under test, and questions to it.

use serde_json::Value;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// The longest wait for anything. Long, because machines that test are slow; nothing is
/// measured by it. Shorter than the five minutes for which a sample is looked back at.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// What is given up after a time in production is waited for here.
pub(crate) const PATIENT: (&str, &str) = ("http.query_seconds_max", "240");
/// How long one side of a request waits for the other, in the service graph: the programs that
/// send them send when they can.
const SIDES_WAIT: (&str, &str) = ("signals.pending_wait_ms", "3600000");

/// A running `sonde`, killed when dropped.
pub(crate) struct Sonde {
    child: Child,
    addresses: HashMap<String, SocketAddr>,
    log: watch::Receiver<Vec<String>>,
}

/// `--set` arguments.
pub(crate) fn set(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")])
        .collect()
}

/// An address for a door that has to be known before, or again after a kill. Nothing listens
/// on it, and the system gives ports below its range to nobody who does not ask for them: no
/// connection and no other test comes between.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let least = range.ok().and_then(|range| {
        let least = range.split_whitespace().next()?;
        least.parse::<u16>().ok()
    });
    let ports = least.unwrap_or(32_768).saturating_sub(FIRST);
    // Two runs at once begin at different ones.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..ports {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = begin.wrapping_add(next) % u32::from(ports);
        let port = FIRST + u16::try_from(port).expect("less than a number of ports");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
    let any = TcpListener::bind("127.0.0.1:0").unwrap();
    any.local_addr().unwrap()
}

/// The command `sonde` with arguments, run to its end.
pub(crate) async fn sonde(arguments: &[&str]) -> std::process::Output {
    sonde_within(PATIENCE, arguments).await
}

/// The same of one that takes its time.
pub(crate) async fn sonde_within(patience: Duration, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonde"));
    command
        .args(arguments)
        .env_remove("SONDE_LOG")
        .kill_on_drop(true);
    tokio::time::timeout(patience, command.output())
        .await
        .expect("the command ends")
        .unwrap()
}

impl Sonde {
    /// `sonde up` on free ports with its data in `dir`.
    pub(crate) async fn up(dir: &Path, extra: &[(&str, &str)]) -> Self {
        Self::start("up", dir, extra, &["http", "otlp.grpc", "otlp.http"]).await
    }

    /// A subcommand on free ports, once it listens on all of `names`.
    pub(crate) async fn start(
        subcommand: &str,
        dir: &Path,
        extra: &[(&str, &str)],
        names: &[&str],
    ) -> Self {
        let data = dir.join("data");
        let mut all = vec![
            ("data_dir", data.to_str().unwrap()),
            ("http.listen", "127.0.0.1:0"),
            ("otlp.grpc.listen", "127.0.0.1:0"),
            ("otlp.http.listen", "127.0.0.1:0"),
            ("agent.http.listen", "127.0.0.1:0"),
            PATIENT,
            SIDES_WAIT,
        ];
        all.extend(extra);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonde"));
        command
            .arg(subcommand)
            .args(set(&all))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (lines, log) = watch::channel(Vec::new());
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                lines.send_modify(|lines| lines.push(line));
            }
        });
        let mut own = Self {
            child,
            addresses: HashMap::new(),
            log,
        };
        for name in names {
            let line = own.logged(&format!("listening name={name} ")).await;
            let address = line.split("addr=").nth(1).unwrap().trim().parse().unwrap();
            own.addresses.insert((*name).into(), address);
        }
        own
    }

    /// The first line of its log that contains a text, when it is there.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let there = self.log.wait_for(|lines| found(lines).is_some());
        let line = match tokio::time::timeout(PATIENCE, there).await {
            Ok(Ok(lines)) => found(&lines),
            _ => None,
        };
        line.unwrap_or_else(|| panic!("no {text:?} in its log:\n{}", self.log()))
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().join("\n")
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("http"))
    }

    /// Gets JSON.
    pub(crate) async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        get(&self.url(path), parameters)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// Asks until the answer satisfies, and returns it.
    pub(crate) async fn until(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        satisfied: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path, parameters).await;
            if satisfied(&answer) {
                return answer;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{path} {parameters:?} did not come to hold; last:\n{answer:#}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends it a signal, as in `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(pid);
        assert!(kill.status().await.unwrap().success());
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM").await;
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it stops")
            .unwrap()
    }
}

/// Gets JSON; a 404 with JSON is an answer.
pub(crate) async fn get(url: &str, parameters: &[(&str, &str)]) -> Result<Value, reqwest::Error> {
    client()
        .get(url)
        .query(parameters)
        .send()
        .await?
        .json()
        .await
}

/// An HTTP client that ignores proxies.
pub(crate) fn client() -> reqwest::Client {
    // Every test wants one provider; whoever comes first installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// A list in an answer.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}
