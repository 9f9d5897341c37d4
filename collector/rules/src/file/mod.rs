//! Rule files: read as they are, checked as a whole.
//!
//! ```text
//! text ─▶ raw (names, by sonde-yaml) ─▶ check (meanings) ─▶ RuleFile
//!                                        └▶ every problem, each at its place
//! ```
//!
//! The rules are Prometheus' (`model/rulefmt`), except that names of metrics and labels keep
//! to letters, digits and `_`, as the store would rename others.

mod raw;
mod check;

use crate::query::ExprError;
use crate::template::Text;
use sonde_proto::Labels;
use sonde_yaml::{Options, Problems};
use std::collections::BTreeMap;
use std::time::Duration;

/// A rule file that has been checked.
#[derive(Clone, Debug)]
pub struct RuleFile {
    pub(crate) name: String,
    pub(crate) groups: Vec<GroupSpec>,
}

impl RuleFile {
    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many rules it has, over all groups.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.groups.iter().map(|group| group.rules.len()).sum()
    }
}

/// A group as written.
#[derive(Clone, Debug)]
pub(crate) struct GroupSpec {
    pub(crate) name: String,
    pub(crate) interval: Option<Duration>,
    pub(crate) query_offset: Option<Duration>,
    pub(crate) limit: usize,
    pub(crate) rules: Vec<RuleSpec>,
}

/// A rule as written.
#[derive(Clone, Debug)]
pub(crate) enum RuleSpec {
    Recording(RecordingSpec),
    Alerting(AlertingSpec),
}

/// A recording rule as written; its labels with those of its group.
#[derive(Clone, Debug)]
pub(crate) struct RecordingSpec {
    pub(crate) record: String,
    pub(crate) expr: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// An alerting rule as written; its labels with those of its group.
#[derive(Clone, Debug)]
pub(crate) struct AlertingSpec {
    pub(crate) alert: String,
    pub(crate) expr: String,
    pub(crate) hold: Duration,
    pub(crate) keep_firing_for: Duration,
    pub(crate) labels: BTreeMap<String, Text>,
    pub(crate) annotations: BTreeMap<String, Text>,
}

impl AlertingSpec {
    /// The labels with their templates.
    pub(crate) fn written_labels(&self) -> Labels {
        written(&self.labels)
    }

    /// The annotations with their templates.
    pub(crate) fn written_annotations(&self) -> Labels {
        written(&self.annotations)
    }
}

fn written(texts: &BTreeMap<String, Text>) -> Labels {
    texts
        .iter()
        .map(|(name, text)| (name, text.written()))
        .collect()
}

/// Reads and checks a rule file. `file` is the name that problems carry and by which the
/// rules' state is found again; `check` says whether a text is an expression.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it, by place.
pub fn read(
    file: &str,
    text: &str,
    check: &dyn Fn(&str) -> Result<(), ExprError>,
) -> Result<RuleFile, Problems> {
    sonde_yaml::read_and_check(file, text, &Options::default(), |checked| {
        let mut checking = check::Check::new(&checked, check);
        let groups = checking.groups();
        checking.finish()?;
        Ok(RuleFile {
            name: file.into(),
            groups,
        })
    })
}

#[cfg(test)]
mod tests;
