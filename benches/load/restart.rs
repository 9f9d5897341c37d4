//! How soon it answers again: killed while it takes records in, and stopped with much stored.

use crate::Failure;
use crate::ask::{Question, Shape, ask};
use crate::check;
use crate::corpus::{BODY_BYTES, Corpus, Kind};
use crate::figures::{Figures, megabytes};
use crate::process::{LOOK_EVERY, Sonde, Status, disk_bytes};
use crate::send::{self, Ledger};
use crate::text::needles;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn run(bytes: f64) -> Result<(), Failure> {
    let corpus = Corpus::of_ten_hours(Kind::Few, (bytes / BODY_BYTES) as u64);
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let ledger = Arc::new(Ledger::default());
    let load = Arc::new(corpus.clone());

    let mut sonde = Sonde::start(&data).await?;
    let to = sonde.grpc();
    let sending = tokio::spawn({
        let (load, ledger) = (Arc::clone(&load), Arc::clone(&ledger));
        async move { send::send(to, 0..load.requests, load, &ledger).await }
    });
    // The kill comes in the midst of it.
    while ledger.acknowledged() < corpus.requests / 2 && !sending.is_finished() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let before = sonde.status().await?;
    sonde.kill().await?;
    drop(sonde);
    if sending.await?.is_ok() {
        return Err("all was sent before the kill; ask for more with SONDE_BENCH_BYTES".into());
    }
    println!(
        "\nkilled with {} requests acknowledged, {} of {} applied, {} segments",
        ledger.acknowledged(),
        before.applied,
        before.journal_end,
        before.segments,
    );
    let sonde = started(&data, &corpus, "restart after kill -9", &ledger).await?;
    check::check(&sonde, &corpus, &ledger).await?.report()?;

    let rest = ledger.first_unsent()..corpus.requests;
    send::send(sonde.grpc(), rest, load, &ledger).await?;
    sonde.merged().await?;
    sonde.complain();
    let begun = Instant::now();
    let ended = sonde.stop().await?;
    println!(
        "\nstopped within {:.2} s: {ended}",
        begun.elapsed().as_secs_f64()
    );
    let sonde = started(&data, &corpus, "restart after a stop", &ledger).await?;
    check::check(&sonde, &corpus, &ledger).await?.report()?;
    sonde.complain();
    Ok(())
}

/// Starts it and looks on until everything is there again.
async fn started(
    data: &Path,
    corpus: &Corpus,
    title: &str,
    ledger: &Ledger,
) -> Result<Sonde, Failure> {
    let sonde = Sonde::start(data).await?;
    let first = sonde.status().await?;
    let all = (corpus.begin_ms(0), corpus.begin_ms(corpus.requests));
    let question = |query: String, limit| Question {
        query,
        period_ms: all,
        shape: Shape::Newest(limit),
    };
    ask(&sonde, &question("{}".into(), 100)).await?;
    let answered = sonde.started.elapsed();
    let needle = format!("{{}} |= `{}`", needles(1)[0]);
    ask(&sonde, &question(needle, 100)).await?;
    let found = sonde.started.elapsed();
    let replayed = sonde
        .until(LOOK_EVERY, |status| {
            status.caught_up && status.applied >= first.journal_end
        })
        .await?;
    let replayed_after = sonde.started.elapsed();
    let used = sonde.used()?;

    let mut figures = Figures::new();
    figures.add("bodies acknowledged, MB", megabytes(ledger.body_bytes()));
    figures.add("log store, MB", megabytes(replayed.stored_bytes));
    figures.add("disk, journal included, MB", megabytes(disk_bytes(data)));
    figures.add("segments", replayed.segments as f64);
    figures.add("start to listening, s", sonde.listening.as_secs_f64());
    figures.add_beside("start to the newest 100, s", answered.as_secs_f64(), "≤ 1");
    figures.add("start to a request ID found, s", found.as_secs_f64());
    figures.add("requests to replay", replay(&first) as f64);
    figures.add("start to replayed, s", replayed_after.as_secs_f64());
    figures.add("most memory until then, MB", megabytes(used.rss_peak_bytes));
    figures.print(title);
    Ok(sonde)
}

/// How many entries of the journal the store had not sealed.
fn replay(status: &Status) -> u64 {
    status.journal_end.saturating_sub(status.resume_from)
}
