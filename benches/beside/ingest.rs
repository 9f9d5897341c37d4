//! What it costs to take samples in.

use crate::Failure;
use crate::data::{self, Size};
use crate::figures::{Figures, megabytes};
use crate::program::Which;
use crate::write::{self, Door};
use std::time::Instant;

/// Sends everything to one program after the other.
pub(crate) async fn run(size: Size) -> Result<(), Failure> {
    let last = data::last_time();
    let samples = size.samples() as f64;
    println!(
        "ingest: {} series, {} samples each, by remote write where it is not said",
        size.hosts() * data::SERIES_PER_HOST,
        size.steps
    );
    let mut per_second = Vec::new();
    for (which, door) in Door::all() {
        let dir = tempfile::tempdir()?;
        let program = which.start(dir.path(), &[]).await?;
        let before = program.used()?.cpu_seconds;
        let begun = Instant::now();
        door.send_all(&program, size, last).await?;
        let there = begun.elapsed().as_secs_f64();
        let used = program.idle().await?;
        let seconds = used.cpu_seconds - before;
        per_second.push((door.title(which), samples / seconds));
        let mut figures = Figures::new();
        figures.add(
            "M samples/s by the clock, until they can be found",
            samples / there / 1e6,
        );
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
        figures.print(&door.title(which));
        write::until_all(&program, size, last).await?;
    }
    let ours = per_second[0].1;
    for (title, theirs) in &per_second[1..] {
        println!(
            "samples per processor second: {:.2} times {title}",
            ours / theirs
        );
    }
    Ok(())
}
