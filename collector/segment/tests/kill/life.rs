//! Processes that live in a store's directory and are killed: what the stores' tests of that
//! share. Each of their binaries has a test `the_process_that_is_killed`, which is no test of
//! its own: with [`told`] it learns whether it is one of these processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the binary that it is the process to be killed: its life's number and directory.
const LIFE: &str = "SONDE_TEST_LIFE";
const DIR: &str = "SONDE_TEST_DIR";

/// The number of this life and its directory, where this is a process to be killed.
pub(crate) fn told() -> Option<(u64, PathBuf)> {
    let (life, dir) = (std::env::var(LIFE).ok()?, std::env::var_os(DIR)?);
    say("\nopens");
    Some((life.parse().unwrap(), dir.into()))
}

/// Written at once: what is only in a buffer was not said.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Lets a process live until it has said `lines` lines that `parse` knows, kills it, and
/// returns all it said.
pub(crate) fn live_and_die<S>(
    dir: &Path,
    life: u64,
    lines: usize,
    parse: impl Fn(&str) -> Option<S>,
) -> Vec<S> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(LIFE, life.to_string())
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let mut line = String::new();
    let (mut opens, mut killed) = (false, false);
    loop {
        if opens && said.len() >= lines && !killed {
            child.kill().unwrap();
            killed = true;
        }
        line.clear();
        // After the kill, what it had printed before is still to be read.
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A line without its end was never said.
        if let Some(line) = line.strip_suffix('\n') {
            opens |= line == "opens";
            said.extend(parse(line));
        }
    }
    let status = child.wait().unwrap();
    assert!(killed, "life {life} ended on its own: {status}");
    said
}
