//! What `tests/setup` has installed: `KEY=path` lines in `test-tools/env` of the target directory.

use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A tool by its key, or `None` after saying that the test is skipped.
///
/// # Panics
/// In CI, where nothing may be skipped.
pub(crate) fn tool(key: &str) -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools/env");
    let lines = std::fs::read_to_string(&installed).unwrap_or_default();
    let found = lines
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(PathBuf::from));
    let found = found.filter(|path| path.exists());
    if found.is_none() {
        let why = format!("no {key} is installed: run tests/setup");
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{why}"
        );
        eprintln!("skipped: {why}");
    }
    found
}
