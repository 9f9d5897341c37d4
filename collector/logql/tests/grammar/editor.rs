//! Grafana's grammar, asked through Node.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that reads with the grammar.
pub(crate) struct Editor {
    program: PathBuf,
}

impl Editor {
    /// What `tests/setup` has installed, or `None` after saying that the test is skipped.
    ///
    /// # Panics
    /// In CI, where nothing may be skipped.
    pub(crate) fn find() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let known = std::fs::read_to_string(target.join("test-tools/env")).unwrap_or_default();
        let line = |line: &str| line.strip_prefix("NODE_SDK_DIR=").map(PathBuf::from);
        let program = known
            .lines()
            .find_map(line)
            .map(|dir| dir.join("logql.mjs"));
        let found = program.filter(|program| {
            let packages = program.with_file_name("node_modules");
            packages.join("@grafana/lezer-logql").exists()
        });
        if found.is_none() {
            let why = "no NODE_SDK_DIR with Grafana's grammar is installed: run tests/setup";
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{why}"
            );
            eprintln!("skipped: {why}");
        }
        found.map(|program| Self { program })
    }

    /// Whether the grammar takes each query.
    pub(crate) fn takes(&self, queries: &[String]) -> Vec<bool> {
        let mut child = Command::new("node")
            .arg(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let lines: Vec<_> = queries
            .iter()
            .map(|query| serde_json::to_string(query).unwrap() + "\n")
            .collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        let verdicts: Vec<_> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| line == "ok")
            .collect();
        assert_eq!(verdicts.len(), queries.len());
        verdicts
    }
}
