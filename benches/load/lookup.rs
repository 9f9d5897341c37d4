//! How soon everything about one identifier is told, over HTTP, warm, in a store of as many
//! spans as log records, with a hundred thousand series and two hundred alerts.
//!
//! Each kind of identifier is asked for in turns with the others, one question at a time; what
//! is looked up is spread over all that is stored. An answer that is not the right one fails
//! the run.

mod world;

use crate::Failure;
use crate::corpus::{Corpus, Kind};
use crate::process::Sonde;
use crate::send::{self, Ledger};
use crate::times::Times;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use world::World;

const QUESTIONS: u64 = 300;
const WARM: u64 = 10;
const BUDGET_MS: f64 = 50.0;

/// A kind of identifier.
struct Case {
    name: &'static str,
    /// Which kind the answer must be of.
    kind: &'static str,
    id: fn(&World, u64) -> String,
}

const CASES: [Case; 6] = [
    Case {
        name: "request ID",
        kind: "request",
        id: |world, n| world.request_id(world.some_trace(n)),
    },
    Case {
        name: "trace ID",
        kind: "trace",
        id: |world, n| world::hex(&world.trace_id(world.some_trace(n))),
    },
    Case {
        name: "span ID",
        kind: "span",
        id: |world, n| world::hex(&world.span_id(world.some_trace(n), 3)),
    },
    Case {
        name: "pod name",
        kind: "pod",
        id: |_, n| world::pod(n),
    },
    Case {
        name: "namespace/pod",
        kind: "pod",
        id: |_, n| format!("{}%2F{}", world::namespace(n), world::pod(n)),
    },
    Case {
        name: "unknown ID",
        kind: "none",
        id: |_, n| format!("never-{n}-seen"),
    },
];

pub(crate) async fn run(records: u64) -> Result<(), Failure> {
    let corpus = Corpus::of_ten_hours(Kind::Few, records);
    let dir = tempfile::tempdir()?;
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, world::RULES)?;
    let files = format!("rules.files=[{:?}]", rules.display().to_string());
    let sonde = Sonde::start_with(&dir.path().join("data"), &[&files]).await?;
    let world = World::new(corpus.clone());
    let ledger = Arc::new(Ledger::default());
    send::send(sonde.grpc(), 0..corpus.requests, Arc::new(corpus), &ledger).await?;
    world.send(&sonde).await?;
    sonde.merged().await?;
    world.searchable(&sonde).await?;
    println!(
        "\nlookup: {} log records, {} spans, {} series, {} alerts",
        world.spans(),
        world.spans(),
        world::SERIES,
        world::ALERTS,
    );
    let (mut times, mut bytes) = (vec![Times::default(); CASES.len()], [0; CASES.len()]);
    for n in 0..WARM + QUESTIONS {
        for (at, case) in CASES.iter().enumerate() {
            let (answer, took) = asked(
                &sonde,
                case,
                &(case.id)(&world, n),
                world.lines(world.some_trace(n)),
            )
            .await?;
            if n >= WARM {
                times[at].push(took);
                bytes[at] += answer as u64;
            }
        }
    }
    println!(
        "{:<16} {:>8} {:>8} {:>8} {:>10}",
        "ms", "p50", "p99", "most", "KB"
    );
    for ((case, times), bytes) in CASES.iter().zip(&times).zip(bytes) {
        let most = times.quantile_ms(1.0);
        let (p50, p99) = (times.quantile_ms(0.5), times.quantile_ms(0.99));
        let missed = if p99 > BUDGET_MS { "  missed" } else { "" };
        println!(
            "{:<16} {p50:>8.1} {p99:>8.1} {most:>8.1} {:>10.1}{missed}",
            case.name,
            bytes as f64 / QUESTIONS as f64 / 1e3,
        );
    }
    println!("budget: p99 of {BUDGET_MS} ms");
    sonde.complain();
    Ok(())
}

/// How many bytes the answer has, and how long it took. `lines` are those that belong to what
/// is asked for, where that is a trace.
async fn asked(
    sonde: &Sonde,
    case: &Case,
    id: &str,
    lines: usize,
) -> Result<(usize, std::time::Duration), Failure> {
    let request = sonde
        .http()
        .get(sonde.url(&format!("/sonde/v1/lookup/{id}")));
    let begun = Instant::now();
    let body = request.send().await?.bytes().await?;
    let took = begun.elapsed();
    let answer: Value = serde_json::from_slice(&body)?;
    let count = |part: &str| answer[part].as_array().map_or(0, Vec::len);
    let (traces, logs, load) = (count("traces"), count("logs"), count("load"));
    let is_right = answer["kind"] == case.kind
        && match case.kind {
            "none" => true,
            "pod" => {
                // All of them where much is stored.
                (1..=20).contains(&traces) && (1..=200).contains(&logs) && load > 5
            }
            // Loads are of the last minutes only, and most traces ran before.
            _ => traces == 1 && logs == lines && count("ran") > 0,
        };
    if !is_right {
        return Err(format!(
            "{} {id}: {} with {traces} traces, {logs} lines of {lines}, {load} signals, {} alerts; cuts {}",
            case.name,
            answer["kind"],
            count("alerts"),
            answer["cuts"],
        )
        .into());
    }
    Ok((body.len(), took))
}
