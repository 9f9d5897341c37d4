//! Which files there are: patterns resolved, links followed, rotated siblings beside them.
//!
//! The same file found by several paths (`/var/log/containers` links into `/var/log/pods`)
//! is one. A sibling of `app.log` is a file beside it named `app.log.…` or `app.log-…`, or,
//! as kubelet does, `0.log.<time>`; compressed and temporary ones are left alone: what they
//! hold was read before they were compressed, from the file held open.

use super::disk::{FileKey, Found, stat};
use crate::config::TailConfig;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Endings of files that hold no lines to read.
const SKIPPED_ENDINGS: [&str; 6] = ["gz", "zst", "bz2", "xz", "lz4", "tmp"];

/// Resolves the patterns.
#[derive(Debug)]
pub(crate) struct Discovery {
    patterns: Vec<String>,
    exclude: Vec<glob::Pattern>,
    rotated: bool,
}

impl Discovery {
    /// Checks and takes the patterns.
    ///
    /// # Errors
    /// The bad pattern and what is wrong with it.
    pub(crate) fn new(config: &TailConfig) -> Result<Self, String> {
        let compile = |kind: &str, at: usize, text: &str| {
            glob::Pattern::new(text).map_err(|error| format!("tail.{kind}[{at}] {text:?}: {error}"))
        };
        for (at, text) in config.paths.iter().enumerate() {
            compile("paths", at, text)?;
        }
        let exclude = config
            .exclude
            .iter()
            .enumerate()
            .map(|(at, text)| compile("exclude", at, text));
        Ok(Self {
            patterns: config.paths.clone(),
            exclude: exclude.collect::<Result<_, _>>()?,
            rotated: config.rotated,
        })
    }

    /// Every file, rotated ones first, each once.
    ///
    /// `known` are the paths that were followed before: one that is gone at this moment may
    /// have rotated files beside it.
    pub(crate) fn list<'a>(&self, known: impl Iterator<Item = &'a Path>) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut by_key: HashMap<FileKey, usize> = HashMap::new();
        for given in self
            .patterns
            .iter()
            .flat_map(|p| glob::glob(p).into_iter().flatten().flatten())
        {
            self.add_matched(given, &mut found, &mut by_key);
        }
        if self.rotated {
            let bases = found
                .iter()
                .map(|f| f.path.clone())
                .chain(known.map(Path::to_path_buf))
                .collect();
            add_siblings(&bases, &mut found, &mut by_key);
        }
        found.sort_by_key(|f| (f.base.is_none(), f.stat.modified));
        found
    }

    fn add_matched(
        &self,
        given: PathBuf,
        found: &mut Vec<Found>,
        by_key: &mut HashMap<FileKey, usize>,
    ) {
        if is_skipped(&given)
            || self
                .exclude
                .iter()
                .any(|pattern| pattern.matches_path(&given))
        {
            return;
        }
        let Ok(path) = std::fs::canonicalize(&given) else {
            return;
        };
        let Some(metadata) = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)
        else {
            return;
        };
        let stat = stat(&metadata);
        match by_key.get(&stat.key) {
            Some(at) if found[*at].path != given && !found[*at].aliases.contains(&given) => {
                found[*at].aliases.push(given);
            }
            Some(_) => {}
            None => {
                let aliases = if given == path {
                    Vec::new()
                } else {
                    vec![given]
                };
                by_key.insert(stat.key, found.len());
                found.push(Found {
                    path,
                    aliases,
                    base: None,
                    matched: true,
                    stat,
                });
            }
        }
    }
}

/// The directories that hold `found`.
pub(crate) fn directories<'a>(
    found: impl Iterator<Item = &'a Path>,
) -> std::collections::BTreeSet<PathBuf> {
    found
        .filter_map(Path::parent)
        .map(Path::to_path_buf)
        .collect()
}

fn add_siblings(
    bases: &HashSet<PathBuf>,
    found: &mut Vec<Found>,
    by_key: &mut HashMap<FileKey, usize>,
) {
    for dir in directories(bases.iter().map(PathBuf::as_path)) {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(base) = base_of(bases, &path) else {
                continue;
            };
            let Some(metadata) = std::fs::symlink_metadata(&path)
                .ok()
                .filter(std::fs::Metadata::is_file)
            else {
                continue;
            };
            let stat = stat(&metadata);
            match by_key.get(&stat.key) {
                Some(at) if found[*at].path == path => found[*at].base = Some(base),
                Some(_) => {}
                None => {
                    by_key.insert(stat.key, found.len());
                    found.push(Found {
                        path,
                        aliases: Vec::new(),
                        base: Some(base),
                        matched: false,
                        stat,
                    });
                }
            }
        }
    }
}

/// The followed path whose rotated file `path` is, by its name; the longest where there are several.
fn base_of(bases: &HashSet<PathBuf>, path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str().filter(|_| !is_skipped(path))?;
    let cuts = name
        .char_indices()
        .rev()
        .filter(|(at, c)| matches!(c, '.' | '-') && *at > 0 && *at + 1 < name.len());
    cuts.map(|(at, _)| path.with_file_name(&name[..at]))
        .find(|base| bases.contains(base))
}

fn is_skipped(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|ending| SKIPPED_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests;
