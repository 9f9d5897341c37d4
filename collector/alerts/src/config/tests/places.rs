//! Mistakes are reported at their line and column, with what to do.

use super::*;

/// The problems of a configuration whose receivers, route or whole is given.
fn check(text: &str, expected: &[&str]) {
    let dir = directory();
    let problems = read_in(dir.path(), text).expect_err(text);
    let problems: Vec<&str> = problems
        .lines()
        .map(|line| line.strip_prefix("alertmanager.yaml:").unwrap_or(line))
        .collect();
    assert_eq!(problems, expected, "{text}");
}

const ROUTE: &str = "route: {receiver: a}\n";

fn check_receiver(receiver: &str, expected: &[&str]) {
    check(
        &format!("{ROUTE}receivers:\n- name: a\n{receiver}"),
        expected,
    );
}

fn check_route(route: &str, expected: &[&str]) {
    check(
        &format!("receivers: [{{name: a}}, {{name: b}}]\nroute:\n  receiver: a\n{route}"),
        expected,
    );
}

#[test]
fn keys_that_do_not_exist_are_named_with_the_nearest_that_do() {
    check_receiver(
        "  slack_confgs: []\n",
        &["4:3: unknown key `slack_confgs` in `receivers[0]` (did you mean `slack_configs`?)"],
    );
    check_route(
        "  group_bye: [x]\n",
        &["4:3: unknown key `group_bye` in `route` (did you mean `group_by`?)"],
    );
}

#[test]
fn what_is_not_supported_is_refused_and_not_ignored() {
    check_receiver(
        "  opsgenie_configs: [{api_key: x}]\n",
        &["4:21: `opsgenie_configs` is not supported yet; remove it"],
    );
    check_receiver(
        "  webhook_configs:\n  - url: http://x.org\n    http_config: {oauth2: {client_id: x}, follow_redirects: true}\n",
        &[
            "6:27: `oauth2` is not supported yet; remove it",
            "6:61: redirects are never followed, because they would carry alerts and secrets elsewhere; write the final URL",
        ],
    );
    check_receiver(
        "  pagerduty_configs: [{service_key: x, routing_key: y}]\n",
        &[
            "4:37: `service_key` is of Events API v1, which is not supported; use `routing_key` of Events API v2",
        ],
    );
    check(
        &format!("tracing: {{endpoint: x}}\n{ROUTE}receivers: [{{name: a}}]\n"),
        &["1:10: `tracing` is not supported yet; remove it"],
    );
}

#[test]
fn a_wrong_route_is_reported_where_it_is_wrong() {
    check(
        "receivers: [{name: a}]\n",
        &["1:1: the key `route` is missing: it says who is told"],
    );
    check_route(
        "  routes:\n  - receiver: c\n  - matchers: ['a=']\n  - matchers: ['a=~\"[\"']\n",
        &[
            "5:15: `c` is not defined; defined are `a`, `b`",
            "7:16: bad regular expression \"[\" for label \"a\": regex parse error: unclosed character class",
        ],
    );
    check_route(
        "  group_wait: soon\n  group_interval: 0s\n  group_by: [x, x]\n",
        &[
            "4:15: \"soon\" is no duration; write whole numbers with units, largest first, like \"30s\", \"5m\" or \"1h30m\"",
            "5:19: must be longer than nothing",
            "6:13: a label is named twice",
        ],
    );
    check_route(
        "  continue: true\n  matchers: [a=\"b\"]\n  routes: [{mute_time_intervals: [night]}]\n",
        &[
            "3:3: the root route takes every alert; move its matchers to a route below",
            "4:13: the root route has no siblings to continue with; remove `continue`",
            "6:35: `night` is not defined; defined are none",
        ],
    );
}

#[test]
fn a_receiver_without_what_it_needs_is_refused() {
    check_receiver(
        "  slack_configs: [{channel: '#x'}]\n",
        &["4:19: no URL: give `api_url` or `api_url_file` here, or `slack_api_url` under `global`"],
    );
    check_receiver(
        "  webhook_configs: [{url: 'localhost:80', url_file: x}]\n",
        &[
            "4:27: expected a URL that begins with http:// or https://",
            "4:27: both `url` and `url_file` are given; keep one",
        ],
    );
    check_receiver(
        "  email_configs: [{to: '', from: a@b.org, smarthost: mail, auth_username: x}]\n",
        &[
            "4:19: no addressee: give `to`",
            "4:19: there is a user name but no password: give `auth_password` or `auth_password_file`",
            "4:54: \"mail\" is no mail server; write host:port, like mail.example.org:587",
        ],
    );
    check_receiver(
        "  email_configs: [{to: a@b.org, from: a@b.org, smarthost: 'mail.org:25', auth_username: x, auth_password: y, require_tls: false}]\n",
        &[
            "4:19: with `require_tls: false` the password would be sent unencrypted to another machine; remove the login, or `require_tls: false`",
        ],
    );
    check(
        "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
        &["2:31: receiver `a` is defined twice"],
    );
}

#[test]
fn a_wrong_template_is_reported_inside_of_its_text() {
    let slack =
        |text: &str| format!("  slack_configs:\n  - api_url: https://x.org\n    title: {text}\n");
    check_receiver(
        &slack("'{{ .Status | toUper }}'"),
        &["6:26: function \"toUper\" not defined"],
    );
    check_receiver(
        &slack("'{{ template \"slack.defualt.title\" . }}'"),
        &[
            "6:25: there is no template \"slack.defualt.title\"; the nearest that exists is \"slack.default.title\"",
        ],
    );
    check_receiver(
        &slack("|\n      first\n      {{ toDate \"\" \"\" }}"),
        &["8:10: function \"toDate\" not defined"],
    );
}

#[test]
fn a_wrong_template_file_is_reported_with_its_own_place() {
    let dir = directory();
    std::fs::write(
        dir.path().join("templates/bad.tmpl"),
        "{{ define \"x\" }}\n{{ nothing }}{{ end }}",
    )
    .unwrap();
    let problems = read_in(dir.path(), WHOLE).unwrap_err();
    assert_eq!(
        problems,
        "alertmanager.yaml:16:5: templates/bad.tmpl:2:4: function \"nothing\" not defined"
    );
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_and_in_order() {
    let text = "route:\n  receiver: x\n  group_wait: 1\nreceivers:\n- name: a\n  webhook_configs: [{}]\ninhibit_rules:\n- source_match: {a b: c}\n";
    check(
        text,
        &[
            "2:13: `x` is not defined; defined are `a`",
            "3:15: \"1\" is no duration; write whole numbers with units, largest first, like \"30s\", \"5m\" or \"1h30m\"",
            "6:21: no URL: give `url` or `url_file`",
            "8:23: \"a b\" is no label name",
        ],
    );
}
