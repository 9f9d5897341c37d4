//! Discovery in a directory.

use super::*;

fn names(found: &[Found]) -> Vec<(String, bool)> {
    let name = |f: &Found| f.path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<_> = found.iter().map(|f| (name(f), f.base.is_some())).collect();
    names.sort();
    names
}

#[test]
fn links_to_one_file_are_one_and_compressed_siblings_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for name in [
        "0.log",
        "0.log.20260101-000000",
        "0.log.20260101-000001.gz",
        "0.log.tmp",
        "1.log",
        "10.log",
    ] {
        std::fs::write(root.join(name), "x\n").unwrap();
    }
    std::os::unix::fs::symlink(root.join("0.log"), root.join("link.log")).unwrap();
    let config = TailConfig {
        paths: vec![format!("{}/*.log", root.display())],
        exclude: vec!["**/1.log".into()],
        ..TailConfig::default()
    };
    let found = Discovery::new(&config).unwrap().list(std::iter::empty());
    let expected = [
        ("0.log", false),
        ("0.log.20260101-000000", true),
        ("10.log", false),
    ];
    assert_eq!(
        names(&found),
        expected.map(|(name, rotated)| (name.to_owned(), rotated))
    );
    let first = found.iter().find(|f| f.path.ends_with("0.log")).unwrap();
    assert_eq!(first.aliases, [root.join("link.log")]);
    assert!(found[0].base.is_some(), "rotated files come first");
}

#[test]
fn a_bad_pattern_is_named() {
    let config = TailConfig {
        paths: vec!["/a/[".into()],
        ..TailConfig::default()
    };
    let problem = Discovery::new(&config).unwrap_err();
    assert!(problem.starts_with("tail.paths[0] \"/a/[\": "), "{problem}");
}
