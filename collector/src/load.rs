//! The files people already have: rule files and the alert routing file.

use crate::config::{Config, RulesConfig};
use crate::evaluate::check;
use sonde_alerts::AlertConfig;
use sonde_rules::RuleFile;
use sonde_yaml::{Problem, Problems};
use std::path::{Path, PathBuf};

/// Reads one Prometheus rule file.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn rules_from_file(path: &Path) -> Result<RuleFile, Problems> {
    let text = read(path)?;
    sonde_rules::read(&path.display().to_string(), &text, &check)
}

/// Reads an Alertmanager configuration file.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn alerts_from_file(path: &Path) -> Result<AlertConfig, Problems> {
    let text = read(path)?;
    sonde_alerts::read_config(&path.display().to_string(), &text)
}

/// The rule files that a configuration names, and the shipped ones it switches on.
///
/// # Errors
/// Everything that is wrong in any of them.
pub(crate) fn rules(config: &RulesConfig) -> Result<Vec<RuleFile>, Problems> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    let mut keep = |read: Result<RuleFile, Problems>| match read {
        Ok(file) => files.push(file),
        Err(found) => problems.extend(found.0),
    };
    if config.use_rules {
        keep(sonde_rules::read(
            "use.rules.yaml",
            sonde_signals::USE_RULES,
            &check,
        ));
    }
    if config.default_alerts {
        keep(sonde_rules::read(
            "alerts.rules.yaml",
            sonde_signals::DEFAULT_ALERTS,
            &check,
        ));
    }
    for pattern in &config.files {
        match matching(pattern) {
            Ok(paths) => paths.iter().for_each(|path| keep(rules_from_file(path))),
            Err(problem) => keep(Err(Problems(vec![problem]))),
        }
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(Problems(problems))
    }
}

/// The alert routing that a configuration names.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn alerts(config: &Config) -> Result<Option<AlertConfig>, Problems> {
    config
        .alerts
        .config_file
        .as_deref()
        .map(alerts_from_file)
        .transpose()
}

/// The files of a glob. A name without wildcards must exist.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, Problem> {
    let problem = |message: String, hint: &str| Problem {
        file: pattern.into(),
        line: 0,
        column: 0,
        message,
        hint: Some(hint.into()),
    };
    let paths = glob::glob(pattern).map_err(|error| {
        problem(
            format!("rules.files: {error}"),
            "see `man 7 glob` for patterns",
        )
    })?;
    let paths: Vec<_> = paths.filter_map(Result::ok).collect();
    if paths.is_empty() && !pattern.contains(['*', '?', '[']) {
        return Err(problem(
            "rules.files: no such file".into(),
            "correct the name or remove it",
        ));
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path).map_err(|error| {
        Problems(vec![Problem {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            message: format!("cannot read the file: {error}"),
            hint: None,
        }])
    })
}
