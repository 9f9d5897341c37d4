//! What paths and texts say.

use super::*;
use crate::config::PathRule;

fn attributes(config: &Config, path: &str, aliases: &[&str]) -> BTreeMap<String, String> {
    let aliases: Vec<_> = aliases.iter().map(PathBuf::from).collect();
    Enricher::new(config, "node-1")
        .unwrap()
        .attributes(Path::new(path), &aliases)
}

#[test]
fn kubelets_paths_name_the_pod_and_its_container() {
    let id = "0123456789abcdef".repeat(4);
    let found = attributes(
        &Config::default(),
        "/var/log/pods/shop_cart-7f_2a9c-11/cart/3.log",
        &[&format!("/var/log/containers/cart-7f_shop_cart-{id}.log")],
    );
    let get = |key: &str| found.get(key).map(String::as_str);
    assert_eq!(get("k8s.namespace.name"), Some("shop"));
    assert_eq!(get("k8s.pod.name"), Some("cart-7f"));
    assert_eq!(get("k8s.pod.uid"), Some("2a9c-11"));
    assert_eq!(get("k8s.container.name"), Some("cart"));
    assert_eq!(get("k8s.container.restart_count"), Some("3"));
    assert_eq!(get("container.id"), Some(id.as_str()));
    assert_eq!(get("service.name"), Some("cart"));
    assert_eq!(get("host.name"), Some("node-1"));
    assert_eq!(get("log.file.name"), Some("3.log"));
}

#[test]
fn a_rule_by_path_names_the_service_and_configuration_wins() {
    let mut config = Config::default();
    config
        .resource
        .insert("deployment.environment.name".into(), "test".into());
    config.enrich.rules.push(PathRule {
        path: "/srv/*/app.log".into(),
        service: Some("pay".into()),
        resource: [("team".to_owned(), "blue".to_owned())].into(),
    });
    let found = attributes(&config, "/srv/x/app.log", &[]);
    assert_eq!(
        (found["service.name"].as_str(), found["team"].as_str()),
        ("pay", "blue")
    );
    assert_eq!(found["deployment.environment.name"], "test");
    assert_eq!(
        attributes(&config, "/srv/checkout.log", &[])["service.name"],
        "checkout"
    );
}

#[test]
fn severity_is_read_from_the_forms_that_loggers_write() {
    use Severity::{Error, Fatal, Info, Warn};
    let check = |text: &str, expected| {
        assert_eq!(Reading::of(text.as_bytes()).severity, expected, "{text}");
    };
    check(
        r#"{"msg":"a","level":"warning","x":{"level":"error"}}"#,
        Some(Warn),
    );
    check(
        r#"{"x":{"level":"error"},"a":[1,"}"],"severity":"ERROR"}"#,
        Some(Error),
    );
    check(r#"{"level":30,"msg":"pino"}"#, Some(Info));
    check(r#"{"level":"#, None);
    check(r#"{"level":"err"#, None);
    check(r#"time=2026-01-01 level=error msg="x""#, Some(Error));
    check(r#"loglevel=error msg="x""#, None);
    check(
        "2026-01-01 03:04:05,123 [main] ERROR com.example.Shop - no",
        Some(Error),
    );
    check("2026/01/01 03:04:05 [error] 12#34: no", Some(Error));
    check("E0102 03:04:05.000 1 a.go:3] no", Some(Error));
    check("error: no such file", Some(Error));
    check("FATAL out of memory", Some(Fatal));
    check("the error was handled", None);
    check("", None);
}

#[test]
fn trace_and_span_are_read_from_json_and_pairs() {
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let check = |text: String| {
        let reading = Reading::of(text.as_bytes());
        assert_eq!(reading.trace_id.unwrap().to_string(), trace, "{text}");
        assert_eq!(reading.span_id.unwrap().to_string(), span, "{text}");
    };
    check(format!(
        r#"{{"trace_id":"{trace}","m":"\"}}","span_id":"{span}"}}"#
    ));
    check(format!(
        "paid trace_id={trace} parent_span_id=1 span_id=\"{span}\" done"
    ));
    assert_eq!(Reading::of(b"trace_id=zz").trace_id, None);
}
