//! A few values beside those of node_exporter on this machine. It is found by the key
//! `NODE_EXPORTER`, in the environment or in what `tests/setup` has installed.

use super::*;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program() -> Option<String> {
    const KEY: &str = "NODE_EXPORTER";
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools/env");
    let from_file = || {
        let text = std::fs::read_to_string(installed).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(KEY));
        Some(line?.strip_prefix('=')?.trim().to_owned())
    };
    let path = std::env::var(KEY).ok().or_else(from_file);
    if path.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{KEY} is not set: run tests/setup"
        );
        println!("skipped: {KEY} is not set; tests/setup installs it");
    }
    path
}

/// Starts it on a free port; gives what it shows.
fn scrape(program: &str) -> String {
    let child = Command::new(program)
        .args([
            "--web.listen-address=127.0.0.1:0",
            "--collector.disable-defaults",
        ])
        .args(["--collector.cpu", "--collector.meminfo", "--collector.stat"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut exporter = Exporter(child);
    // Its log is held open to the end: it would die of a closed one.
    let mut log = BufReader::new(exporter.0.stderr.take().unwrap()).lines();
    let address = log.by_ref().map_while(Result::ok).find_map(|line| {
        let at = line.find("127.0.0.1:")?;
        let rest = &line[at..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        let address = &rest[..end.unwrap_or(rest.len())];
        (!address.ends_with(":0")).then(|| address.to_owned())
    });
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn node_exporter_says_the_same() {
    let Some(program) = program() else { return };
    let theirs = scrape(&program);
    let sum = |start: &str| -> f64 {
        let lines = theirs.lines().filter(|line| line.starts_with(start));
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    let mut node = node(Path::new("/"), &[Collector::Filesystem]);
    let now = sonde_proto::SystemClock.now();
    let ours = node.sample(now).into_metrics();
    assert_eq!(
        total(&ours, "system.memory.limit", ""),
        sum("node_memory_MemTotal_bytes")
    );
    let boot = node.boot(now).as_secs_f64();
    assert!((boot - sum("node_boot_time_seconds ")).abs() <= 1.0);
    let processors = theirs
        .lines()
        .filter(|l| l.starts_with("node_cpu_seconds_total") && l.contains("mode=\"idle\""));
    assert_eq!(
        total(&ours, "system.cpu.logical.count", ""),
        processors.count() as f64
    );
    let (ours, theirs) = (
        total(&ours, "system.cpu.time", ""),
        sum("node_cpu_seconds_total"),
    );
    assert!(
        (ours - theirs).abs() < theirs * 0.01 + 60.0,
        "{ours} {theirs}"
    );
    assert!(ours > 0.0);
}
