//! What is shipped to run Sonde with says what Sonde understands: the example's keys, the
//! manifests' configuration, flags and ports, the unit's and the image's commands.

use crate::harness::{PATIENCE, sonde};
use crate::tools::{root, tool};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

fn shipped(name: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A command line is understood, up to what it would do.
async fn understood(arguments: &[&str]) {
    let mut all = arguments.to_vec();
    all.push("--help");
    let output = sonde(&all).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// The example with every `#key` taken as a key.
fn with_every_key(example: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => {
                format!("{}{rest}\n", &line[..indent])
            }
            _ => format!("{line}\n"),
        }
    };
    example.lines().map(line).collect()
}

/// A tree of keys as dotted paths; lists are values.
fn flat(path: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(keys) if !keys.is_empty() => {
            for (key, value) in keys {
                let path = [path, key].join(if path.is_empty() { "" } else { "." });
                flat(&path, value, out);
            }
        }
        _ => {
            out.insert(path.into(), value.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_examples_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("sonde.yaml");
    std::fs::write(&whole, with_every_key(&shipped("sonde.example.yaml"))).unwrap();
    let routing = root().join("deploy/alerts.example.yaml");
    let example = root().join("deploy/sonde.example.yaml");
    let here = format!("alerts.config_file={}", routing.display());
    for path in [&example, &whole, &routing] {
        let output = sonde(&["check", path.to_str().unwrap(), "--set", &here]).await;
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn the_example_names_every_key_with_its_default() {
    // What shows the shape of a value that is empty by default, or a better place.
    const EXAMPLES: [&str; 5] = [
        "data_dir",
        "alerts.config_file",
        "agent.resource",
        "agent.enrich.rules",
        "agent.scrape.scrape_configs",
    ];
    let example = with_every_key(&shipped("sonde.example.yaml"));
    let options = sonde_yaml::Options::default();
    let read = sonde_yaml::read::<Value>("sonde.example.yaml", &example, &options);
    let (mut named, mut defaults) = (BTreeMap::new(), BTreeMap::new());
    flat("", &read.unwrap().value, &mut named);
    let mut all = serde_json::to_value(sonde_collector::config::Config::default()).unwrap();
    all["agent"] = serde_json::to_value(sonde_agent::Config::default()).unwrap();
    flat("", &all, &mut defaults);
    for keys in [&mut named, &mut defaults] {
        keys.retain(|key, _| !EXAMPLES.iter().any(|example| key.starts_with(example)));
    }
    let missing: Vec<_> = defaults
        .keys()
        .filter(|key| !named.contains_key(*key))
        .collect();
    assert!(missing.is_empty(), "keys without a line: {missing:?}");
    for (key, value) in &named {
        assert_eq!(Some(value), defaults.get(key), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_hold_to_the_schemas_and_to_what_sonde_understands() {
    let Some(python) = tool("PYTHON") else {
        return;
    };
    let mut script = Command::new(python);
    script
        .arg(root().join("tests/sdk/python/manifests.py"))
        .arg(root().join("deploy/kubernetes"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, script.output()).await;
    let output = output.expect("the script ends").unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}", text(&output)));
    assert_eq!(said["problems"], json!([]));
    let containers = said["containers"].as_array().unwrap();
    let names: Vec<_> = containers
        .iter()
        .map(|container| &container["name"])
        .collect();
    assert_eq!(names, ["collector", "agent"]);
    for container in containers {
        runs(container).await;
    }
}

/// A container's command is understood, its configuration accepted, its ports listened on.
async fn runs(container: &Value) {
    let arguments: Vec<_> = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    understood(&arguments).await;
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in container["files"].as_object().unwrap() {
        let name = Path::new(path).file_name().unwrap();
        // The files name one another by where they are mounted.
        let moved = content
            .as_str()
            .unwrap()
            .replace("/etc/sonde/", &format!("{}/", dir.path().display()));
        std::fs::write(dir.path().join(name), moved).unwrap();
    }
    let named = arguments
        .iter()
        .position(|argument| *argument == "--config")
        .unwrap()
        + 1;
    let config = dir
        .path()
        .join(Path::new(arguments[named]).file_name().unwrap());
    let mut check = Command::new(env!("CARGO_BIN_EXE_sonde"));
    check
        .arg("check")
        .arg(&config)
        .env("NODE_NAME", "node-7")
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, check.output()).await;
    let output = output.expect("the check ends").unwrap();
    assert!(output.status.success(), "{}", text(&output));

    let config = std::fs::read_to_string(config).unwrap();
    let options = sonde_yaml::Options::default();
    let config = sonde_yaml::read::<Value>("sonde.yaml", &config, &options)
        .unwrap()
        .value;
    let port = |listen: &Value| {
        listen
            .as_str()
            .unwrap()
            .rsplit_once(':')
            .unwrap()
            .1
            .to_owned()
    };
    if container["name"] == "agent" {
        assert_eq!(
            container["probe_ports"],
            json!([port(&config["agent"]["http"]["listen"])])
        );
        return;
    }
    for (name, listen) in [
        ("http", &config["http"]["listen"]),
        ("otlp-grpc", &config["otlp"]["grpc"]["listen"]),
        ("otlp-http", &config["otlp"]["http"]["listen"]),
    ] {
        assert_eq!(container["ports"][name].to_string(), port(listen), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_commands_are_understood() {
    let unit = shipped("sonde.service");
    let mut commands = 0;
    for line in unit.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        let command = line
            .strip_prefix("ExecStart=")
            .or_else(|| line.strip_prefix("ExecStartPre="));
        let Some(command) = command.filter(|command| !command.is_empty()) else {
            continue;
        };
        let arguments: Vec<_> = command.split(' ').collect();
        assert_eq!(arguments[0], "/usr/bin/sonde");
        understood(&arguments[1..]).await;
        commands += 1;
    }
    assert_eq!(commands, 3, "the unit changed its form");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_command_sets_keys_that_exist_and_exposes_the_ports_it_listens_on() {
    let dockerfile = shipped("Dockerfile");
    let lines = dockerfile.replace("\\\n", " ");
    let one = |word: &str| {
        lines
            .lines()
            .find_map(|line| line.strip_prefix(word))
            .unwrap()
    };
    let command: Vec<String> = serde_json::from_str(one("CMD ")).unwrap();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    understood(&command).await;
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("sonde.yaml");
    std::fs::write(&empty, "").unwrap();
    let mut check = vec!["check", empty.to_str().unwrap()];
    check.extend(&command[1..]);
    let output = sonde(&check).await;
    assert!(output.status.success(), "{}", text(&output));
    let mut listened: Vec<_> = command
        .iter()
        .filter_map(|argument| argument.split_once(".listen=")?.1.rsplit_once(':'))
        .map(|(_, port)| port)
        .collect();
    let mut exposed: Vec<_> = one("EXPOSE ").split(' ').collect();
    listened.sort_unstable();
    exposed.sort_unstable();
    assert_eq!(listened, exposed);
}
