//! The demo as a newcomer runs it, and its page as a person sees it.

use crate::harness::{PATIENCE, PATIENT, free_address, set, sonde_within};
use crate::tools::{root, tool};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A demo is ten seconds of health, and a chain of many links after them.
const DEMO_PATIENCE: Duration = Duration::from_secs(600);
/// Twenty pages, each of which may take its time on a machine with much to do.
const WALK_PATIENCE: Duration = Duration::from_secs(1_200);

#[tokio::test(flavor = "multi_thread")]
async fn the_unattended_demo_sees_the_whole_chain() {
    let most = format!("{}s", DEMO_PATIENCE.as_secs());
    let set = set(&[("http.listen", "127.0.0.1:0"), PATIENT]);
    let mut arguments = vec!["demo", "--for", &most, "--exit"];
    arguments.extend(set.iter().map(String::as_str));
    // It is to say itself what it did not see.
    let output = sonde_within(DEMO_PATIENCE + PATIENCE, &arguments).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(printed.matches('✓').count(), 6, "{printed}");
}

/// A demo that runs until it is dropped, and the address of its alert's page.
struct Demo {
    url: String,
    _process: Child,
    _dir: TempDir,
}

impl Demo {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url_file = dir.path().join("url");
        let mut demo = Command::new(env!("CARGO_BIN_EXE_sonde"));
        demo.arg("demo")
            .args(set(&[("http.listen", "127.0.0.1:0"), PATIENT]))
            .args(set(settings));
        demo.arg("--url-file").arg(&url_file);
        let mut process = demo
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let url = loop {
            match std::fs::read_to_string(&url_file) {
                Ok(url) if !url.is_empty() => break url,
                _ => assert!(
                    begun.elapsed() < DEMO_PATIENCE,
                    "the demo did not name its page"
                ),
            }
            assert!(
                process.try_wait().unwrap().is_none(),
                "the demo ended early"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Self {
            url,
            _process: process,
            _dir: dir,
        }
    }

    /// What a walk through its pages in a real browser has seen. `None` without a browser.
    async fn walk(&self, script: &str, arguments: &[&str]) -> Option<Value> {
        let (browser, chromium) = (tool("BROWSER_DIR")?, tool("CHROMIUM")?);
        let mut walk = Command::new("node");
        walk.arg(browser.join(script))
            .args(["--url", &self.url, "--screenshots"])
            .arg(root().join("target/screenshots"))
            .args(["--timeout", &PATIENCE.as_secs().to_string()])
            .args(arguments);
        walk.env("CHROMIUM", chromium).kill_on_drop(true);
        let output = tokio::time::timeout(WALK_PATIENCE, walk.output())
            .await
            .expect("the browser ends")
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{printed}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(serde_json::from_str(printed.lines().last().unwrap()).unwrap())
    }
}

fn has_browser() -> bool {
    tool("BROWSER_DIR").is_some() && tool("CHROMIUM").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_page_leads_from_the_alert_to_the_trace_and_its_logs() {
    if !has_browser() {
        return;
    }
    let demo = Demo::start(&[]).await;
    let seen = demo.walk("demo.mjs", &[]).await.unwrap();
    assert!(seen["spans"].as_u64() >= Some(2), "{seen}");
    assert!(seen["log_lines"].as_u64() >= Some(1), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_services_nodes_traces_and_requests_and_draw_little_of_what_is_large() {
    if !has_browser() {
        return;
    }
    let door = free_address().to_string();
    let settings = [
        ("otlp.http.listen", door.as_str()),
        ("traces.trace_spans_max", "1500"),
    ];
    let demo = Demo::start(&settings).await;
    let otlp = format!("http://{door}");
    let seen = demo.walk("signals.mjs", &["--otlp", &otlp]).await.unwrap();
    assert!(seen["graph"].as_u64() >= Some(5), "{seen}");
    assert!(seen["exemplars"].as_u64() >= Some(1), "{seen}");
    assert!(seen["drawn"].as_u64() < Some(600), "{seen}");
    assert_eq!(seen["pages"].as_u64(), Some(2), "{seen}");
}
