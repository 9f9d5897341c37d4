//! Raw groups and rules become checked ones; whatever is wrong becomes a problem.

use super::raw::{RawFile, RawGroup, RawRule};
use super::{AlertingSpec, GroupSpec, RecordingSpec, RuleSpec};
use crate::query::ExprError;
use crate::template::Text;
use sonde_proto::period;
use sonde_yaml::{Checked, Problem, Problems};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A file that is being checked.
pub(super) struct Check<'a> {
    checked: &'a Checked<RawFile>,
    expr: &'a dyn Fn(&str) -> Result<(), ExprError>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        checked: &'a Checked<RawFile>,
        expr: &'a dyn Fn(&str) -> Result<(), ExprError>,
    ) -> Self {
        Self {
            checked,
            expr,
            problems: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Result<(), Problems> {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.problems))
        }
    }

    pub(super) fn groups(&mut self) -> Vec<GroupSpec> {
        let groups = &self.checked.value.groups;
        let mut names = BTreeSet::new();
        let mut checked = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let path = format!("groups[{at}]");
            if group.name.is_empty() {
                self.problem(&path, "the group has no `name`");
            } else if !names.insert(&group.name) {
                let message = format!("the group name {:?} is used twice", group.name);
                self.problem(&format!("{path}.name"), message);
            }
            checked.push(self.group(&path, group));
        }
        checked
    }

    fn group(&mut self, path: &str, group: &RawGroup) -> GroupSpec {
        self.label_names(path, &group.labels);
        let interval = self.period(path, "interval", group.interval.as_deref());
        let query_offset = self.period(path, "query_offset", group.query_offset.as_deref());
        let mut rules = Vec::new();
        for (at, rule) in group.rules.iter().enumerate() {
            let path = format!("{path}.rules[{at}]");
            rules.extend(self.rule(&path, rule, &group.labels));
        }
        GroupSpec {
            name: group.name.clone(),
            // Zero stands for the default.
            interval: interval.filter(|interval| !interval.is_zero()),
            query_offset,
            limit: group
                .limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(0),
            rules,
        }
    }

    /// `None` when it is neither recording nor alerting.
    fn rule(
        &mut self,
        path: &str,
        rule: &RawRule,
        shared: &BTreeMap<String, String>,
    ) -> Option<RuleSpec> {
        let expr = self.expr(path, rule.expr.as_deref());
        self.label_names(path, &rule.labels);
        let mut labels = shared.clone();
        labels.extend(rule.labels.clone());
        let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        match (given(&rule.record), given(&rule.alert)) {
            (Some(record), None) => {
                self.recording(path, &record, rule);
                Some(RuleSpec::Recording(RecordingSpec {
                    record,
                    expr,
                    labels,
                }))
            }
            (None, Some(alert)) => Some(RuleSpec::Alerting(AlertingSpec {
                alert,
                expr,
                hold: self
                    .period(path, "for", rule.hold.as_deref())
                    .unwrap_or_default(),
                keep_firing_for: self
                    .period(path, "keep_firing_for", rule.keep_firing_for.as_deref())
                    .unwrap_or_default(),
                labels: self.texts(&format!("{path}.labels"), &labels),
                annotations: self.annotations(path, &rule.annotations),
            })),
            (Some(_), Some(_)) => {
                let message = "a rule has either `record` or `alert`, not both; make it two rules";
                self.problem(&format!("{path}.alert"), message);
                None
            }
            (None, None) => {
                self.problem(path, "the rule has neither `record` nor `alert`");
                None
            }
        }
    }

    fn expr(&mut self, path: &str, expr: Option<&str>) -> String {
        let expr = expr.unwrap_or_default().trim_end();
        if expr.is_empty() {
            self.problem(path, "the rule has no `expr`");
        } else if let Err(error) = (self.expr)(expr) {
            let at = self.checked.inside(
                &format!("{path}.expr"),
                error.line,
                error.column,
                format!("`expr`: {}", error.message),
            );
            self.problems.push(at);
        }
        expr.into()
    }

    fn recording(&mut self, path: &str, record: &str, rule: &RawRule) {
        if !is_metric_name(record) {
            let message = format!(
                "{record:?} is no metric name: letters, digits, `_` and `:`, not beginning with a digit"
            );
            self.problem(&format!("{path}.record"), message);
        }
        for (key, text) in [
            ("for", rule.hold.as_deref()),
            ("keep_firing_for", rule.keep_firing_for.as_deref()),
        ] {
            if self
                .period(path, key, text)
                .is_some_and(|period| !period.is_zero())
            {
                let message = format!("`{key}` belongs to alerting rules; this one records");
                self.problem(&format!("{path}.{key}"), message);
            }
        }
        if !rule.annotations.is_empty() {
            let message = "`annotations` belong to alerting rules; this one records";
            self.problem(&format!("{path}.annotations"), message);
        }
    }

    fn label_names(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        for name in labels.keys() {
            if !is_label_name(name) || name == "__name__" {
                let message = format!(
                    "{name:?} is no label name: letters, digits and `_`, not beginning with a digit, and not `__name__`"
                );
                self.problem(&format!("{path}.labels.{name}"), message);
            }
        }
    }

    fn annotations(
        &mut self,
        path: &str,
        annotations: &BTreeMap<String, String>,
    ) -> BTreeMap<String, Text> {
        let path = format!("{path}.annotations");
        if annotations.contains_key("") {
            self.problem(&path, "an annotation has no name");
        }
        self.texts(&path, annotations)
    }

    /// The templates among labels or annotations. A template that stands in the labels of
    /// the group is checked with the first rule that uses it and placed there.
    fn texts(&mut self, path: &str, texts: &BTreeMap<String, String>) -> BTreeMap<String, Text> {
        let mut read = BTreeMap::new();
        for (name, text) in texts {
            match Text::parse(text) {
                Ok(text) => {
                    read.insert(name.clone(), text);
                }
                Err(error) => {
                    let message = format!("template `{name}`: {}", error.message);
                    let path = format!("{path}.{name}");
                    let at = self
                        .checked
                        .inside(&path, error.line, error.column, message);
                    self.problems.push(at);
                }
            }
        }
        read
    }

    fn period(&mut self, path: &str, key: &str, text: Option<&str>) -> Option<Duration> {
        match period::parse(text?) {
            Ok(period) => Some(period),
            Err(message) => {
                self.problem(&format!("{path}.{key}"), format!("`{key}`: {message}"));
                None
            }
        }
    }

    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(self.checked.at(path, message));
    }
}

fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_metric_name(name: &str) -> bool {
    let without_colons = name.replace(':', "_");
    is_label_name(&without_colons)
}
