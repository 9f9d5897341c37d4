//! The whole program under load: a `sonde collector` of its own with a new data directory and
//! free ports, sent OTLP over gRPC and asked through Loki's API.
//!
//! ```text
//! cargo bench -p sonde --bench load -- ingest          how fast, and at what cost
//! cargo bench -p sonde --bench load -- query           how soon answers come
//! cargo bench -p sonde --bench load -- restart         after a kill, and after a stop
//! cargo bench -p sonde --bench load -- spans           the same of spans, RED and service graph
//! cargo bench -p sonde --bench load -- soak [minutes]  all at once, for a while
//! ```
//!
//! Without a mode the first four run. The figures are no tests; what fails the run is a
//! record that is lost, doubled or changed, and an answer that is wrong.
//!
//! - `SONDE_BENCH_RECORDS`: how many records `ingest` and `query` send; 2,000,000.
//! - `SONDE_BENCH_SPANS`: how many spans `spans` sends; 2,000,000.
//! - `SONDE_BENCH_BYTES`: how many bytes of bodies `restart` stores; 1 GiB.
//! - `SONDE_BENCH_RATE`: how many MB of bodies a second `soak` sends; 20.
//! - `SONDE_BENCH_PROGRAM`: another build of `sonde` to be measured, to compare two.
//! - `TMPDIR`: the disk that is measured.

mod ask;
mod check;
mod corpus;
mod figures;
mod ingest;
mod limit;
mod process;
mod query;
mod restart;
mod send;
mod settings;
mod shop;
mod signals;
mod soak;
mod spans;
#[path = "../../collector/logs/benches/logs/text.rs"]
mod text;
mod times;
mod used;

use settings::{number, positive};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Why there are no figures.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

const MODES: &str = "ingest, query, restart, spans, soak [minutes]";
const MINUTES_DEFAULT: f64 = 10.0;

fn main() -> ExitCode {
    // Cargo adds this to what it was told.
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let mode = arguments.next();
    let runtime = tokio::runtime::Runtime::new();
    let ran = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let mut stop = signal(SignalKind::terminate())?;
            tokio::select! {
                ran = run(mode.as_deref(), arguments.next()) => ran,
                // The process under load ends with it, which it would not by itself.
                _ = stop.recv() => Err("told to stop".into()),
            }
        })
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mode: Option<&str>, argument: Option<String>) -> Result<(), Failure> {
    // The first to install one wins; nothing here speaks TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let records = number("SONDE_BENCH_RECORDS", 2_000_000.0)? as u64;
    let spans = number("SONDE_BENCH_SPANS", 2_000_000.0)? as u64;
    let bytes = number("SONDE_BENCH_BYTES", f64::from(1 << 30))?;
    let rate = number("SONDE_BENCH_RATE", 20.0)? * 1e6;
    match mode {
        Some("ingest") => ingest::run(records).await,
        Some("query") => query::run(records).await,
        Some("restart") => restart::run(bytes).await,
        Some("spans") => spans::run(spans).await,
        Some("soak") => {
            let minutes = argument.map(|text| positive("soak", &text)).transpose()?;
            soak::run(minutes.unwrap_or(MINUTES_DEFAULT), rate).await
        }
        Some(other) => Err(format!("there is no mode {other:?}; there are {MODES}").into()),
        None => {
            ingest::run(records).await?;
            query::run(records).await?;
            restart::run(bytes).await?;
            spans::run(spans).await
        }
    }
}
