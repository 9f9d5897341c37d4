//! Other people's programs: where they are, and how a test speaks to them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where `tests/setup` noted a program, or where it is in `PATH`.
pub(crate) fn find(key: &str, name: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let noted = std::fs::read_to_string(target.join("test-tools/env")).unwrap_or_default();
    let mut values = noted.lines().filter_map(|line| line.split_once('='));
    let noted = values.find_map(|(noted, path)| (noted == key).then(|| PathBuf::from(path)));
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    };
    noted.filter(|file| file.is_file()).or_else(in_path)
}

/// Says that a test was skipped, or fails where nothing may be skipped.
pub(crate) fn skipped(what: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no {what} on a machine that must have it"
    );
    println!("skipped: no {what} (run tests/setup)");
}

/// A program that serves HTTP, killed when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

impl Served {
    /// Starts a program that writes where it listens to its log, with a port of the kernel's
    /// choice, and waits until the log has `ready`.
    pub(crate) fn start(command: &mut Command, ready: &str) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut address, mut is_ready, mut log) = (None, false, String::new());
        while address.is_none() || !is_ready {
            let Some(Ok(line)) = lines.next() else {
                panic!("the program ended: {log}");
            };
            if address.is_none() && line.contains("istening on") {
                let rest = line.split("address=").nth(1).unwrap();
                let word = rest.trim_start_matches('"').split(['"', ' ']).next();
                address = word.map(str::to_owned);
            }
            is_ready |= line.contains(ready);
            log += &line;
            log.push('\n');
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.unwrap(),
        }
    }

    /// Asks for a path; the body of the answer.
    pub(crate) fn get(&self, path: &str, accept: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.0 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        answer.split_off(end + 4)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running node_exporter.
pub(crate) fn node_exporter() -> Option<Served> {
    let program = find("NODE_EXPORTER", "prometheus-node-exporter")?;
    let mut command = Command::new(program);
    command.arg("--web.listen-address=127.0.0.1:0");
    Some(Served::start(&mut command, "istening on"))
}
