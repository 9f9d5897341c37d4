//! The `sonde` command. Each file is one subcommand; `config` reads what all share.

mod command;
mod config;
mod logging;
mod up;
mod agent_port;
mod client;
mod render;
mod query;
mod lookup;
mod status;
mod check;
mod demo;

use clap::Parser as _;
use command::{Command, Sonde};
use std::process::ExitCode;

/// Long-lived, highly concurrent and allocation-heavy: the system's allocator keeps twice
/// the memory under such a load.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a subcommand says when it cannot do its work. Shown to a person, as it is.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let sonde = Sonde::parse();
    // Two TLS users, one provider. An earlier choice in this process would be as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    logging::start(&sonde.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(run(sonde.command)) {
        Ok(code) => code,
        Err(error) => fail(&error.to_string()),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(arguments) => up::up(&arguments).await,
        Command::Agent(arguments) => up::agent(&arguments).await,
        Command::Collector(arguments) => up::collector(&arguments).await,
        Command::Demo(arguments) => demo::demo(&arguments).await,
        Command::Query(query) => query::query(&query).await,
        Command::Lookup(arguments) => lookup::lookup(&arguments).await,
        Command::Status(arguments) => status::status(&arguments).await,
        Command::Check(arguments) => Ok(check::check(&arguments)),
    }
}

fn fail(message: &str) -> ExitCode {
    use std::io::Write as _;
    // Where even the error stream is closed, the exit code still says it.
    let _ = writeln!(std::io::stderr(), "sonde: {message}");
    ExitCode::FAILURE
}
