//! What it costs to take samples in.

use crate::Failure;
use crate::data::{self, Size};
use crate::figures::{Figures, megabytes};
use crate::program::Which;
use crate::write;
use std::time::Instant;

/// Sends everything to one program after the other.
pub(crate) async fn run(size: Size) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let last = data::last_time();
    let samples = size.samples() as f64;
    println!(
        "ingest: {} series, {} samples each, by remote write",
        size.hosts() * data::SERIES_PER_HOST,
        size.steps
    );
    let mut per_second = Vec::new();
    for which in Which::all() {
        let program = which.start(dir.path(), &[]).await?;
        let before = program.used()?.cpu_seconds;
        let begun = Instant::now();
        write::send_all(&program, size, last).await?;
        let acknowledged = begun.elapsed().as_secs_f64();
        let every = r#"count({__name__=~".+",instance=~"host-.+"})"#;
        let series = (size.hosts() * data::SERIES_PER_HOST) as f64;
        program.until(every, last as f64 / 1e3, series).await?;
        let used = program.idle().await?;
        let seconds = used.cpu_seconds - before;
        per_second.push((which, samples / seconds));
        let mut figures = Figures::new();
        figures.add("M samples/s by the clock", samples / acknowledged / 1e6);
        figures.add_beside(
            "M samples per processor second, until it was idle",
            samples / seconds / 1e6,
            if which == Which::Sonde { ">= 1" } else { "" },
        );
        figures.add("MB resident then", megabytes(used.rss_bytes));
        figures.add("MB of it anonymous", megabytes(used.anonymous_bytes));
        figures.add("MB resident at most", megabytes(used.rss_peak_bytes));
        let disk = crate::disk::bytes_of(&program.data());
        figures.add("MB on disk, journal included", megabytes(disk));
        figures.print(program.name());
    }
    let ours = per_second[0].1;
    for (which, theirs) in &per_second[1..] {
        println!(
            "samples per processor second: {:.2} times {}",
            ours / theirs,
            which.name()
        );
    }
    Ok(())
}
