//! What the process says about itself, on the error stream.

use crate::command::Command;
use tracing_subscriber::EnvFilter;

/// Starts logging: `info` for programs that run, `warn` for commands that answer;
/// `SONDE_LOG` overrides it (`debug`, `sonde_logs=trace`, …).
pub(crate) fn start(command: &Command) {
    let level = match command {
        Command::Up(_) | Command::Agent(_) | Command::Collector(_) => "info",
        Command::Demo(_) => "error",
        Command::Query(_) | Command::Lookup(_) | Command::Status(_) | Command::Check(_) => "warn",
    };
    let filter = EnvFilter::try_from_env("SONDE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .init();
}
