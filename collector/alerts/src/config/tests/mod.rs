//! Tests of reading Alertmanager's configuration: what is accepted, and where mistakes are said
//! to be.

pub(crate) mod oracle;
mod places;

use super::*;
use sonde_proto::Labels;

const WHOLE: &str = include_str!("whole.yaml");

/// The configuration's directory, with templates.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("templates")).unwrap();
    let text =
        r#"{{ define "shop.title" }}{{ template "__subject" . }} at {{ .ExternalURL }}{{ end }}"#;
    std::fs::write(dir.path().join("templates/shop.tmpl"), text).unwrap();
    dir
}

/// Reads a configuration that lies in a directory.
fn read_in(dir: &Path, text: &str) -> Result<AlertConfig, String> {
    let file = dir.join("alertmanager.yaml").display().to_string();
    let dir = format!("{}/", dir.display());
    read_config(&file, text).map_err(|problems| problems.to_string().replace(&dir, ""))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

#[test]
fn a_configuration_of_every_part_is_read_as_it_is() {
    let dir = directory();
    let config = read_in(dir.path(), WHOLE).unwrap();
    assert_eq!(
        config.receivers().collect::<Vec<_>>(),
        ["everyone", "mails", "nobody", "pager"]
    );
    let routed = [
        (
            &[("severity", "critical"), ("team", "infra")][..],
            &["pager"][..],
        ),
        (
            &[
                ("severity", "critical"),
                ("team", "infra"),
                ("service", "database"),
                ("owner", "team-X"),
            ],
            &["pager", "mails"],
        ),
        (&[("alertname", "Watchdog")], &["nobody"]),
        (&[("alertname", "Other")], &["everyone"]),
    ];
    for (alert, receivers) in routed {
        assert_eq!(config.receivers_of(&labels(alert)), receivers, "{alert:?}");
    }
    assert_eq!(config.plan.resolve_timeout, Duration::from_secs(600));
    assert_eq!(config.plan.inhibit_rules.len(), 2);
    let outlets: Vec<(&str, bool)> = config.plan.receivers["pager"]
        .iter()
        .map(|outlet| (outlet.integration.as_str(), outlet.send_resolved))
        .collect();
    assert_eq!(outlets, [("pagerduty[0]", true), ("webhook[0]", true)]);
    assert!(!config.plan.receivers["mails"][0].send_resolved);
}

#[test]
fn routes_inherit_what_they_do_not_say() {
    let dir = directory();
    let routes = read_in(dir.path(), WHOLE).unwrap().plan.routes.0.clone();
    let pager = routes
        .iter()
        .find(|route| route.receiver == "pager")
        .unwrap();
    let below = &routes[pager.children[0]];
    assert_eq!(
        (below.receiver.as_str(), below.group_wait),
        ("pager", Duration::from_secs(10))
    );
    assert_eq!(below.repeat_interval, Duration::from_secs(3 * 3600));
    let mails = routes
        .iter()
        .find(|route| route.receiver == "mails")
        .unwrap();
    assert_eq!(mails.group_by, GroupBy::All);
    assert_eq!(mails.mute.len(), 2);
    let nobody = routes
        .iter()
        .find(|route| route.receiver == "nobody")
        .unwrap();
    assert_eq!(nobody.repeat_interval, Duration::from_secs(7 * 24 * 3600));
}

#[test]
fn no_secret_is_printed() {
    let dir = directory();
    let printed = format!("{:?}", read_in(dir.path(), WHOLE).unwrap());
    for secret in ["s3cret", "pa55word", "r0utingkey"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    // Nor in what is said about a file that is wrong.
    let wrong = WHOLE
        .replace(
            "https://hooks.slack.com/services/T0/B0/s3cret",
            "ftp://s3cret",
        )
        .replace("routing_key: r0utingkey", "routing_key: [r0utingkey]");
    let problems = read_in(dir.path(), &wrong).unwrap_err();
    assert!(
        !problems.contains("s3cret") && !problems.contains("r0utingkey"),
        "{problems}"
    );
}

#[test]
fn without_a_file_nobody_is_told() {
    let config = AlertConfig::nobody();
    assert_eq!(config.receivers_of(&labels(&[("a", "b")])), ["nobody"]);
    assert!(config.plan.receivers["nobody"].is_empty());
}

proptest::proptest! {
    /// Cut anywhere and with any byte changed, a file is read or refused, and nothing panics.
    #[test]
    fn no_text_panics(at in 0..WHOLE.len(), with in "[ -~\n]{0,3}", cut in proptest::bool::ANY) {
        let (before, after) = WHOLE.split_at(at);
        let text = if cut { format!("{before}{with}") } else { format!("{before}{with}{}", &after[1..]) };
        let _ = read_config("alertmanager.yaml", &text);
    }
}
