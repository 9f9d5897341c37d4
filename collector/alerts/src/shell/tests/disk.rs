//! A disk that does not take what is written.

use super::*;

/// Makes every write of the log fail: what is there can only be read, and a directory stands
/// where the new one would be written.
fn break_disk(rig: &Rig, dir: &Path) {
    std::fs::create_dir(dir.join("alerts.log.new")).unwrap();
    rig.alerts.shared.log.lock().as_mut().unwrap().lose();
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_noted_and_everything_is_when_the_disk_is_back() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let rig = open(dir.path(), webhook(&server)).await;
    rig.fire("A").await;
    assert_eq!(gist(&server.next().await.body), "firing A");
    rig.until(has_outcome(Outcome::Sent)).await;

    break_disk(&rig, dir.path());
    let refused = rig.alerts.receive(vec![alert("B", false)]).await;
    assert!(
        matches!(refused, Err(ReceiveError::NotDurable(_))),
        "{refused:?}"
    );
    let failed = rig.until(has_outcome(Outcome::Failed)).await;
    assert!(
        failed[0]
            .error
            .as_deref()
            .unwrap()
            .starts_with("not sent, because it could not be noted"),
        "{failed:#?}"
    );
    assert!(server.is_untouched());
    assert!(
        rig.metrics()
            .contains("sonde_alerts_notifications_held_back_total"),
        "{}",
        rig.metrics()
    );

    std::fs::remove_dir(dir.path().join("alerts.log.new")).unwrap();
    rig.fire("B").await;
    assert_eq!(gist(&server.next().await.body), "firing B");
    rig.until(has_outcome(Outcome::Sent)).await;
    rig.alerts.shutdown().await;
    let rig = open(dir.path(), webhook(&server)).await;
    assert_eq!(rig.alerts.list().len(), 2);
    assert!(server.is_untouched());
}

#[tokio::test]
async fn a_damaged_log_is_counted_and_what_is_whole_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    for name in ["A", "B", "C"] {
        rig.fire(name).await;
    }
    rig.alerts.shutdown().await;
    let path = dir.path().join("alerts.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(3)
        .position(|window| window == b"\"B\"")
        .unwrap();
    bytes[at + 1] ^= 0x20;
    std::fs::write(&path, bytes).unwrap();
    let rig = open(dir.path(), AlertConfig::nobody()).await;
    assert_eq!(rig.alerts.list().len(), 2);
    let line = "sonde_alerts_log_damaged_records_total 1";
    assert!(rig.metrics().contains(line), "{}", rig.metrics());
}

#[tokio::test]
async fn the_log_does_not_grow_with_repetitions() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        log_bytes_min: 10_000,
        ..Settings::default()
    };
    let rig = open_with(dir.path(), AlertConfig::nobody(), settings).await;
    for _ in 0..300 {
        rig.fire("A").await;
    }
    let bytes = std::fs::metadata(dir.path().join("alerts.log"))
        .unwrap()
        .len();
    assert!(bytes < 11_000, "{bytes}");
    assert!(
        rig.metrics()
            .contains(&format!("sonde_alerts_log_bytes {bytes}")),
        "{}",
        rig.metrics()
    );
    rig.alerts.shutdown().await;
    assert_eq!(
        open(dir.path(), AlertConfig::nobody())
            .await
            .alerts
            .list()
            .len(),
        1
    );
}
