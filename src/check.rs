//! `sonde check`: every problem of every file, at once.

use crate::command::CheckArguments;
use crate::config;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What a file is, told by its top-level keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Configuration,
    Rules,
    Routing,
}

/// Checks files and says what they are. The exit code is 1 when any has a problem.
pub(crate) fn check(arguments: &CheckArguments) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let mut clean = true;
    for path in &arguments.files {
        let checked = check_file(path, &arguments.set);
        clean &= checked.is_ok();
        let line = match checked {
            Ok(what) => format!("{}: ok, {what}", path.display()),
            Err(problems) => problems,
        };
        // A closed pipe is the reader's choice; the exit code still tells.
        let _ = writeln!(out, "{line}");
    }
    if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check_file(path: &Path, set: &[(String, String)]) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot read the file: {error}", path.display()))?;
    match kind(&text) {
        Kind::Configuration => check_configuration(path, set),
        Kind::Rules => sonde_collector::rules_from_file(path)
            .map(|_| "a rule file".into())
            .map_err(|problems| problems.to_string()),
        Kind::Routing => sonde_collector::alerts_from_file(path)
            .map(|_| "an alert routing file".into())
            .map_err(|problems| problems.to_string()),
    }
}

/// The configuration and the files it names.
fn check_configuration(path: &Path, set: &[(String, String)]) -> Result<String, String> {
    let config = config::read(path, set).map_err(|problems| problems.to_string())?;
    let problems = config.collector().check_files();
    sonde_agent::scrape::check(&config.agent.scrape)
        .map_err(|why| format!("{}: agent.{why}", path.display()))?;
    if problems.0.is_empty() {
        Ok("a configuration file".into())
    } else {
        Err(problems.to_string())
    }
}

/// The kind of a file: rule files have `groups`, routing files `route` or `receivers`.
fn kind(text: &str) -> Kind {
    let key = |line: &str| {
        line.split_once(':')
            .map(|(key, _)| key.trim_end().to_owned())
    };
    let keys: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '-']))
        .filter_map(key)
        .collect();
    let has = |name: &str| keys.iter().any(|key| key.trim_matches(['"', '\'']) == name);
    if has("groups") {
        Kind::Rules
    } else if has("route") || has("receivers") || has("inhibit_rules") {
        Kind::Routing
    } else {
        Kind::Configuration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_is_told_by_its_top_level_keys() {
        let check = |text: &str, expected| assert_eq!(kind(text), expected, "{text}");
        check("groups:\n- name: a\n", Kind::Rules);
        check(
            "# rules\n\nglobal: {}\nroute:\n  receiver: a\n",
            Kind::Routing,
        );
        check("http:\n  groups: 1\n", Kind::Configuration);
        check("", Kind::Configuration);
    }
}
