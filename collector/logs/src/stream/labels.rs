//! Which attributes of a resource become labels, and under which names.

mod shared;

use super::{LEVELS, Level, Stream};
use crate::config::Config;
use ahash::AHashMap;
use shared::Shared;
use sonde_proto::LabelsBuilder;
use sonde_proto::walk::{Attributes, Scope};
use std::sync::{Arc, LazyLock};

/// What stands before the name of a label that a Loki client pushed, in the attributes of the
/// resource that stands for its stream: these are labels, whatever is configured.
const PUSHED: &str = "loki.label.";
const SERVICE_NAME: &str = "service_name";
const LEVEL: &str = "level";

/// The rules that turn a resource and a scope into a stream.
#[derive(Clone, Debug)]
pub(crate) struct LabelRules {
    /// Attributes that are labels, and the names of these: kept once for all streams.
    names: AHashMap<String, Arc<str>>,
    prefixes: Vec<String>,
    labels_max: usize,
    value_bytes_max: usize,
    attributes_max: usize,
    attributes_bytes_max: usize,
    shared: Shared,
}

/// What did not fit into a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Labels whose value was shortened.
    pub(crate) labels: u64,
    /// Attributes that were dropped.
    pub(crate) attributes: u64,
}

impl LabelRules {
    pub(crate) fn new(config: &Config) -> Self {
        let (prefixes, names): (Vec<_>, Vec<_>) =
            config.labels.iter().partition(|n| n.ends_with('*'));
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            names: names
                .into_iter()
                .map(|name| (name.clone(), label_name(name).into()))
                .collect(),
            prefixes: prefixes
                .into_iter()
                .map(|p| p.trim_end_matches('*').to_owned())
                .collect(),
            labels_max: limit(config.labels_max),
            value_bytes_max: limit(config.label_value_bytes_max),
            attributes_max: limit(config.attributes_max),
            attributes_bytes_max: limit(config.attributes_bytes_max),
            shared: Shared::default(),
        }
    }

    /// The stream of a resource and a scope, but for its level.
    pub(crate) fn stream(&mut self, resource: Attributes<'_>, scope: &Scope<'_>) -> (Stream, Cut) {
        let mut shared = std::mem::take(&mut self.shared);
        let made = self.stream_with(resource, scope, &mut shared);
        self.shared = shared;
        made
    }

    fn stream_with(
        &self,
        resource: Attributes<'_>,
        scope: &Scope<'_>,
        shared: &mut Shared,
    ) -> (Stream, Cut) {
        let mut building = Building {
            rules: self,
            shared,
            labels: Vec::new(),
            rest: Vec::new(),
            rest_bytes: 0,
            cut: Cut::default(),
        };
        for attribute in resource {
            let value = attribute.value.text();
            if !building.label(attribute.key, &value) {
                building.rest(attribute.key.to_owned(), &value);
            }
        }
        for (name, value) in [
            ("otel.scope.name", scope.name),
            ("otel.scope.version", scope.version),
        ] {
            if !value.is_empty() {
                building.rest(name.to_owned(), value);
            }
        }
        for attribute in scope.attributes() {
            building.rest(
                format!("otel.scope.{}", attribute.key),
                &attribute.value.text(),
            );
        }
        building.finish()
    }

    /// The name of the label that an attribute becomes, if it becomes one.
    fn label(&self, attribute: &str) -> Option<Arc<str>> {
        if let Some(name) = self.names.get(attribute) {
            return Some(Arc::clone(name));
        }
        let mut prefixes = self.prefixes.iter();
        let is_label = prefixes.any(|p| attribute.starts_with(p.as_str()));
        is_label.then(|| label_name(attribute).into())
    }
}

/// What streams have in common that differ in their levels, kept once for all.
static LEVEL_NAME: LazyLock<Arc<str>> = LazyLock::new(|| LEVEL.into());
static LEVEL_VALUES: LazyLock<[Arc<str>; LEVELS]> = LazyLock::new(|| {
    let level = |n: usize| Level::of_number(n as u8).unwrap_or_default();
    std::array::from_fn(|n| level(n).as_str().into())
});

/// Whether a stream has the label of the level.
pub(crate) fn has_level(stream: &Stream) -> bool {
    !stream.labels.get(LEVEL).is_empty()
}

/// The same stream at a level. The label stays as it is where that `is_set` by the sender.
pub(crate) fn at_level(stream: &Stream, level: Level, is_set: bool) -> Stream {
    let mut labels = stream.labels.clone();
    if !is_set {
        let mut builder = labels.to_builder();
        builder.set_shared(&LEVEL_NAME, &LEVEL_VALUES[level as usize]);
        labels = builder.build();
    }
    Stream {
        labels,
        resource: Arc::clone(&stream.resource),
        level,
    }
}

struct Building<'r> {
    rules: &'r LabelRules,
    shared: &'r mut Shared,
    labels: Vec<(Arc<str>, Arc<str>)>,
    rest: Vec<(String, String)>,
    rest_bytes: usize,
    cut: Cut,
}

impl Building<'_> {
    /// Takes an attribute as a label; false where it is none.
    fn label(&mut self, key: &str, value: &str) -> bool {
        if value.is_empty() {
            return false;
        }
        let pushed = key.strip_prefix(PUSHED).filter(|name| !name.is_empty());
        let name = match pushed {
            Some(pushed) => Some(label_name(pushed).into()),
            None => self.rules.label(key),
        };
        let Some(name) = name else { return false };
        let known = self.labels.iter().position(|(own, _)| *own == name);
        // A pushed stream's service is added to its own labels, so it needs no room.
        if known.is_none() && self.labels.len() >= self.rules.labels_max && *name != *SERVICE_NAME {
            return false;
        }
        let kept = shortened(value, self.rules.value_bytes_max);
        self.cut.labels += u64::from(kept.len() < value.len());
        let kept = self.shared.value(kept);
        match known {
            Some(at) => self.labels[at].1 = kept,
            None => self.labels.push((name, kept)),
        }
        true
    }

    fn rest(&mut self, key: String, value: &str) {
        let bytes = self
            .rest_bytes
            .saturating_add(key.len())
            .saturating_add(value.len());
        if self.rest.len() >= self.rules.attributes_max || bytes > self.rules.attributes_bytes_max {
            self.cut.attributes += 1;
            return;
        }
        self.rest_bytes = bytes;
        self.rest.push((key, value.to_owned()));
    }

    fn finish(self) -> (Stream, Cut) {
        let mut labels = LabelsBuilder::default();
        for (name, value) in &self.labels {
            labels.set_shared(name, value);
        }
        (
            Stream {
                labels: labels.build(),
                resource: self.shared.resource(self.rest),
                level: Level::Unknown,
            },
            self.cut,
        )
    }
}

/// `service.name` → `service_name`: what is no letter or digit becomes an underscore.
fn label_name(key: &str) -> String {
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

fn shortened(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
