//! Bundles the pages (`app/`) into `OUT_DIR/dist` for `src/lib.rs` to embed.
//!
//! Node installs what `package-lock.json` pins and runs `bundle.mjs`. A machine
//! without Node sets `SONDE_UI_DIST` to a directory that `npm run build` made
//! elsewhere. Nothing is run again until one of the inputs below changes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INPUTS: [&str; 5] = [
    "app",
    "bundle.mjs",
    "package.json",
    "package-lock.json",
    "build.rs",
];

fn main() {
    println!("cargo::rerun-if-env-changed=SONDE_UI_DIST");
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    if let Err(message) = build() {
        // One `cargo::error` line each: cargo prints them plainly, without a backtrace.
        for line in message.lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run through cargo")?);
    let dist = out.join("dist");
    if let Some(given) = env::var_os("SONDE_UI_DIST").filter(|given| !given.is_empty()) {
        let given = PathBuf::from(given);
        println!("cargo::rerun-if-changed={}", given.display());
        return copy_given(&given, &dist);
    }
    require_node()?;
    install_packages()?;
    run("node", &["bundle.mjs", &dist.to_string_lossy()])
}

/// Takes pages that were bundled before, as they are.
fn copy_given(given: &Path, dist: &Path) -> Result<(), String> {
    if !given.join("index.html").is_file() {
        return Err(format!(
            "SONDE_UI_DIST={} has no index.html: point it at a directory made by `npm run build` in ui/",
            given.display()
        ));
    }
    clear(dist)?;
    copy_tree(given, dist)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error| format!("copy {} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(failed)?;
        }
    }
    Ok(())
}

fn clear(dist: &Path) -> Result<(), String> {
    match fs::remove_dir_all(dist) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("clear {}: {error}", dist.display())),
    }
}

fn require_node() -> Result<(), String> {
    let remedy = "Install Node 20 or newer with npm (Debian: `apt-get install nodejs npm`), \
                  or set SONDE_UI_DIST to a directory that `npm run build` made in ui/ on another machine.";
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|error| format!("The pages need Node >= 20 to be bundled, and `node` did not start: {error}.\n{remedy}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major: u32 = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    if major < 20 {
        return Err(format!(
            "The pages need Node >= 20 to be bundled, and `node` is {version}.\n{remedy}"
        ));
    }
    Ok(())
}

/// Runs `npm ci` unless `node_modules` was installed from exactly this lock file.
fn install_packages() -> Result<(), String> {
    let stamp = Path::new("node_modules/.sonde-lock");
    let lock = fs::read("package-lock.json")
        .map_err(|error| format!("read ui/package-lock.json: {error}"))?;
    let fresh = fs::read(stamp).is_ok_and(|installed| installed == lock);
    if fresh && Path::new("node_modules/esbuild").is_dir() {
        return Ok(());
    }
    run(npm(), &["ci", "--omit=dev", "--no-audit", "--no-fund"])?;
    fs::write(stamp, lock).map_err(|error| format!("write ui/{}: {error}", stamp.display()))
}

fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| {
            format!("`{line}` in ui/ did not start: {error}. Install Node 20 or newer with npm.")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!(
        "`{line}` in ui/ failed ({}):\n{}",
        output.status,
        text.trim_end()
    ))
}
