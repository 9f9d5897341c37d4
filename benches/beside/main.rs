//! Metrics beside the programs that people run today: the same samples are sent by Prometheus'
//! remote write to a `sonde collector`, to a `prometheus` and, where it is installed, to a
//! `victoria-metrics`, each with a new data directory, and each is asked the same questions.
//!
//! ```text
//! cargo bench -p sonde --bench beside -- ingest          processor time, memory
//! cargo bench -p sonde --bench beside -- query           how soon typical queries are answered
//! cargo bench -p sonde --bench beside -- replay          how soon after a kill, and for how much
//! cargo bench -p sonde --bench beside -- disk [minutes]  bytes per sample of a real node
//! cargo bench -p sonde --bench beside -- churn [minutes] Sonde alone, while series come and go
//! ```
//!
//! Sonde takes them by OTLP too, in the modes `ingest` and `replay`, beside its own remote write.
//! Without a mode the first three run. The figures are no tests; what fails the run is a
//! sample that is missing, and an answer that is not Prometheus' answer.
//!
//! - `SONDE_BENCH_SERIES` (10,500) and `SONDE_BENCH_STEPS` (480, each of 15 s): what is sent;
//!   `churn` sends ten times the series every 5 s.
//! - `TMPDIR`: the disk that is measured.
//!
//! Debian's packages `prometheus`, `prometheus-node-exporter` and `victoria-metrics` have the
//! programs; without the last one its column is missing.

mod churn;
mod data;
mod disk;
#[path = "../load/figures.rs"]
mod figures;
mod ingest;
mod node;
mod otlp;
mod program;
mod query;
mod replay;
#[path = "../load/settings.rs"]
mod settings;
#[path = "../load/times.rs"]
mod times;
#[path = "../load/used.rs"]
mod used;
mod write;

use settings::{number, positive};
use std::process::ExitCode;

/// Why there are no figures.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

const MODES: &str = "ingest, query, replay, disk [minutes], churn [minutes]";
const MINUTES_DEFAULT: f64 = 10.0;

fn main() -> ExitCode {
    // Cargo adds this to what it was told.
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let (mode, argument) = (arguments.next(), arguments.next());
    let runtime = tokio::runtime::Runtime::new();
    let ran = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(mode.as_deref(), argument)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("beside: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mode: Option<&str>, argument: Option<String>) -> Result<(), Failure> {
    // The first to install one wins; nothing here speaks TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let size = data::Size {
        series: number("SONDE_BENCH_SERIES", 10_500.0)? as usize,
        steps: number("SONDE_BENCH_STEPS", 480.0)? as usize,
    };
    match mode {
        Some("ingest") => ingest::run(size).await,
        Some("query") => query::run(size).await,
        Some("replay") => replay::run(size).await,
        Some("disk") => {
            let minutes = argument.map(|text| positive("disk", &text)).transpose()?;
            disk::run(minutes.unwrap_or(MINUTES_DEFAULT)).await
        }
        Some("churn") => {
            let minutes = argument.map(|text| positive("churn", &text)).transpose()?;
            let series = size.series * 10;
            churn::run(
                minutes.unwrap_or(MINUTES_DEFAULT),
                data::Size { series, ..size },
            )
            .await
        }
        Some(other) => Err(format!("there is no mode {other:?}; there are {MODES}").into()),
        None => {
            ingest::run(size).await?;
            query::run(size).await?;
            replay::run(size).await
        }
    }
}
