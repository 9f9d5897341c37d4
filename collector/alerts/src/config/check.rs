//! What every part of the checking shares: the list of problems, and the readers of small values.

use super::raw::{RawConfig, RawGlobal, RawInhibitRule};
use crate::inhibit::InhibitRule;
use crate::matchers;
use crate::secret::{Secret, SecretSource};
use crate::text::{Escape, Text, Texts};
use sonde_proto::period;
use sonde_proto::{MatchOp, Matcher};
use sonde_yaml::{Checked, Problem, Problems};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration that is being checked.
pub(super) struct Check<'a> {
    checked: &'a Checked<RawConfig>,
    dir: PathBuf,
    texts: Texts,
    problems: Vec<Problem>,
}

/// A secret and the file that it may be in instead: key, values.
pub(super) struct RawSecret<'a> {
    pub(super) key: &'a str,
    pub(super) inline: Option<&'a Secret>,
    pub(super) file: Option<&'a str>,
}

impl<'a> Check<'a> {
    pub(super) fn new(checked: &'a Checked<RawConfig>, dir: PathBuf) -> Self {
        Self {
            checked,
            dir,
            texts: Texts::default(),
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

    /// Adds a problem at a path.
    pub(super) fn problem(&mut self, path: &str, message: impl Into<String>) {
        let message = one_line(message.into());
        self.problems.push(self.checked.at(path, message));
    }

    /// Refuses what is there and cannot be done yet.
    pub(super) fn unsupported(&mut self, path: &str, is_there: bool) {
        if is_there {
            let key = path
                .rsplit('.')
                .next()
                .unwrap_or(path)
                .split('[')
                .next()
                .unwrap_or(path)
                .to_owned();
            self.problem(path, format!("`{key}` is not supported yet; remove it"));
        }
    }

    pub(super) fn period(&mut self, path: &str, text: Option<&str>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        period::parse(text).unwrap_or_else(|message| {
            self.problem(path, message);
            default
        })
    }

    /// A path in the file, relative to the file.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// A secret that is written here or in a file, but not in both.
    pub(super) fn secret(&mut self, path: &str, raw: &RawSecret<'_>) -> Option<SecretSource> {
        let key = raw.key;
        match (raw.inline, raw.file) {
            (Some(_), Some(_)) => {
                self.problem(
                    &format!("{path}.{key}"),
                    format!("both `{key}` and `{key}_file` are given; keep one"),
                );
                None
            }
            (Some(secret), None) => Some(SecretSource::Inline(secret.clone())),
            (None, Some(file)) => Some(SecretSource::File(self.path(file))),
            (None, None) => None,
        }
    }

    /// Reads the files with templates.
    pub(super) fn texts(&mut self, globs: &[String]) {
        for (at, pattern) in globs.iter().enumerate() {
            for problem in self.texts.add_files(&self.dir, pattern) {
                self.problem(&format!("templates[{at}]"), problem);
            }
        }
    }

    /// A text with templates, as given or by default.
    pub(super) fn text(&mut self, path: &str, given: Option<&str>, default: &str) -> Text {
        self.escaped_text(path, given, default, Escape::None)
    }

    pub(super) fn escaped_text(
        &mut self,
        path: &str,
        given: Option<&str>,
        default: &str,
        escape: Escape,
    ) -> Text {
        self.texts
            .compile(given.unwrap_or(default), escape)
            .unwrap_or_else(|problem| {
                let place =
                    self.checked
                        .inside(path, problem.line, problem.column, problem.message);
                self.problems.push(place);
                Text::default()
            })
    }

    /// Matchers in all their forms: lines, equal labels, patterns.
    pub(super) fn matchers(
        &mut self,
        (lines_path, lines): (&str, &[String]),
        (equals_path, equals): (&str, &BTreeMap<String, String>),
        (patterns_path, patterns): (&str, &BTreeMap<String, String>),
    ) -> Vec<Matcher> {
        let mut found = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            match matchers::parse(line) {
                Ok(matchers) => found.extend(matchers),
                Err(message) => self.problem(&format!("{lines_path}[{at}]"), message),
            }
        }
        let older = [
            (equals_path, equals, MatchOp::Equal),
            (patterns_path, patterns, MatchOp::Regex),
        ];
        for (path, pairs, op) in older {
            for (name, value) in pairs {
                let path = format!("{path}.{name}");
                match Matcher::new(name, op, value) {
                    _ if !matchers::is_plain_name(name) => {
                        self.problem(&path, format!("{name:?} is no label name"));
                    }
                    Ok(matcher) => found.push(matcher),
                    Err(error) => self.problem(&path, error.to_string()),
                }
            }
        }
        found
    }

    pub(super) fn inhibit_rules(&mut self, rules: &[RawInhibitRule]) -> Vec<InhibitRule> {
        let mut found = Vec::new();
        for (at, raw) in rules.iter().enumerate() {
            let path = |key: &str| format!("inhibit_rules[{at}].{key}");
            let source = self.matchers(
                (&path("source_matchers"), &raw.source_matchers),
                (&path("source_match"), &raw.source_match),
                (&path("source_match_re"), &raw.source_match_re),
            );
            let target = self.matchers(
                (&path("target_matchers"), &raw.target_matchers),
                (&path("target_match"), &raw.target_match),
                (&path("target_match_re"), &raw.target_match_re),
            );
            found.push(InhibitRule {
                source,
                target,
                equal: raw.equal.clone(),
            });
        }
        found
    }

    /// What the global part says about receivers that are not supported.
    pub(super) fn global(&mut self, raw: &RawGlobal) {
        let is_there = [
            ("smtp_auth_secret", raw.smtp_auth_secret.is_some()),
            ("smtp_auth_secret_file", raw.smtp_auth_secret_file.is_some()),
            ("opsgenie_api_url", raw.opsgenie_api_url.is_some()),
            ("opsgenie_api_key", raw.opsgenie_api_key.is_some()),
            ("opsgenie_api_key_file", raw.opsgenie_api_key_file.is_some()),
            ("victorops_api_url", raw.victorops_api_url.is_some()),
            ("victorops_api_key", raw.victorops_api_key.is_some()),
            (
                "victorops_api_key_file",
                raw.victorops_api_key_file.is_some(),
            ),
            ("telegram_api_url", raw.telegram_api_url.is_some()),
            ("webex_api_url", raw.webex_api_url.is_some()),
            ("wechat_api_url", raw.wechat_api_url.is_some()),
            ("wechat_api_secret", raw.wechat_api_secret.is_some()),
            ("wechat_api_corp_id", raw.wechat_api_corp_id.is_some()),
        ];
        for (key, is_there) in is_there {
            self.unsupported(&format!("global.{key}"), is_there);
        }
    }
}

/// What a regular expression's error says in several lines, without the drawing.
fn one_line(message: String) -> String {
    match (message.split_once('\n'), message.rsplit_once("error: ")) {
        (Some((first, _)), Some((_, last))) => format!("{first} {last}"),
        _ => message,
    }
}
