//! The groups, in memory and each in a file of its own: JSON, replaced whole.

use super::body::{Family, Sample};
use super::key::Key;
use crate::config::PushConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sonde_proto::Tenant;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the file of a group ends with.
const FILE: &str = "group";
/// When a group was last pushed to, and when that last failed, in seconds since 1970.
const PUSHED: &str = "push_time_seconds";
const FAILED: &str = "push_failure_time_seconds";

/// What was pushed under one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    #[serde(skip)]
    pub(super) tenant: Tenant,
    tenant_name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) families: Vec<Family>,
    pub(super) pushed: f64,
    pub(super) failed: f64,
    /// The time of its newest samples, in milliseconds.
    #[serde(skip)]
    newest: i64,
}

impl Group {
    pub(super) fn new(key: &Key) -> Self {
        Self {
            tenant: key.tenant.clone(),
            tenant_name: key.tenant.as_str().to_owned(),
            labels: key.labels.clone(),
            families: Vec::new(),
            pushed: 0.0,
            failed: 0.0,
            newest: i64::MIN,
        }
    }

    /// Sets families; those of other names stay unless `whole`.
    pub(super) fn set(&mut self, families: Vec<Family>, whole: bool) {
        if whole {
            self.families = families;
            return;
        }
        let is_new = |old: &Family| families.iter().any(|new| new.name == old.name);
        self.families.retain(|old| !is_new(old));
        self.families.extend(families);
    }

    /// The time of samples that are written now: later than those before.
    pub(super) fn next_time(&mut self, now: i64) -> i64 {
        self.newest = now.max(self.newest.saturating_add(1));
        self.newest
    }

    /// When it was pushed to, as families.
    pub(super) fn times(&self) -> [Family; 2] {
        let mut labels = self.labels.clone();
        labels.retain(|_, value| !value.is_empty());
        [
            (
                PUSHED,
                "Last Unix time when changing this group succeeded.",
                self.pushed,
            ),
            (
                FAILED,
                "Last Unix time when changing this group failed.",
                self.failed,
            ),
        ]
        .map(|(name, help, value)| Family {
            name: name.into(),
            kind: "gauge".into(),
            help: help.into(),
            unit: String::new(),
            samples: vec![Sample::new(name, labels.clone(), value)],
        })
    }
}

/// All groups of all tenants.
pub(super) struct Groups {
    dir: PathBuf,
    groups_max: usize,
    bytes_max: usize,
    bytes: usize,
    all: BTreeMap<Key, (Group, usize)>,
}

impl Groups {
    /// Reads the groups of a directory, which is made where it is missing.
    pub(super) fn open(dir: PathBuf, config: &PushConfig) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut own = Self {
            groups_max: config.groups_max,
            bytes_max: config.bytes_max,
            bytes: 0,
            all: BTreeMap::new(),
            dir,
        };
        for entry in fs::read_dir(&own.dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != FILE) {
                continue;
            }
            match read(&path) {
                Ok((key, group, size)) => own.insert(key, group, size),
                Err(error) => tracing::error!(
                    path = %path.display(), %error,
                    "a group of pushed metrics cannot be read and is left out; remove its file, or push it again"
                ),
            }
        }
        Ok(own)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Group> {
        self.all.get(key).map(|(group, _)| group)
    }

    /// All of them, by tenant.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.all.values_mut().map(|(group, _)| group)
    }

    pub(super) fn insert(&mut self, key: Key, group: Group, size: usize) {
        self.remove(&key);
        self.bytes += size;
        self.all.insert(key, (group, size));
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some((_, size)) = self.all.remove(key) {
            self.bytes -= size;
        }
    }

    /// Where a group lies.
    pub(super) fn path(&self, key: &Key) -> PathBuf {
        let mut hash = Sha256::new();
        let labels = key
            .labels
            .iter()
            .flat_map(|(name, value)| [name.as_str(), value]);
        for text in std::iter::once(key.tenant.as_str()).chain(labels) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let mut name = String::new();
        for byte in hash.finalize().iter().take(16) {
            let _ = write!(name, "{byte:02x}");
        }
        self.dir.join(name).with_extension(FILE)
    }

    /// A group as it would lie in its file, if there is room for it.
    ///
    /// # Errors
    /// Which limit it would exceed.
    pub(super) fn fitting(&self, key: &Key, group: &Group) -> Result<Vec<u8>, String> {
        let file = serde_json::to_vec(group).map_err(|error| error.to_string())?;
        let old = self.all.get(key).map(|(_, size)| *size);
        if old.is_none() && self.all.len() >= self.groups_max {
            return Err(format!(
                "there are {} groups already; delete some, or raise push.groups_max",
                self.all.len()
            ));
        }
        let bytes = self.bytes - old.unwrap_or_default() + file.len();
        if bytes > self.bytes_max {
            return Err(format!(
                "the groups would take {bytes} bytes and {} are allowed; delete some, or raise push.bytes_max",
                self.bytes_max
            ));
        }
        Ok(file)
    }

    /// Whether families may come into a group beside those of the tenant's other groups.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn consistent(&self, key: &Key, families: &[Family]) -> Result<(), String> {
        let new: BTreeMap<&str, &str> = families
            .iter()
            .map(|family| (family.name.as_str(), family.kind.as_str()))
            .collect();
        if let Some(own) = [PUSHED, FAILED]
            .into_iter()
            .find(|name| new.contains_key(name))
        {
            return Err(format!("{own} is written here and cannot be pushed"));
        }
        // What is in the group itself is replaced.
        let is_other = |other: &Key| other.tenant == key.tenant && other != key;
        for (_, (group, _)) in self.all.iter().filter(|(other, _)| is_other(other)) {
            for old in &group.families {
                let kind = new.get(old.name.as_str());
                if let Some(kind) = kind.filter(|kind| **kind != old.kind) {
                    return Err(format!(
                        "{:?} is a {kind} here and a {} in the group of job {:?}",
                        old.name,
                        old.kind,
                        group.labels.get("job").map_or("", String::as_str)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<(Key, Group, usize), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let mut group: Group = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    group.tenant = Tenant::new(&group.tenant_name).map_err(|error| error.to_string())?;
    group.newest = i64::MIN;
    let key = Key {
        tenant: group.tenant.clone(),
        labels: group.labels.clone(),
    };
    Ok((key, group, bytes.len()))
}
