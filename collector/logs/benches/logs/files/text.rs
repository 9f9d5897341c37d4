//! Lines of files as requests, a resource a file, their times evenly over ten hours in the
//! order of the file.

use crate::NOW;
use prost::Message as _;
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::{Entry, Position, Signal, Tenant};
use std::path::{Path, PathBuf};

const HOURS: u64 = 10;
const START: u64 = 1_700_000_000_000_000_000;
pub(super) const SPAN: u64 = HOURS * 3_600_000_000_000;
pub(super) const PERIOD: (u64, u64) = (START, START + SPAN);
const RECORDS_PER_ENTRY: usize = 1000;
/// What is applied and sealed at once has so many bytes of lines, or so many of them.
const CHUNK_BYTES: usize = 32 << 20;
const CHUNK_ENTRIES: usize = 250;

pub(super) type Chunk = Vec<(Position, Entry)>;

/// One file, or several whose records come by time.
pub(super) struct Text {
    pub(super) name: String,
    pub(super) bytes: usize,
    pub(super) files: Vec<File>,
}

pub(super) struct File {
    name: String,
    pub(super) text: String,
}

/// The files with logs of a directory, which is relative to the repository.
pub(super) fn files(dir: &str) -> Vec<PathBuf> {
    // Cargo starts a bench in its crate.
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(dir);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|cause| {
        panic!(
            "cannot list {}: {cause}; collector/logs/benches/corpora makes it",
            dir.display()
        )
    });
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no *.log", dir.display());
    files
}

impl File {
    pub(super) fn lines(&self) -> std::str::Lines<'_> {
        self.text.lines()
    }
}

impl Text {
    pub(super) fn read(paths: Vec<PathBuf>) -> Self {
        let files: Vec<_> = paths
            .into_iter()
            .map(|path| {
                let bytes = std::fs::read(&path)
                    .unwrap_or_else(|cause| panic!("cannot read {}: {cause}", path.display()));
                let name = path.file_stem().unwrap_or_default();
                File {
                    name: name.to_string_lossy().into_owned(),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                }
            })
            .collect();
        let name = match files.as_slice() {
            [file] => file.name.clone(),
            _ => "all together".into(),
        };
        let bytes = files.iter().map(|file| file.text.len()).sum();
        Self { name, bytes, files }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.files.iter().flat_map(File::lines)
    }

    pub(super) fn lines(&self) -> usize {
        self.all().count()
    }

    /// The requests, by time.
    pub(super) fn chunks(&self) -> Vec<Chunk> {
        let mut lines = Vec::new();
        for (of, file) in self.files.iter().enumerate() {
            let step = SPAN / (file.lines().count() as u64).max(1);
            lines.extend(
                (0..)
                    .zip(file.lines())
                    .map(|(n, line)| (START + n * step, of, line)),
            );
        }
        lines.sort_by_key(|(time, of, _)| (*time, *of));
        let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Chunk::new(), 0);
        for (n, lines) in (0..).zip(lines.chunks_mut(RECORDS_PER_ENTRY)) {
            if bytes > CHUNK_BYTES || chunk.len() == CHUNK_ENTRIES {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes += lines.iter().map(|(_, _, line)| line.len()).sum::<usize>();
            // One resource each.
            lines.sort_by_key(|(_, of, _)| *of);
            chunk.push((Position(n), self.entry(lines)));
        }
        chunks.push(chunk);
        chunks
    }

    fn entry(&self, lines: &[(u64, usize, &str)]) -> Entry {
        let resource_logs = lines.chunk_by(|a, b| a.1 == b.1).map(|lines| {
            let log_records = lines.iter().map(|(time, _, line)| logs::LogRecord {
                time_unix_nano: *time,
                body: Some(AnyValue {
                    value: Some(Value::StringValue((*line).to_owned())),
                }),
                ..Default::default()
            });
            let name = self.files[lines[0].1].name.clone();
            logs::ResourceLogs {
                scope_logs: vec![logs::ScopeLogs {
                    log_records: log_records.collect(),
                    ..Default::default()
                }],
                resource: Some(Resource {
                    attributes: vec![otlp::kv("service.name", name)],
                    ..Default::default()
                }),
                ..Default::default()
            }
        });
        let request = ExportLogsServiceRequest {
            resource_logs: resource_logs.collect(),
        };
        Entry::otlp(
            Tenant::default(),
            Signal::Logs,
            NOW,
            request.encode_to_vec().into(),
        )
    }
}
