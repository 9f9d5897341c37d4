//! Tests of the whole: alerts in, notifications out, over a real log and real sockets. What
//! must not be sent is shown by what comes next.

mod disk;

use super::*;
use crate::alert::AlertState;
use crate::config::read_config;
use crate::fixture::Server;
use crate::record::Outcome;
use serde_json::Value;
use sonde_proto::{Labels, SystemClock, UnixNanos};
use std::time::Duration;

/// The longest wait for anything; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(240);

fn config(receivers: &str) -> AlertConfig {
    let text = format!(
        "route: {{receiver: a, group_by: [alertname], group_wait: 1ms, group_interval: 100ms, repeat_interval: 1h}}\nreceivers:\n- name: a\n{receivers}\n"
    );
    read_config("alertmanager.yaml", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn webhook(server: &Server) -> AlertConfig {
    config(&format!(
        "  webhook_configs: [{{url: '{}', timeout: 4m}}]",
        server.url
    ))
}

struct Rig {
    alerts: Alerts,
    registry: Registry,
}

async fn open(dir: &Path, config: AlertConfig) -> Rig {
    let settings = Settings {
        shutdown_max: PATIENCE,
        ..Settings::default()
    };
    open_with(dir, config, settings).await
}

async fn open_with(dir: &Path, config: AlertConfig, settings: Settings) -> Rig {
    let mut registry = Registry::default();
    let clock = Arc::new(SystemClock);
    let alerts = Alerts::start(dir, Some(config), settings, clock, &mut registry)
        .await
        .unwrap();
    Rig { alerts, registry }
}

impl Rig {
    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    async fn fire(&self, name: &str) {
        self.alerts.receive(vec![alert(name, false)]).await.unwrap();
    }

    async fn end(&self, name: &str) {
        self.alerts.receive(vec![alert(name, true)]).await.unwrap();
    }

    /// Waits for the outcome of the newest notification.
    async fn until(&self, is_so: impl Fn(&[Notification]) -> bool) -> Vec<Notification> {
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            let notifications = self.alerts.notifications(100);
            if is_so(&notifications) {
                return notifications;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:#?}", self.alerts.notifications(100));
    }
}

fn alert(name: &str, has_ended: bool) -> Alert {
    let now = SystemClock.now();
    Alert {
        labels: [("alertname", name)].into_iter().collect(),
        annotations: [("summary", "it is so")].into_iter().collect(),
        starts_at: UnixNanos(0),
        ends_at: Some(if has_ended {
            now
        } else {
            now.plus(Duration::from_secs(3600))
        }),
        generator_url: String::new(),
    }
}

/// What a message is about: status and alerts' names.
fn gist(body: &Value) -> String {
    let alerts = body["alerts"].as_array().unwrap();
    let names: Vec<&str> = alerts
        .iter()
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap())
        .collect();
    format!("{} {}", body["status"].as_str().unwrap(), names.join(","))
}

fn has_outcome(outcome: Outcome) -> impl Fn(&[Notification]) -> bool {
    move |all| all.first().is_some_and(|newest| newest.outcome == outcome)
}

#[tokio::test]
async fn an_alert_is_told_once_and_its_end_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let rig = open(dir.path(), webhook(&server)).await;
    rig.fire("A").await;
    assert_eq!(rig.alerts.list()[0].state, AlertState::Firing);
    assert_eq!(rig.alerts.groups()[0].receiver, "a");
    assert_eq!(gist(&server.next().await.body), "firing A");
    rig.until(has_outcome(Outcome::Sent)).await;
    for _ in 0..3 {
        rig.fire("A").await;
    }
    rig.end("A").await;
    assert_eq!(gist(&server.next().await.body), "resolved A");
    rig.until(|all| all.len() == 2 && all[0].outcome == Outcome::Sent)
        .await;
    assert_eq!(rig.alerts.list()[0].state, AlertState::Resolved);
    let metrics = rig.metrics();
    for line in [
        "sonde_alerts_firing 0",
        "sonde_alerts_received_total 5",
        "sonde_alerts_notifications_sent_total{integration=\"webhook\"} 2",
        "sonde_alerts_log_damaged_records_total 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(server.is_untouched());
}

#[tokio::test]
async fn after_a_shutdown_it_goes_on_as_if_nothing_had_been() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let rig = open(dir.path(), webhook(&server)).await;
    rig.fire("A").await;
    assert_eq!(gist(&server.next().await.body), "firing A");
    rig.alerts.shutdown().await;
    assert_eq!(
        rig.alerts.receive(vec![alert("B", false)]).await,
        Err(ReceiveError::Stopped)
    );
    rig.alerts.shutdown().await;

    let rig = open(dir.path(), webhook(&server)).await;
    assert_eq!(rig.alerts.list().len(), 1);
    assert_eq!(rig.alerts.notifications(10)[0].outcome, Outcome::Sent);
    rig.end("A").await;
    assert_eq!(gist(&server.next().await.body), "resolved A");
}

/// Runs a scene in a runtime that is then dropped with all its tasks, as in a crash.
fn until_a_crash(scene: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(scene);
}

#[test]
fn after_a_crash_nobody_is_told_twice() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = outside.block_on(Server::start());
    until_a_crash(async {
        let rig = open(dir.path(), webhook(&server)).await;
        rig.fire("A").await;
        assert_eq!(gist(&server.next().await.body), "firing A");
        rig.until(has_outcome(Outcome::Sent)).await;
        // Taken: it must be told after the crash, whether or not it was before.
        rig.fire("B").await;
    });
    until_a_crash(async {
        let rig = open(dir.path(), webhook(&server)).await;
        assert_eq!(rig.alerts.list().len(), 2);
        rig.until(|all| {
            all.iter()
                .filter(|one| one.outcome == Outcome::Sent)
                .count()
                == 2
        })
        .await;
        rig.end("A").await;
        let mut gists = Vec::new();
        while !gists.iter().any(|gist| gist == "resolved A") {
            gists.push(gist(&server.next().await.body));
        }
        assert_eq!(
            gists.iter().filter(|gist| *gist == "firing A").count(),
            0,
            "{gists:?}"
        );
        assert!(gists.iter().any(|gist| gist == "firing B"), "{gists:?}");
    });
}

#[tokio::test]
async fn a_receiver_that_is_down_is_told_when_it_is_back() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    server.answer(500, None, "down");
    let rig = open(dir.path(), webhook(&server)).await;
    rig.fire("A").await;
    assert_eq!(gist(&server.next().await.body), "firing A");
    assert_eq!(gist(&server.next().await.body), "firing A");
    let sent = rig.until(has_outcome(Outcome::Sent)).await;
    assert_eq!((sent.len(), sent[0].attempts), (1, 2));
    let line =
        "sonde_alerts_notifications_failed_total{integration=\"webhook\",reason=\"unavailable\"} 1";
    assert!(rig.metrics().contains(line), "{}", rig.metrics());
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    server.answer(429, Some(("retry-after", "1")), "");
    let rig = open(dir.path(), webhook(&server)).await;
    // The first request is no earlier than this, and it is the answer to that one which counts.
    let before = std::time::Instant::now();
    rig.fire("A").await;
    server.next().await;
    server.next().await;
    // Without being asked it would have paused for half a second at most.
    let after = before.elapsed();
    assert!(after > Duration::from_millis(900), "{after:?}");
    assert!(
        rig.metrics().contains("reason=\"throttled\"} 1"),
        "{}",
        rig.metrics()
    );
}

#[tokio::test]
async fn what_ended_while_the_receiver_was_down_is_told_late() {
    let dir = tempfile::tempdir().unwrap();
    let rig = open(
        dir.path(),
        config("  webhook_configs: [{url: 'http://127.0.0.1:9/'}]"),
    )
    .await;
    rig.fire("A").await;
    rig.until(has_outcome(Outcome::Failed)).await;
    rig.end("A").await;
    let server = Server::start().await;
    rig.alerts.reload(webhook(&server)).await.unwrap();
    assert_eq!(gist(&server.next().await.body), "resolved A");
}

#[tokio::test]
async fn another_configuration_is_followed_without_telling_again() {
    let (dir, server, other) = (
        tempfile::tempdir().unwrap(),
        Server::start().await,
        Server::start().await,
    );
    let rig = open(dir.path(), webhook(&server)).await;
    rig.fire("A").await;
    server.next().await;
    rig.until(has_outcome(Outcome::Sent)).await;
    rig.alerts.reload(webhook(&other)).await.unwrap();
    rig.fire("B").await;
    assert_eq!(gist(&other.next().await.body), "firing B");
    rig.end("A").await;
    assert_eq!(gist(&other.next().await.body), "resolved A");
    assert!(server.is_untouched());
}

#[tokio::test]
async fn many_reports_at_once_are_all_durable() {
    let dir = tempfile::tempdir().unwrap();
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let alerts = rig.alerts.clone();
        tasks.spawn(async move {
            alerts
                .receive(vec![alert(&format!("A{number}"), false)])
                .await
        });
    }
    while let Some(received) = tasks.join_next().await {
        assert_eq!(received.unwrap(), Ok(Refused::default()));
    }
    rig.alerts.shutdown().await;
    assert_eq!(
        open(dir.path(), AlertConfig::nobody())
            .await
            .alerts
            .list()
            .len(),
        200
    );
}

#[tokio::test]
async fn what_cannot_be_kept_is_counted_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    let nameless = Alert {
        labels: Labels::empty(),
        ..alert("x", false)
    };
    let mut large = alert("large", false);
    large.generator_url = "x".repeat(1 << 20);
    let refused = rig
        .alerts
        .receive(vec![nameless, large, alert("A", false)])
        .await
        .unwrap();
    assert_eq!(
        (refused.no_labels, refused.too_large, refused.total()),
        (1, 1, 2)
    );
    assert_eq!(rig.alerts.list().len(), 1);
    assert!(
        rig.metrics()
            .contains("sonde_alerts_refused_total{reason=\"too_large\"} 1"),
        "{}",
        rig.metrics()
    );
}

#[tokio::test]
async fn a_template_that_fails_is_counted_and_the_page_is_sent() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let slack = format!(
        "  slack_configs: [{{api_url: '{}', title: '{{{{ index .Alerts 9 }}}}'}}]",
        server.url
    );
    let rig = open(dir.path(), config(&slack)).await;
    rig.fire("A").await;
    let body = server.next().await.body;
    assert_eq!(
        body["attachments"][0]["title"],
        "[FIRING] 1 alerts {alertname=\"A\"}"
    );
    rig.until(has_outcome(Outcome::Sent)).await;
    let line = "sonde_alerts_template_failures_total{integration=\"slack\"} 1";
    assert!(rig.metrics().contains(line), "{}", rig.metrics());
}

#[tokio::test]
async fn a_directory_belongs_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    let settings = Settings::default();
    let second = Alerts::start(
        dir.path(),
        None,
        settings,
        Arc::new(SystemClock),
        &mut Registry::default(),
    )
    .await;
    assert!(matches!(second, Err(OpenError::Locked(_))), "{second:?}");
    drop(rig);
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_takes_too_long_and_it_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = Settings {
        shutdown_max: Duration::from_millis(50),
        ..Settings::default()
    };
    // What is not cut off takes an hour.
    let hook = config(&format!(
        "  webhook_configs: [{{url: '{url}', timeout: 1h}}]"
    ));
    let rig = open_with(dir.path(), hook, settings).await;
    rig.fire("A").await;
    let connection = silent.accept().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, rig.alerts.shutdown()).await;
    ended.expect("it does not wait");
    drop(connection);
    let server = Server::start().await;
    let _rig = open(dir.path(), webhook(&server)).await;
    assert_eq!(gist(&server.next().await.body), "firing A");
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", slow.local_addr().unwrap());
    let rig = open(
        dir.path(),
        config(&format!("  webhook_configs: [{{url: '{url}'}}]")),
    )
    .await;
    rig.fire("A").await;
    let (mut connection, _) = slow.accept().await.unwrap();
    let answer = async {
        use tokio::io::AsyncWriteExt;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        connection.write_all(head).await.unwrap();
        connection
    };
    let ((), _connection) = tokio::join!(rig.alerts.shutdown(), answer);
    assert_eq!(rig.alerts.notifications(1)[0].outcome, Outcome::Sent);
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    assert_eq!(rig.alerts.notifications(1)[0].outcome, Outcome::Sent);
}
