//! Nothing is lost and nothing doubled between a log file and the index, whatever dies.

use crate::harness::{PATIENCE, Sonde, free_address, get, list};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILES: usize = 20;
const LINES: usize = 5_000;
/// Before which lines of each file it is rotated.
const ROTATIONS: [usize; 2] = [1_700, 3_400];

/// One container's log, written as kubelet rotates it.
struct Container {
    name: String,
    folder: PathBuf,
    file: BufWriter<File>,
    written: usize,
    /// The time of its first line; each further one is a microsecond later.
    begun: jiff::Timestamp,
}

impl Container {
    fn create(pods: &Path, number: usize) -> Self {
        let name = format!("writer{number:02}");
        let folder = pods
            .join(format!("it_{name}-0_00000000-0000-4000-8000-{number:012}"))
            .join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = BufWriter::new(File::create(folder.join("0.log")).unwrap());
        Self {
            name,
            folder,
            file,
            written: 0,
            begun: jiff::Timestamp::now(),
        }
    }

    fn write_to(&mut self, end: usize) {
        while self.written < end {
            if ROTATIONS.contains(&self.written) {
                self.rotate();
            }
            let at = self.begun + jiff::SignedDuration::from_micros(self.written as i64);
            writeln!(
                self.file,
                "{at:.9} stdout F line {:05} of {}",
                self.written, self.name
            )
            .unwrap();
            self.written += 1;
        }
        self.file.flush().unwrap();
    }

    fn rotate(&mut self) {
        self.file.flush().unwrap();
        let rotated = self
            .folder
            .join(format!("0.log.20260101-{:06}", self.written));
        std::fs::rename(self.folder.join("0.log"), rotated).unwrap();
        self.file = BufWriter::new(File::create(self.folder.join("0.log")).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_rotated_files_is_found_exactly_once_though_both_programs_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pods = dir.path().join("pods");
    let mut containers: Vec<_> = (0..FILES)
        .map(|number| Container::create(&pods, number))
        .collect();
    let grpc = free_address().to_string();
    let endpoint = format!("http://{grpc}");
    let paths = format!("[{}/*/*/*.log]", pods.display());
    let agent_set = [
        ("agent.export.endpoint", endpoint.as_str()),
        ("agent.tail.paths", &paths),
        ("agent.tail.from_beginning", "true"),
        ("agent.node.enabled", "false"),
    ];
    let collector_set = [
        ("otlp.grpc.listen", grpc.as_str()),
        ("logs.seal_interval_ms", "2000"),
    ];
    let collector = || {
        Sonde::start(
            "collector",
            dir.path(),
            &collector_set,
            &["http", "otlp.grpc"],
        )
    };
    let agent = || Sonde::start("agent", dir.path(), &agent_set, &[]);

    let mut running = collector().await;
    let mut tailing = agent().await;
    // Each stage writes a part, waits until some of it has arrived, and then kills.
    for stage in 1..=4 {
        let end = LINES * stage / 5;
        containers
            .iter_mut()
            .for_each(|container| container.write_to(end));
        arrived(&running, FILES * end * 9 / 10).await;
        containers
            .iter_mut()
            .for_each(|container| container.write_to(end + 300));
        if stage == 2 {
            tailing.kill().await;
            tailing = agent().await;
        } else {
            running.kill().await;
            running = collector().await;
        }
    }
    containers
        .iter_mut()
        .for_each(|container| container.write_to(LINES));
    arrived(&running, FILES * LINES).await;

    for container in &containers {
        let query = format!("{{service_name=\"{}\"}}", container.name);
        let parameters = [
            ("query", query.as_str()),
            ("limit", "10000"),
            ("direction", "forward"),
        ];
        let answer = running.get("/sonde/v1/logs", &parameters).await;
        let bodies: Vec<_> = list(&answer, "records")
            .iter()
            .map(|r| r["body"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = (0..LINES)
            .map(|n| format!("line {n:05} of {}", container.name))
            .collect();
        assert_eq!(bodies.len(), LINES, "{}\n{}", container.name, running.log());
        assert_eq!(bodies, expected, "{}", container.name);
    }
    assert!(tailing.stop().await.success());
    assert!(running.stop().await.success());
}

/// Waits until the log store shows at least `records`.
async fn arrived(collector: &Sonde, records: usize) {
    let begun = Instant::now();
    loop {
        let status = get(&collector.url("/sonde/v1/status"), &[]).await.unwrap();
        let stored = status["stores"]["logs"]["records"].as_u64().unwrap_or(0);
        if stored >= records as u64 {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{stored} of {records} arrived\n{status:#}\n{}",
            collector.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
