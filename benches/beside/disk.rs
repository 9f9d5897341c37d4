//! How many bytes a sample of a real node takes.

use crate::Failure;
use crate::node::Node;
use crate::program::{Program, Which};
use crate::write::{self, WriteRequest};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// Scrapes the machine's node_exporter every second, sends that to all, and compares what is
/// stored when the samples have left memory.
pub(crate) async fn run(minutes: f64) -> Result<(), Failure> {
    let node = Node::start().await?;
    let dir = tempfile::tempdir()?;
    let mut programs = Vec::new();
    for which in Which::all() {
        let more: &[&str] = match which {
            Which::Sonde => &["metrics.seal_interval_seconds=3600"],
            Which::Prometheus | Which::VictoriaMetrics => &[],
        };
        programs.push(which.start(dir.path(), more).await?);
    }
    println!("disk: this machine's node_exporter every second for {minutes} minutes");
    let (mut samples, mut series) = (0_usize, 0);
    let mut ticks = tokio::time::interval(SCRAPE_EVERY);
    for _ in 0..(minutes * 60.0) as u64 {
        ticks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        let timeseries = node.scrape(now).await?;
        samples += timeseries.len();
        series = timeseries.len();
        let request = WriteRequest { timeseries };
        for program in &programs {
            write::send(program, &request).await?;
        }
    }
    println!("{samples} samples of {series} series");
    for program in programs {
        let name = program.name();
        let bytes = stored(program, dir.path()).await?;
        let per_sample = bytes as f64 / samples as f64;
        println!("{per_sample:>10.3} bytes a sample, {bytes} in all: {name}");
    }
    Ok(())
}

/// The size of all samples where they stay.
async fn stored(mut program: Program, dir: &Path) -> Result<u64, Failure> {
    match program.which() {
        Which::Sonde => {
            // All that is old is sealed at once.
            program.end().await?;
            let sealing = ["metrics.seal_interval_seconds=1"];
            let program = Which::Sonde.start(dir, &sealing).await?;
            loop {
                let asked = program.http().get(program.url("/sonde/v1/status")).send();
                let status: Value = asked.await?.json().await?;
                let store = &status["stores"]["metrics"];
                let left = store["unsealed"].as_u64();
                if left == Some(0) {
                    return store["bytes"]
                        .as_u64()
                        .ok_or_else(|| format!("no size in {store}").into());
                }
                if left.is_none() {
                    return Err(format!("no number of unsealed samples in {store}").into());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Which::Prometheus => {
            let url = program.url("/api/v1/admin/tsdb/snapshot");
            let answer: Value = program.http().post(url).send().await?.json().await?;
            let name = answer["data"]["name"].as_str().ok_or("no snapshot")?;
            Ok(bytes_of(&program.data().join("snapshots").join(name)))
        }
        Which::VictoriaMetrics => {
            // It writes everything when it is told to stop.
            program.end().await?;
            Ok(bytes_of(&program.data().join("data")) + bytes_of(&program.data().join("indexdb")))
        }
    }
}

/// The length of all files in a directory.
pub(crate) fn bytes_of(dir: &Path) -> u64 {
    let (mut bytes, mut left) = (0, vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            // What was removed since it was listed takes none.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                left.push(entry.path());
            } else {
                bytes += meta.len();
            }
        }
    }
    bytes
}
