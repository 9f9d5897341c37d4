//! Relabelling: rules that rewrite labels, or drop what has them
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>).

use super::Labels;
use super::config::RelabelConfig;
use md5::{Digest as _, Md5};
use regex::{Regex, RegexBuilder};
use sonde_proto::re2::{self, BadRegex};
use std::collections::BTreeMap;

/// The expression that matches everything, and what stands for all of it.
pub(crate) const ANYTHING: &str = "(.*)";
pub(crate) const WHOLE: &str = "$1";

/// The largest compiled expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A checked rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    sources: Vec<String>,
    separator: String,
    target: String,
    regex: Regex,
    replacement: String,
    /// It only sets or deletes a label, where the source is empty.
    is_plain: bool,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod(u64),
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Rule {
    /// Checks a rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(config: &RelabelConfig) -> Result<Self, String> {
        let action = action(config)?;
        let bad = |why: BadRegex| format!("regex {:?}: {why}", config.regex);
        let translated = re2::translate(&config.regex).map_err(bad)?;
        let regex = RegexBuilder::new(&format!("^(?s:{translated})$"))
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| bad(BadRegex::told(&error.to_string())))?;
        let has_group = |text: &str| text.contains('$');
        Ok(Self {
            sources: config.source_labels.clone(),
            separator: config.separator.clone(),
            target: config.target_label.clone(),
            is_plain: config.regex == ANYTHING
                && !has_group(&config.target_label)
                && !has_group(&config.replacement),
            regex,
            replacement: config.replacement.clone(),
            action,
        })
    }

    /// Applies the rule; `false` where what has the labels is dropped.
    fn apply(&self, labels: &mut Labels) -> bool {
        match self.action {
            Action::Keep => return self.regex.is_match(&self.source(labels)),
            Action::Drop => return !self.regex.is_match(&self.source(labels)),
            Action::KeepEqual => return get(labels, &self.target) == self.source(labels),
            Action::DropEqual => return get(labels, &self.target) != self.source(labels),
            Action::Replace => self.replace(labels),
            Action::HashMod(modulus) => {
                let hash = hash(&self.source(labels));
                set(labels, &self.target, (hash % modulus).to_string());
            }
            Action::LabelMap => {
                let mapped = |(name, value): (&String, &String)| {
                    let to = self.regex.is_match(name);
                    let to = to.then(|| self.regex.replace_all(name, self.replacement.as_str()));
                    to.map(|to| (to.into_owned(), value.clone()))
                };
                let all: Vec<_> = labels.iter().filter_map(mapped).collect();
                all.into_iter()
                    .for_each(|(name, value)| set(labels, &name, value));
            }
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
            Action::Lowercase => {
                let lower = self.source(labels).to_lowercase();
                set(labels, &self.target, lower);
            }
            Action::Uppercase => {
                let upper = self.source(labels).to_uppercase();
                set(labels, &self.target, upper);
            }
        }
        true
    }

    fn source(&self, labels: &Labels) -> String {
        let values: Vec<&str> = self.sources.iter().map(|name| get(labels, name)).collect();
        values.join(&self.separator)
    }

    fn replace(&self, labels: &mut Labels) {
        let source = self.source(labels);
        if source.is_empty() && self.is_plain {
            return set(labels, &self.target, self.replacement.clone());
        }
        let Some(groups) = self.regex.captures(&source) else {
            return;
        };
        let (mut target, mut value) = (String::new(), String::new());
        groups.expand(&self.target, &mut target);
        groups.expand(&self.replacement, &mut value);
        if !target.is_empty() {
            set(labels, &target, value);
        }
    }
}

fn action(config: &RelabelConfig) -> Result<Action, String> {
    let word = config.action.to_lowercase();
    let action = match word.as_str() {
        "replace" => Action::Replace,
        "keep" => Action::Keep,
        "drop" => Action::Drop,
        "keepequal" => Action::KeepEqual,
        "dropequal" => Action::DropEqual,
        "hashmod" if config.modulus == 0 => {
            return Err("hashmod needs a `modulus` that is not 0".into());
        }
        "hashmod" => Action::HashMod(config.modulus),
        "labelmap" => Action::LabelMap,
        "labeldrop" => Action::LabelDrop,
        "labelkeep" => Action::LabelKeep,
        "lowercase" => Action::Lowercase,
        "uppercase" => Action::Uppercase,
        _ => {
            return Err(format!(
                "there is no action {:?}; it is one of replace, keep, drop, keepequal, dropequal, \
                 hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase",
                config.action
            ));
        }
    };
    let writes = !matches!(
        action,
        Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep
    );
    if writes && config.target_label.is_empty() {
        return Err(format!("{word} needs a `target_label`"));
    }
    if action == Action::LabelMap && config.replacement.is_empty() {
        return Err("labelmap needs a `replacement` that is not empty".into());
    }
    let plain = RelabelConfig {
        regex: config.regex.clone(),
        action: config.action.clone(),
        ..RelabelConfig::default()
    };
    if matches!(action, Action::LabelDrop | Action::LabelKeep) && *config != plain {
        return Err(format!("{word} takes a `regex` and nothing else"));
    }
    let equal = RelabelConfig {
        source_labels: config.source_labels.clone(),
        target_label: config.target_label.clone(),
        action: config.action.clone(),
        ..RelabelConfig::default()
    };
    if matches!(action, Action::KeepEqual | Action::DropEqual) && *config != equal {
        return Err(format!(
            "{word} takes `source_labels` and a `target_label` and nothing else"
        ));
    }
    Ok(action)
}

/// The last eight bytes of the MD5 digest, as a number in big endian: what Prometheus'
/// `hashmod` takes, so that several agents and Prometheus' spread targets alike.
fn hash(text: &str) -> u64 {
    let digest = Md5::digest(text.as_bytes());
    let half = digest.last_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(half)
}

/// Applies the rules in order; `false` where what has the labels is dropped. Labels with an
/// empty value must have been removed, and none has one after.
pub(crate) fn apply(rules: &[Rule], labels: &mut Labels) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

pub(crate) fn get<'l>(labels: &'l Labels, name: &str) -> &'l str {
    labels.get(name).map_or("", String::as_str)
}

/// Sets a label; an empty value removes it.
pub(crate) fn set(labels: &mut BTreeMap<String, String>, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
