//! The house rules that no compiler knows: which room may use which, who owns a heavy
//! dependency, how files begin, and that documents name what exists.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()
        .unwrap()
}

/// The normal dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let normal = |package: &cargo_metadata::Package| {
        let kept = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        kept.map(|d| d.name.clone()).collect()
    };
    metadata()
        .packages
        .iter()
        .map(|package| (package.name.to_string(), normal(package)))
        .collect()
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sonde-proto", &[][..]),
        ("sonde-yaml", &[]),
        ("sonde-template", &[]),
        ("sonde-ui", &[]),
        ("sonde-lex", &[]),
        ("sonde-exposition", &["sonde-proto"]),
        (
            "sonde-logql",
            &["sonde-proto", "sonde-lex", "sonde-template"],
        ),
        ("sonde-logql-oracle", &["sonde-proto", "sonde-logql"]),
        ("sonde-promql", &["sonde-proto", "sonde-lex"]),
        ("sonde-patterns", &[]),
        ("sonde-journal", &["sonde-proto"]),
        ("sonde-segment", &["sonde-proto"]),
        ("sonde-signals", &["sonde-proto"]),
        (
            "sonde-logs",
            &[
                "sonde-proto",
                "sonde-segment",
                "sonde-logql",
                "sonde-patterns",
            ],
        ),
        ("sonde-traceql", &["sonde-proto", "sonde-lex"]),
        ("sonde-traceql-oracle", &["sonde-proto", "sonde-traceql"]),
        (
            "sonde-traces",
            &["sonde-proto", "sonde-segment", "sonde-traceql"],
        ),
        (
            "sonde-metrics",
            &["sonde-proto", "sonde-segment", "sonde-promql"],
        ),
        (
            "sonde-rules",
            &["sonde-proto", "sonde-yaml", "sonde-template"],
        ),
        (
            "sonde-alerts",
            &["sonde-proto", "sonde-yaml", "sonde-template"],
        ),
        (
            "sonde-agent",
            &["sonde-proto", "sonde-journal", "sonde-exposition"],
        ),
    ]);
    for (name, used) in dependencies() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            continue;
        };
        let rooms: Vec<_> = used
            .iter()
            .filter(|used| used.starts_with("sonde-"))
            .collect();
        for room in rooms {
            assert!(
                allowed.contains(&room.as_str()),
                "{name} uses {room}, which is not below it"
            );
        }
    }
}

#[test]
fn a_heavy_dependency_has_one_owner() {
    let owners = [
        ("tantivy", &["sonde-logs"][..]),
        ("lettre", &["sonde-alerts"]),
        ("notify", &["sonde-agent"]),
        ("xorf", &["sonde-segment"]),
        ("clap", &["sonde"]),
        ("saphyr-parser", &["sonde-yaml"]),
        ("reqwest", &["sonde-alerts", "sonde"]),
    ];
    let dependencies = dependencies();
    for (dependency, owners) in owners {
        for (name, used) in &dependencies {
            let owns = owners.contains(&name.as_str());
            assert!(
                owns || !used.contains(dependency),
                "{name} uses {dependency}, which belongs to {owners:?}"
            );
        }
    }
}

/// Our own files with an ending, without what tools have made.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "node_modules", ".git", "dist"].contains(&name.as_str())
            {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for path in files(".rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!"),
            "{} does not begin with //!",
            path.display()
        );
    }
}

#[test]
fn no_file_holds_two_ideas() {
    const LINES_MAX: usize = 700;
    for path in files(".rs") {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines: look for the second idea",
            path.display()
        );
    }
}

#[test]
fn every_path_that_a_document_names_exists() {
    for document in files(".md") {
        let text = std::fs::read_to_string(&document).unwrap();
        for named in text.split('`').skip(1).step_by(2) {
            let looks_like_path = named.contains('/')
                && !named.contains([' ', '<', '*', ':', '{', '=', '$', '%'])
                && [
                    "agent/",
                    "collector/",
                    "proto/",
                    "journal/",
                    "ui/",
                    "tests/",
                    "docs/",
                    "deploy/",
                    "dashboards/",
                    "src/",
                    ".ci/",
                ]
                .iter()
                .any(|start| named.starts_with(start));
            if looks_like_path {
                assert!(
                    root().join(named).exists(),
                    "{} names {named}, which does not exist",
                    document.display()
                );
            }
        }
    }
}
