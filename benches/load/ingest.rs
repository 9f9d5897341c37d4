//! How fast records are acknowledged and searchable, and what that costs; few streams against
//! many; beside a plain file that is synced for each request.

use crate::Failure;
use crate::check;
use crate::corpus::{Corpus, Encoded, Kind, RECORDS_PER_REQUEST};
use crate::figures::{Figures, megabytes};
use crate::limit;
use crate::process::{Sonde, disk_bytes};
use crate::send::{self, Ledger, Load};
use std::sync::Arc;
use std::time::Instant;

/// Requests that were made before the clock runs; about 500 bytes a record.
struct Ready(Vec<Encoded>);

impl Load for Ready {
    fn encoded(&self, request: u64) -> Encoded {
        self.0[request as usize].clone()
    }
}

/// What few and many streams are compared by.
struct Cost {
    rate: f64,
    rate_per_core: f64,
    rss_peak: f64,
    size: f64,
}

pub(crate) async fn run(records: u64) -> Result<(), Failure> {
    let few = measured(Kind::Few, records).await?;
    let many = measured(Kind::Many, records).await?;
    let mut figures = Figures::new();
    figures.add_beside("rate by the clock", many.rate / few.rate, "≥ 0.67");
    let per_core = many.rate_per_core / few.rate_per_core;
    figures.add_beside("rate per core", per_core, "≥ 0.67");
    figures.add_beside("most memory", many.rss_peak / few.rss_peak, "≤ 1.5");
    figures.add("size", many.size / few.size);
    figures.print("ingest: 50,000 resources, of 287");
    Ok(())
}

async fn measured(kind: Kind, records: u64) -> Result<Cost, Failure> {
    let corpus = Corpus::of_ten_hours(kind, records);
    let ready = Arc::new(Ready(
        (0..corpus.requests).map(|n| corpus.encoded(n)).collect(),
    ));
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let sonde = Sonde::start(&data).await?;
    let idle = sonde.used()?;
    let ledger = Arc::new(Ledger::default());

    let begun = Instant::now();
    let sent = send::send(
        sonde.grpc(),
        0..corpus.requests,
        Arc::clone(&ready),
        &ledger,
    );
    sent.await?;
    let acknowledged = begun.elapsed();
    sonde.searchable().await?;
    let searchable = begun.elapsed();
    let used_searchable = sonde.used()?;
    sonde.sealed().await?;
    let used_sealed = sonde.used()?;
    let segments_sealed = sonde.status().await?.segments;
    let size_sealed = sonde.status().await?.stored_bytes;
    let at_rest = sonde.merged().await?;
    let used_merged = sonde.used()?;
    let disk = disk_bytes(&data);
    let found = check::check(&sonde, &corpus, &ledger).await?;
    sonde.complain();
    drop(sonde);
    let plain = limit::append(dir.path(), &ready.0, 1)?;
    let grouped = limit::append(dir.path(), &ready.0, send::IN_FLIGHT)?;

    let bodies = megabytes(ledger.body_bytes());
    let of_bodies = |bytes: u64| bytes as f64 / ledger.body_bytes() as f64;
    let cpu = |until: f64| bodies / (until - idle.cpu_seconds);
    let rate = bodies / searchable.as_secs_f64();
    let rate_per_core = cpu(used_sealed.cpu_seconds);
    let mut figures = Figures::new();
    let sent = (corpus.requests * RECORDS_PER_REQUEST) as f64 / 1e6;
    figures.add("records, millions", sent);
    figures.add("bodies, MB", bodies);
    figures.add(
        "bodies to acknowledged, MB/s",
        bodies / acknowledged.as_secs_f64(),
    );
    figures.add("bodies to searchable, MB/s", rate);
    // What is searchable but not sealed yet has its cost ahead of it: the budget is of both.
    let name = "per core (processor time), until searchable, MB/s";
    figures.add(name, cpu(used_searchable.cpu_seconds));
    let name = "  until sealed, what was merged meanwhile included";
    figures.add_beside(name, rate_per_core, "≥ 60");
    figures.add("  until merged", cpu(used_merged.cpu_seconds));
    let lag = searchable.saturating_sub(acknowledged);
    figures.add("last acknowledgement to searchable, s", lag.as_secs_f64());
    figures.add("requests sent again", ledger.retries() as f64);
    figures.add("memory before, MB", megabytes(idle.rss_bytes));
    figures.add(
        "most memory until sealed, MB, mapped files included",
        megabytes(used_sealed.rss_peak_bytes),
    );
    figures.add(
        "most memory until merged, MB",
        megabytes(used_merged.rss_peak_bytes),
    );
    figures.add(
        "memory at the end, MB, mapped files included",
        megabytes(used_merged.rss_bytes),
    );
    figures.add(
        "memory at the end, MB, without",
        megabytes(used_merged.anonymous_bytes),
    );
    figures.add("log store of bodies, sealed", of_bodies(size_sealed));
    let size = of_bodies(at_rest.stored_bytes);
    figures.add_beside("log store of bodies, merged", size, "≤ 0.38");
    figures.add("disk of bodies, journal included", of_bodies(disk));
    figures.add("segments, sealed", segments_sealed as f64);
    figures.add("segments, merged", at_rest.segments as f64);
    let name = "limit: append, fdatasync for each request, MB/s of bodies";
    figures.add(name, bodies / plain.as_secs_f64());
    let name = "limit: append, fdatasync for each 16 requests, MB/s of bodies";
    figures.add(name, bodies / grouped.as_secs_f64());
    figures.add("limit: that file of bodies", of_bodies(ledger.wire_bytes()));
    figures.print(&format!("ingest: {}", kind.name()));
    found.report()?;
    Ok(Cost {
        rate,
        rate_per_core,
        rss_peak: used_sealed.rss_peak_bytes as f64,
        size,
    })
}
