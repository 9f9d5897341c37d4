//! `amtool check-config` as the judge: what it accepts we accept, unless we say that we cannot
//! do it; what it refuses we refuse.

use super::*;
use std::path::PathBuf;
use std::process::Command;

/// `amtool`, or `None` after saying that the test is skipped.
///
/// # Panics
/// In CI, where nothing may be skipped.
pub(crate) fn amtool() -> Option<PathBuf> {
    let env = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-tools/env");
    let installed = std::fs::read_to_string(env).unwrap_or_default();
    let named = installed
        .lines()
        .find_map(|line| line.strip_prefix("AMTOOL="));
    let found = named
        .into_iter()
        .chain(["/usr/bin/amtool"])
        .map(PathBuf::from)
        .find(|path| path.exists());
    if found.is_none() {
        let why = "no AMTOOL is installed: run tests/setup";
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{why}"
        );
        eprintln!("skipped: {why}");
    }
    found
}

fn accepts(amtool: &Path, dir: &Path, text: &str) -> bool {
    let file = dir.join("alertmanager.yaml");
    std::fs::write(&file, text).unwrap();
    let checked = Command::new(amtool)
        .arg("check-config")
        .arg(&file)
        .output()
        .unwrap();
    checked.status.success()
}

const HEAD: &str = "route: {receiver: a}\nreceivers:\n- name: a\n";

fn receiver(text: &str) -> String {
    format!("{HEAD}{text}\n")
}

fn route(text: &str) -> String {
    format!("receivers: [{{name: a}}, {{name: b}}]\nroute:\n  receiver: a\n{text}\n")
}

/// Both say the same.
fn same() -> Vec<String> {
    let slack = |text: &str| {
        receiver(&format!(
            "  slack_configs: [{{api_url: 'https://x.org', {text}}}]"
        ))
    };
    let email = |text: &str| {
        receiver(&format!(
            "  email_configs: [{{to: 'a@b.org', from: 'a@b.org', smarthost: 'x.org:25', {text}}}]"
        ))
    };
    vec![
        WHOLE.to_owned(),
        String::new(),
        "route: {receiver: a}\n".into(),
        "receivers: [{name: a}]\n".into(),
        receiver(""),
        receiver("- name: a"),
        receiver("  webhook_configs: [{url: 'http://x.org'}]"),
        receiver("  webhook_configs: [{}]"),
        receiver("  webhook_configs: [{url: 'x.org'}]"),
        receiver("  webhook_configs: [{url: 'http://x.org', unknown: 1}]"),
        receiver(
            "  webhook_configs: [{url: 'http://x.org', http_config: {basic_auth: {username: a, password: b}}}]",
        ),
        receiver(
            "  webhook_configs: [{url: 'http://x.org', http_config: {basic_auth: {username: a}, bearer_token: b}}]",
        ),
        slack("channel: '#x'"),
        slack("fields: [{title: x}]"),
        slack("fields: [{title: x, value: y}]"),
        slack("actions: [{type: button, text: x, url: 'http://x.org'}]"),
        slack("actions: [{type: button, text: x}]"),
        receiver("  slack_configs: [{channel: x}]"),
        receiver("  pagerduty_configs: [{routing_key: x}]"),
        receiver("  pagerduty_configs: [{}]"),
        email("send_resolved: true"),
        email("headers: {subject: x, Subject: y}"),
        receiver("  email_configs: [{to: 'a@b.org', from: 'a@b.org'}]"),
        receiver("  email_configs: [{from: 'a@b.org', smarthost: 'x.org:25'}]"),
        route("  group_by: ['...']"),
        route("  group_by: ['...', x]"),
        route("  group_by: [x, x]"),
        route("  group_interval: 0s"),
        route("  repeat_interval: 0s"),
        route("  group_wait: 1h30m"),
        route("  group_wait: 30m1h"),
        route("  group_wait: 1.5h"),
        route("  continue: true"),
        route("  matchers: [x=y]"),
        route("  routes: [{receiver: c}]"),
        route("  routes: [{receiver: b, continue: true, match: {x: y}}]"),
        route("  routes: [{match_re: {x: '('}}]"),
        route("  routes: [{match: {'x y': z}}]"),
        route("  routes: [{matchers: ['x=~\"(\"']}]"),
        route("  routes: [{matchers: ['x=y,z!=\"w\"', 'v!~u']}]"),
        route("  routes: [{matchers: ['{x=\"y\"}']}]"),
        route("  routes: [{mute_time_intervals: [none]}]"),
        route(
            "  routes: [{mute_time_intervals: [n]}]\ntime_intervals: [{name: n, time_intervals: [{weekdays: [monday]}]}]",
        ),
        route("time_intervals: [{name: n, time_intervals: [{weekdays: [moonday]}]}]"),
        route(
            "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '17:00', end_time: '09:00'}]}]}]",
        ),
        route("time_intervals: [{name: n, time_intervals: [{months: ['may:january']}]}]"),
        route("time_intervals: [{name: n, time_intervals: [{days_of_month: ['0']}]}]"),
        route("time_intervals: [{name: n, time_intervals: [{days_of_month: ['-3:-1']}]}]"),
        route("time_intervals: [{name: n, time_intervals: [{location: 'Nowhere/Land'}]}]"),
        route("time_intervals: [{name: n, time_intervals: []}, {name: n, time_intervals: []}]"),
        route("inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d], equal: [e]}]"),
        route("inhibit_rules: [{source_match: {a: b}, target_match_re: {c: '('}}]"),
        route("templates: ['templates/*.tmpl', 'missing/*.tmpl']"),
        format!("global: {{resolve_timeout: 1m, nothing: 2}}\n{HEAD}"),
        format!("global: {{resolve_timeout: x}}\n{HEAD}"),
        format!(
            "global: {{slack_api_url: 'https://x.org'}}\n{HEAD}  slack_configs: [{{channel: x}}]\n"
        ),
    ]
}

#[test]
fn amtool_accepts_what_we_accept_and_refuses_what_we_refuse() {
    let Some(amtool) = amtool() else { return };
    let dir = directory();
    let mut differences = Vec::new();
    let all = same();
    for text in &all {
        let (theirs, ours) = (
            accepts(&amtool, dir.path(), text),
            read_in(dir.path(), text),
        );
        if theirs != ours.is_ok() {
            differences.push(format!("amtool: {theirs}, ours: {ours:?}\n{text}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {}:\n{}",
        differences.len(),
        all.len(),
        differences.join("\n---\n")
    );
}

/// What amtool accepts and we refuse, each with the reason that we give.
#[test]
fn what_we_refuse_beyond_amtool_says_why() {
    let Some(amtool) = amtool() else { return };
    let dir = directory();
    let refused = [
        (
            receiver(
                "  webhook_configs: [{url: 'http://x.org', http_config: {follow_redirects: true}}]",
            ),
            "redirects are never followed",
        ),
        (
            receiver("  opsgenie_configs: [{api_key: x, api_url: 'https://x.org'}]"),
            "`opsgenie_configs` is not supported yet",
        ),
        (
            receiver("  pagerduty_configs: [{service_key: x}]"),
            "Events API v1",
        ),
        (
            receiver("  slack_configs: [{api_url: 'https://x.org', title: '{{ nothing }}'}]"),
            "function \"nothing\" not defined",
        ),
        (
            receiver(
                "  slack_configs: [{api_url: 'https://x.org', title: '{{ template \"none\" . }}'}]",
            ),
            "there is no template \"none\"",
        ),
        (
            receiver(
                "  email_configs: [{to: 'a@b.org', from: 'a@b.org', smarthost: 'x.org:25', auth_username: a, auth_password: b, require_tls: false}]",
            ),
            "sent unencrypted",
        ),
    ];
    for (text, why) in refused {
        assert!(accepts(&amtool, dir.path(), &text), "{text}");
        let problems = read_in(dir.path(), &text).unwrap_err();
        assert!(problems.contains(why), "{problems}");
    }
}

/// What amtool only notices when it notifies.
const STRICTER: [&str; 5] = [
    "there is no template",
    "unexpected {{end}}",
    "unexpected EOF",
    "there is a user name but no password",
    "is no mail server",
];

/// Each line left out, and a word of each line changed: a file that is wrong in one place.
#[test]
fn amtool_and_we_agree_about_a_file_with_one_mistake() {
    let Some(amtool) = amtool() else { return };
    let dir = directory();
    let lines: Vec<&str> = WHOLE.lines().collect();
    let without = (0..lines.len()).map(|at| [&lines[..at], &lines[at + 1..]].concat().join("\n"));
    let changed = (0..lines.len()).map(|at| {
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        lines[at] = match lines[at].split_once(": ") {
            Some((key, value)) if at % 2 == 0 => format!("{key}: x{value}"),
            Some((key, value)) => format!("{key}x: {value}"),
            None => format!("{}x", lines[at]),
        };
        lines.join("\n")
    });
    let mut differences = Vec::new();
    for (at, text) in without.chain(changed).enumerate() {
        let (theirs, ours) = (
            accepts(&amtool, dir.path(), &text),
            read_in(dir.path(), &text),
        );
        let is_stricter = |problem: &String| STRICTER.iter().any(|why| problem.contains(why));
        if theirs != ours.is_ok() && !(theirs && ours.as_ref().is_err_and(is_stricter)) {
            let line = lines[at % lines.len()];
            let ours = ours.map(|_| "accepts");
            differences.push(format!("{at} {line}: amtool {theirs}, ours {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
