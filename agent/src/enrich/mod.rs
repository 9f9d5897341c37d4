//! What is known about a log's origin, once per file: resource attributes from its path and
//! from configuration; and what is read from each record's text: its severity and the trace
//! it belongs to.

mod kubernetes;
mod json;
mod severity;
mod reading;

pub(crate) use reading::Reading;
pub(crate) use severity::Severity;

use crate::config::{Config, EnrichConfig};
use crate::export::encode;
use crate::tail::cri::{STREAMS, Stream};
use bytes::Bytes;
use sonde_proto::semconv;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Turns paths into resource attributes.
#[derive(Clone, Debug)]
pub(crate) struct Enricher {
    host_name: String,
    resource: BTreeMap<String, String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: glob::Pattern,
    service: Option<String>,
    resource: BTreeMap<String, String>,
}

/// A file's resource, encoded for each of its streams.
pub(crate) type Resources = [Bytes; STREAMS];

impl Enricher {
    /// Compiles the rules.
    ///
    /// # Errors
    /// The rule's pattern and what is wrong with it.
    pub(crate) fn new(config: &Config, host_name: &str) -> Result<Self, String> {
        let EnrichConfig { rules } = &config.enrich;
        let rule = |(at, rule): (usize, &crate::config::PathRule)| {
            let pattern = glob::Pattern::new(&rule.path)
                .map_err(|error| format!("enrich.rules[{at}].path {:?}: {error}", rule.path))?;
            Ok(Rule {
                pattern,
                service: rule.service.clone(),
                resource: rule.resource.clone(),
            })
        };
        let rules = rules
            .iter()
            .enumerate()
            .map(rule)
            .collect::<Result<_, String>>()?;
        Ok(Self {
            host_name: host_name.to_owned(),
            resource: config.resource.clone(),
            rules,
        })
    }

    /// The resources of the file at `path`, also found by `aliases`.
    pub(crate) fn resources(&self, path: &Path, aliases: &[PathBuf]) -> Resources {
        let attributes = self.attributes(path, aliases);
        Stream::ALL.map(|stream| {
            let of_file = attributes.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            encode::resource(of_file.chain(stream.name().map(|name| (semconv::LOG_IOSTREAM, name))))
        })
    }

    fn attributes(&self, path: &Path, aliases: &[PathBuf]) -> BTreeMap<String, String> {
        let names = || std::iter::once(path).chain(aliases.iter().map(PathBuf::as_path));
        let mut attributes = BTreeMap::new();
        let mut set = |key: &str, value: &str| attributes.insert(key.to_owned(), value.to_owned());
        set(semconv::HOST_NAME, &self.host_name);
        set(semconv::LOG_FILE_PATH, &path.to_string_lossy());
        set(semconv::LOG_FILE_NAME, &file_name(path));
        set(semconv::SERVICE_NAME, &service_of_file(path));
        names()
            .flat_map(kubernetes::attributes)
            .for_each(|(key, value)| {
                set(key, &value);
            });
        if let Some(container) = attributes.get(semconv::K8S_CONTAINER_NAME).cloned() {
            attributes.insert(semconv::SERVICE_NAME.to_owned(), container);
        }
        if let Some(rule) = self
            .rules
            .iter()
            .find(|r| names().any(|name| r.pattern.matches_path(name)))
        {
            attributes.extend(
                rule.service
                    .iter()
                    .map(|s| (semconv::SERVICE_NAME.to_owned(), s.clone())),
            );
            attributes.extend(rule.resource.clone());
        }
        attributes.extend(self.resource.clone());
        attributes
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// `checkout` for `/srv/logs/checkout.log`.
fn service_of_file(path: &Path) -> String {
    let name = file_name(path);
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        name
    } else {
        stem.to_owned()
    }
}

#[cfg(test)]
mod tests;
