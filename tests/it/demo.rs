//! The demo as a newcomer runs it, and its page as a person sees it.

use crate::harness::{PATIENCE, sonde};
use crate::tools::{root, tool};
use serde_json::Value;
use std::process::Stdio;
use std::time::Instant;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_unattended_demo_sees_the_whole_chain() {
    let output = sonde(&[
        "demo",
        "--for",
        "110s",
        "--exit",
        "--set",
        "http.listen=127.0.0.1:0",
    ])
    .await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(printed.matches('✓').count(), 6, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_page_leads_from_the_alert_to_the_trace_and_its_logs() {
    let (Some(browser), Some(chromium)) = (tool("BROWSER_DIR"), tool("CHROMIUM")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url_file = dir.path().join("url");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sonde"));
    demo.args(["demo", "--set", "http.listen=127.0.0.1:0", "--url-file"])
        .arg(&url_file);
    let mut demo = demo
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let url = loop {
        match std::fs::read_to_string(&url_file) {
            Ok(url) if !url.is_empty() => break url,
            _ => assert!(begun.elapsed() < PATIENCE, "the demo did not name its page"),
        }
        assert!(demo.try_wait().unwrap().is_none(), "the demo ended early");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let screenshots = root().join("target/screenshots");
    let mut script = Command::new("node");
    script
        .arg(browser.join("demo.mjs"))
        .args(["--url", &url, "--screenshots"])
        .arg(&screenshots);
    script.env("CHROMIUM", chromium).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, script.output())
        .await
        .expect("the browser ends")
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(seen["spans"].as_u64() >= Some(2), "{seen}");
    assert!(seen["log_lines"].as_u64() >= Some(1), "{seen}");
}
