//! A Prometheus of our own for the length of a test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Series and their samples, times in milliseconds.
pub(crate) type Answer = BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>;

/// Where the programs are.
pub(crate) struct Programs {
    prometheus: PathBuf,
    promtool: PathBuf,
}

/// A running server, killed when dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
}

/// Looks for the programs.
pub(crate) fn find() -> Option<Programs> {
    let set_up = || {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
            PathBuf::from,
        );
        let known = std::fs::read_to_string(target.join("test-tools/env")).ok()?;
        let line = |line: &str| line.strip_prefix("PROMETHEUS=").map(PathBuf::from);
        known.lines().find_map(line).filter(|file| file.is_file())
    };
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|dir| dir.join("prometheus"))
            .find(|file| file.is_file())
    };
    let prometheus = std::env::var_os("SONDE_TEST_PROMETHEUS")
        .map(PathBuf::from)
        .or_else(set_up)
        .or_else(in_path)?;
    let promtool = prometheus.with_file_name("promtool");
    Some(Programs {
        prometheus,
        promtool,
    })
}

impl Prometheus {
    /// Loads samples and starts a server on a port of the kernel's choice.
    pub(crate) fn start(programs: &Programs, dir: &Path, open_metrics: &str) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let (input, config, data) = (
            dir.join("samples.txt"),
            dir.join("config.yml"),
            dir.join("data"),
        );
        std::fs::write(&input, open_metrics).unwrap();
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        let load = Command::new(&programs.promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&input, &data])
            .output()
            .unwrap();
        assert!(
            load.status.success(),
            "promtool: {}",
            String::from_utf8_lossy(&load.stderr)
        );
        let mut child = Command::new(&programs.prometheus)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--web.listen-address=127.0.0.1:0",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let address = wait_until_ready(&mut child);
        Self { child, address }
    }

    pub(crate) fn range(
        &self,
        expr: &str,
        start: i64,
        end: i64,
        step: i64,
    ) -> Result<Answer, String> {
        self.ask(&format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={}",
            escape(expr),
            seconds(start),
            seconds(end),
            seconds(step)
        ))
    }

    pub(crate) fn instant(&self, expr: &str, time: i64) -> Result<Answer, String> {
        self.ask(&format!(
            "/api/v1/query?query={}&time={}",
            escape(expr),
            seconds(time)
        ))
    }

    /// The labels of an answer in its order.
    pub(crate) fn order(&self, expr: &str, time: i64) -> Vec<BTreeMap<String, String>> {
        let (expr, time) = (escape(expr), seconds(time));
        let data = self.data(&format!("/api/v1/query?query={expr}&time={time}"));
        let data = data.unwrap();
        let series = data["result"].as_array().unwrap().iter();
        series
            .map(|one| serde_json::from_value(one["metric"].clone()).unwrap())
            .collect()
    }

    /// The expression as it is written there.
    pub(crate) fn format(&self, expr: &str) -> Result<String, String> {
        let data = self.data(&format!("/api/v1/format_query?query={}", escape(expr)))?;
        Ok(data.as_str().unwrap().to_owned())
    }

    fn ask(&self, path: &str) -> Result<Answer, String> {
        self.data(path).map(|data| read(&data))
    }

    fn data(&self, path: &str) -> Result<serde_json::Value, String> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        if body["status"] != "success" {
            return Err(body["error"].as_str().unwrap().to_owned());
        }
        Ok(body["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log until the server says that it is ready, and goes on draining it.
fn wait_until_ready(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Where it listens and that it is ready: either may be said first.
    let (mut address, mut is_ready) = (None, false);
    let mut log = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.contains("Listening on") {
            let rest = line.split("address=").nth(1).unwrap();
            address = Some(
                rest.trim_matches('"')
                    .split_whitespace()
                    .next()
                    .unwrap()
                    .to_owned(),
            );
        }
        is_ready |= line.contains("Server is ready");
        log.push_str(&line);
        log.push('\n');
        if let (Some(address), true) = (&address, is_ready) {
            let address = address.clone();
            std::thread::spawn(move || lines.for_each(drop));
            return address;
        }
    }
    panic!("prometheus did not start:\n{log}");
}

fn read(data: &serde_json::Value) -> Answer {
    let result = &data["result"];
    if data["resultType"] == "scalar" {
        return BTreeMap::from([(BTreeMap::new(), vec![sample(result)])]);
    }
    if data["resultType"] == "string" {
        return Answer::new();
    }
    let series = |s: &serde_json::Value| {
        let labels = serde_json::from_value(s["metric"].clone()).unwrap();
        let samples = match s.get("values") {
            Some(values) => values.as_array().unwrap().iter().map(sample).collect(),
            None => vec![sample(&s["value"])],
        };
        (labels, samples)
    };
    result
        .as_array()
        .map(|all| all.iter().map(series).collect())
        .unwrap_or_default()
}

fn sample(pair: &serde_json::Value) -> (i64, f64) {
    let time = (pair[0].as_f64().unwrap() * 1e3).round() as i64;
    (time, pair[1].as_str().unwrap().parse().unwrap())
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
