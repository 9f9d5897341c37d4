//! What the machine can do without Sonde: bytes appended to a file and synced, and a search
//! through lines in files.

use crate::Failure;
use crate::corpus::{Corpus, Encoded};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const APPEND_TIMES: usize = 3;

/// The least time of a few in which requests can be appended to a file, so many synced at
/// once: other work on the disk makes single times differ by much.
pub(crate) fn append(
    dir: &Path,
    requests: &[Encoded],
    synced_at_once: usize,
) -> Result<Duration, Failure> {
    let mut least = Duration::MAX;
    for _ in 0..APPEND_TIMES {
        least = least.min(append_once(&dir.join("plain"), requests, synced_at_once)?);
    }
    Ok(least)
}

fn append_once(
    path: &Path,
    requests: &[Encoded],
    synced_at_once: usize,
) -> Result<Duration, Failure> {
    let mut file = File::create_new(path)?;
    let begun = Instant::now();
    for together in requests.chunks(synced_at_once) {
        for request in together {
            file.write_all(&request.bytes)?;
        }
        file.sync_data()?;
    }
    let took = begun.elapsed();
    std::fs::remove_file(path)?;
    Ok(took)
}

/// The bodies of a corpus in files, a file for each service and hour.
pub(crate) struct Plain {
    dir: PathBuf,
    files: HashMap<(u64, String), BufWriter<File>>,
}

impl Plain {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            files: HashMap::new(),
        }
    }

    /// Adds the bodies of a request.
    pub(crate) fn add(&mut self, corpus: &Corpus, request: u64) -> Result<(), Failure> {
        const HOUR_NANOS: u64 = 3_600_000_000_000;
        let begin = corpus.begin_ms(0) * 1_000_000;
        for line in corpus.lines(request) {
            let hour = (line.time - begin) / HOUR_NANOS;
            let dir = self.hour(hour);
            let file = match self.files.entry((hour, line.service)) {
                std::collections::hash_map::Entry::Occupied(file) => file.into_mut(),
                std::collections::hash_map::Entry::Vacant(none) => {
                    std::fs::create_dir_all(&dir)?;
                    let file = File::create_new(dir.join(&none.key().1))?;
                    none.insert(BufWriter::new(file))
                }
            };
            file.write_all(line.text.as_bytes())?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Ends the files.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        for (_, mut file) in self.files.drain() {
            file.flush()?;
        }
        Ok(())
    }

    /// Where the bodies of an hour are.
    pub(crate) fn hour(&self, hour: u64) -> PathBuf {
        self.dir.join(format!("hour-{hour}"))
    }

    /// Where all of them are.
    pub(crate) fn all(&self) -> PathBuf {
        self.dir.clone()
    }
}

/// A program that searches files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grep {
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
}

impl Grep {
    /// The quickest that is installed.
    pub(crate) fn find() -> Option<Self> {
        let all = [
            Self {
                name: "rg",
                arguments: &["--no-config", "-uu", "-c", "-F", "--"],
            },
            Self {
                name: "grep",
                arguments: &["-r", "-c", "-F", "--"],
            },
        ];
        let is_there = |grep: &Self| Command::new(grep.name).arg("--version").output().is_ok();
        all.into_iter().find(is_there)
    }

    /// How many lines of each file's name have a text, and how long that took.
    pub(crate) fn count(
        self,
        text: &str,
        dir: &Path,
    ) -> Result<(BTreeMap<String, u64>, Duration), Failure> {
        let mut command = Command::new(self.name);
        command.args(self.arguments).arg(text).arg(dir);
        let begun = Instant::now();
        let output = command.output()?;
        let took = begun.elapsed();
        // 1 is: no line has it.
        if !matches!(output.status.code(), Some(0 | 1)) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed: {said}", self.name).into());
        }
        let mut counts = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (path, count) = line.rsplit_once(':').unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            let count: u64 = count.parse()?;
            if count > 0 {
                *counts.entry(name.to_owned()).or_default() += count;
            }
        }
        Ok((counts, took))
    }
}
