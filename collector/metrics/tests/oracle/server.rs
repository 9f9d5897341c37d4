//! A Prometheus of our own for the length of a test.
//!
//! A histogram in an answer becomes a series for each of its numbers, told apart by a label
//! `part`: `count`, `sum`, and of each bucket which bounds are in it and both bounds.

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
        load(programs, &input, &data);
        Self::start_on(programs, &config, &data, &[])
    }

    /// Starts an empty server that takes native histograms by remote write.
    pub(crate) fn start_to_be_written(programs: &Programs, dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let config = dir.join("config.yml");
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        let args = [
            "--enable-feature=native-histograms",
            "--web.enable-remote-write-receiver",
        ];
        Self::start_on(programs, &config, &dir.join("data"), &args)
    }

    /// Sends a request of remote write 1.0.
    pub(crate) fn write(&self, body: &[u8]) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /api/v1/write HTTP/1.0\r\nHost: {}\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let status = response.split_whitespace().nth(1);
        assert_eq!(status, Some("204"), "{response}");
    }

    fn start_on(programs: &Programs, config: &Path, data: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(&programs.prometheus)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--web.listen-address=127.0.0.1:0",
            ])
            .args(args)
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

fn load(programs: &Programs, input: &Path, data: &Path) {
    let load = Command::new(&programs.promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([input, data])
        .output()
        .unwrap();
    assert!(
        load.status.success(),
        "promtool: {}",
        String::from_utf8_lossy(&load.stderr)
    );
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
    let mut answer = Answer::new();
    for one in result.as_array().into_iter().flatten() {
        let labels: BTreeMap<String, String> =
            serde_json::from_value(one["metric"].clone()).unwrap();
        let all = |many: &str, single: &str| match (one.get(many), one.get(single)) {
            (Some(many), _) => many.as_array().unwrap().clone(),
            (None, single) => single.into_iter().cloned().collect(),
        };
        let values: Vec<_> = all("values", "value").iter().map(sample).collect();
        if !values.is_empty() {
            answer.insert(labels.clone(), values);
        }
        for pair in all("histograms", "histogram") {
            let time = millis(&pair[0]);
            let number = |value: &serde_json::Value| value.as_str().unwrap().parse().unwrap();
            let buckets = pair[1]["buckets"].as_array().into_iter().flatten();
            let buckets = buckets.map(|bucket| {
                let rule = bucket[0].as_u64().unwrap() as u8;
                (rule, [1, 2, 3].map(|at| number(&bucket[at])))
            });
            let totals = ["count", "sum"].map(|total| number(&pair[1][total]));
            put_histogram(&mut answer, &labels, time, totals, buckets);
        }
    }
    answer
}

/// Adds the numbers of a histogram: count and sum, and of each bucket which bounds are in it,
/// the bounds, and the count.
pub(crate) fn put_histogram(
    answer: &mut Answer,
    labels: &BTreeMap<String, String>,
    time: i64,
    [count, sum]: [f64; 2],
    buckets: impl Iterator<Item = (u8, [f64; 3])>,
) {
    let buckets = buckets
        .map(|(rule, [lower, upper, count])| (format!("{rule} {lower:.6e} {upper:.6e}"), count));
    let totals = [("count".to_owned(), count), ("sum".to_owned(), sum)];
    for (part, value) in totals.into_iter().chain(buckets) {
        let mut labels = labels.clone();
        labels.insert("part".to_owned(), part);
        answer.entry(labels).or_default().push((time, value));
    }
}

fn millis(seconds: &serde_json::Value) -> i64 {
    (seconds.as_f64().unwrap() * 1e3).round() as i64
}

fn sample(pair: &serde_json::Value) -> (i64, f64) {
    (millis(&pair[0]), pair[1].as_str().unwrap().parse().unwrap())
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
