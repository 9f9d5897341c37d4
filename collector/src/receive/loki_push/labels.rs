//! A pushed stream's labels, and the resource attributes they become.
//!
//! A label `job` becomes the resource attribute `loki.label.job`, so that reading gives it back
//! under its own name whatever attributes are configured to become labels. `service_name` is
//! added where it is missing, from the labels from which Loki would take it, and goes in as
//! `service.name` too, by which everything else knows services. A label that tells a level, as
//! `level` or `severity`, is the severity of the stream's records as well.

use super::{Limits, level};
use std::borrow::Cow;
use std::collections::HashSet;

/// Which resource attributes are labels of a pushed stream: the name follows.
pub(crate) const PREFIX: &str = "loki.label.";
/// The label that every pushed stream has.
pub(crate) const SERVICE_NAME: &str = "service_name";

const LABEL_NAME_BYTES_MAX: usize = 1024;
/// How much of a name is repeated in a message.
const SHOWN_CHARS: usize = 200;
/// The labels that name a service, the surest first.
pub(crate) const SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// What a stream's records have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamLabels {
    /// Sorted by name.
    pairs: Vec<(String, String)>,
    /// The level that a label tells.
    pub(super) level: Option<String>,
}

impl StreamLabels {
    /// Reads `{name="value", …}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_text(text: &str, limits: Limits) -> Result<Self, String> {
        let text = text.trim();
        if !text.starts_with('{') {
            return Err("its labels are not written as {name=\"value\"}".into());
        }
        let pairs = sonde_logql::parse_labels(text)
            .map_err(|error| format!("its labels cannot be read: {error}"))?;
        let mut names = HashSet::new();
        if let Some((twice, _)) = pairs.iter().find(|(name, _)| !names.insert(name)) {
            return Err(format!("label {twice:?} is there twice"));
        }
        Self::of_pairs(pairs, limits)
    }

    /// Takes names and values; those without a value are as good as missing.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn of_pairs(
        mut pairs: Vec<(String, String)>,
        limits: Limits,
    ) -> Result<Self, String> {
        pairs.retain(|(_, value)| !value.is_empty());
        if pairs.is_empty() {
            return Err("it has no label; a stream needs at least one".into());
        }
        if pairs.len() > limits.labels_max {
            return Err(format!(
                "it has {} labels, and logs.labels_max allows {}; send what differs from line to line as structured metadata",
                pairs.len(),
                limits.labels_max
            ));
        }
        for (name, value) in &pairs {
            check(name, value, limits)?;
        }
        let tells = |(name, _): &&(String, String)| level::is_key(name.as_bytes());
        let level = pairs.iter().find(tells).map(|(_, value)| value.clone());
        if !pairs.iter().any(|(name, _)| name == SERVICE_NAME) {
            pairs.push((SERVICE_NAME.into(), service(&pairs).into()));
        }
        pairs.sort_unstable();
        Ok(Self { pairs, level })
    }

    /// The attributes of the resource that stands for the stream.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        let service = self.pairs.iter().filter(|(name, _)| name == SERVICE_NAME);
        let service = service.map(|(_, value)| (Cow::Borrowed("service.name"), value.as_str()));
        let own = self
            .pairs
            .iter()
            .map(|(name, value)| (Cow::Owned(format!("{PREFIX}{name}")), value.as_str()));
        service.chain(own)
    }
}

fn check(name: &str, value: &str, limits: Limits) -> Result<(), String> {
    let shown: String = name.chars().take(SHOWN_CHARS).collect();
    let is_name = name
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_alphabetic() || b == b'_' || at > 0 && b.is_ascii_digit());
    if name.is_empty() || !is_name || name.len() > LABEL_NAME_BYTES_MAX {
        return Err(format!(
            "{shown:?} is no label name: those are up to {LABEL_NAME_BYTES_MAX} letters, digits and underscores, and begin with no digit"
        ));
    }
    if value.len() > limits.label_value_bytes_max {
        return Err(format!(
            "the value of label {shown:?} has {} bytes, and logs.label_value_bytes_max allows {}",
            value.len(),
            limits.label_value_bytes_max
        ));
    }
    Ok(())
}

fn service(pairs: &[(String, String)]) -> &str {
    let mut named = SERVICE_LABELS.iter().filter_map(|name| {
        let pair = pairs.iter().find(|(own, _)| own == name);
        pair.map(|(_, value)| value.as_str())
    });
    named.next().unwrap_or("unknown_service")
}

/// A stream as messages name it.
impl std::fmt::Display for StreamLabels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.pairs.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        labels_max: 4,
        label_value_bytes_max: 10,
    };

    #[test]
    fn labels_come_out_as_they_went_in_with_the_service_they_name() {
        let check = |text: &str, expected: &str, level: Option<&str>| {
            let labels = StreamLabels::of_text(text, LIMITS).unwrap();
            assert_eq!(labels.to_string(), expected);
            assert_eq!(labels.level.as_deref(), level);
        };
        check(r#"{job="x"}"#, r#"{job="x", service_name="x"}"#, None);
        check(
            r#" { a = "1", app="shop", level="WARN" } "#,
            r#"{a="1", app="shop", level="WARN", service_name="shop"}"#,
            Some("WARN"),
        );
        check(
            r#"{service_name="s",app="shop",b=""}"#,
            r#"{app="shop", service_name="s"}"#,
            None,
        );
        check(
            r#"{pod="p"}"#,
            r#"{pod="p", service_name="unknown_service"}"#,
            None,
        );
        let labels = StreamLabels::of_text(r#"{job="x"}"#, LIMITS).unwrap();
        let attributes: Vec<_> = labels
            .attributes()
            .map(|(n, v)| (n.into_owned(), v))
            .collect();
        assert_eq!(
            attributes,
            [
                ("service.name".to_owned(), "x"),
                ("loki.label.job".to_owned(), "x"),
                ("loki.label.service_name".to_owned(), "x"),
            ]
        );
    }

    #[test]
    fn what_are_no_labels_is_refused_by_name() {
        let check = |text: &str, expected: &str| {
            let error = StreamLabels::of_text(text, LIMITS).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "are not written as");
        check("job", "are not written as");
        check("{}", "has no label");
        check(r#"{a=""}"#, "has no label");
        check(r#"{a="1""#, "cannot be read");
        check(r#"{a=~"1"}"#, "given with =");
        check(r#"{a="1",a="2"}"#, "twice");
        check(r#"{a="1",b="2",c="3",d="4",e="5"}"#, "has 5 labels");
        check(r#"{a="12345678901"}"#, "has 11 bytes");
        let foreign = StreamLabels::of_pairs(vec![("a-b".into(), "1".into())], LIMITS);
        assert!(foreign.unwrap_err().contains("is no label name"));
    }
}
