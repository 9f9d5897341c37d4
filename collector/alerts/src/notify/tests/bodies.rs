//! The exact bodies.

use super::*;
use crate::fixture::{delivery, hostile, two};
use serde_json::json;

/// The same group after all has ended.
fn over() -> Delivery {
    let mut over = delivery(two().alerts.split_off(1));
    over.slot = two().slot;
    over
}

#[tokio::test]
async fn slack_gets_one_attachment() {
    let server = Server::start().await;
    let receiver = format!(
        "  slack_configs:\n  - api_url: {}/s\n    channel: '#shop'\n    send_resolved: true\n    fields: [{{title: Instance, value: '{{{{ (index .Alerts 0).Labels.instance }}}}'}}]\n    \
         actions: [{{type: button, text: Runbook, url: '{{{{ .CommonAnnotations.runbook }}}}', confirm: {{text: Sure?}}}}]",
        server.url
    );
    assert_eq!(
        sent(&server, &receiver, two()).await,
        json!({
            "channel": "#shop",
            "username": "Sonde",
            "attachments": [{
                "title": "[FIRING:1] HighLatency (shop)",
                "title_link": "http://sonde.example.org/alerts",
                "text": "• p99 is 2 s\n• p99 is 3 s\n",
                "fallback": "[FIRING:1] HighLatency (shop) | http://sonde.example.org/alerts",
                "callback_id": "",
                "footer": "",
                "color": "danger",
                "mrkdwn_in": ["fallback", "pretext", "text"],
                "fields": [{"title": "Instance", "value": "a:1", "short": false}],
                "actions": [{"type": "button", "text": "Runbook", "url": "http://x.org", "confirm": {"text": "Sure?"}}],
            }],
        })
    );
    let body = sent(&server, &receiver, over()).await;
    assert_eq!(body["attachments"][0]["color"], "good");
    assert_eq!(
        body["attachments"][0]["title"],
        "[RESOLVED] HighLatency (b:1 shop)"
    );
}

#[tokio::test]
async fn hostile_labels_call_nobody_in_slack() {
    let server = Server::start().await;
    let body = sent(
        &server,
        &format!("  slack_configs: [{{api_url: '{}'}}]", server.url),
        hostile(),
    )
    .await;
    assert!(!body.to_string().contains("<!channel>"), "{body:#}");
    // Neither when the summary takes the place of a template that fails.
    let receiver = format!(
        "  slack_configs: [{{api_url: '{}', title: '{{{{ index .Alerts 9 }}}}', fallback: '{{{{ index .Alerts 9 }}}}'}}]",
        server.url
    );
    let (verdict, errors) = send(&receiver, hostile()).await;
    assert_eq!((verdict, errors.len()), (Verdict::Sent, 2));
    let body = server.only().body;
    assert!(!body.to_string().contains("<!channel>"), "{body:#}");
    assert!(
        body["attachments"][0]["title"]
            .as_str()
            .unwrap()
            .starts_with("[FIRING] 1 alerts"),
        "{body:#}"
    );
}

#[tokio::test]
async fn pagerduty_resolves_what_it_triggered() {
    let server = Server::start().await;
    let receiver = format!(
        "  pagerduty_configs:\n  - routing_key: k3y\n    url: {}/v2/enqueue\n    severity: '{{{{ .Status }}}}'\n    class: x\n    links: [{{href: 'http://x.org', text: x}}, {{href: '', text: y}}]\n    \
         details: {{service: '{{{{ .CommonLabels.service }}}}', firing: ''}}",
        server.url
    );
    let trigger = sent(&server, &receiver, two()).await;
    // The SHA-256 of the group's key, by sha256sum.
    let key = "d4061866bc333de2350285b0452a21f78349e3d63b4f06b6c956f64f95d7be36";
    assert_eq!(
        trigger,
        json!({
            "routing_key": "k3y",
            "event_action": "trigger",
            "dedup_key": key,
            "client": "Sonde",
            "client_url": "http://sonde.example.org/alerts",
            "links": [{"href": "http://x.org", "text": "x"}],
            "payload": {
                "summary": "[FIRING:1] HighLatency (shop)",
                "source": "Sonde",
                "severity": "error",
                "class": "x",
                "custom_details": {
                    "firing": "",
                    "num_firing": "1",
                    "num_resolved": "1",
                    "resolved": "HighLatency: p99 is 3 s\n  instance = b:1\n  service = shop\n  since 2026-01-02 03:04:05 UTC until 2026-01-02 03:05:05 UTC\n  http://sonde.example.org/graph?g0.expr=up&g0.tab=1\n\n",
                    "service": "shop",
                },
            },
        })
    );
    let resolve = sent(&server, &receiver, over()).await;
    assert_eq!(
        (&resolve["event_action"], &resolve["dedup_key"]),
        (&json!("resolve"), &json!(key))
    );
}

#[tokio::test]
async fn an_event_that_is_too_large_loses_its_details_and_not_itself() {
    let server = Server::start().await;
    let receiver = format!(
        "  pagerduty_configs: [{{routing_key: k, url: '{}', details: {{x: '{{{{ range .Alerts }}}}{}{{{{ end }}}}'}}}}]",
        server.url,
        "y".repeat(300_000)
    );
    let body = sent(&server, &receiver, two()).await;
    assert!(
        body["payload"]["custom_details"]["error"]
            .as_str()
            .unwrap()
            .starts_with("left out"),
        "{body:#}"
    );
    assert_eq!(body["event_action"], "trigger");
}

#[tokio::test]
async fn webhooks_get_version_4() {
    let server = Server::start().await;
    let receiver = format!(
        "  webhook_configs: [{{url: '{}/hook?token=x', max_alerts: 1}}]",
        server.url
    );
    let fingerprint = two().alerts[0].0.fingerprint().to_string();
    assert_eq!(
        sent(&server, &receiver, two()).await,
        json!({
            "version": "4",
            "groupKey": "{}:{alertname=\"HighLatency\"}",
            "truncatedAlerts": 1,
            "receiver": "team.x",
            "status": "firing",
            "groupLabels": {"alertname": "HighLatency"},
            "commonLabels": {"alertname": "HighLatency", "service": "shop"},
            "commonAnnotations": {"runbook": "http://x.org"},
            "externalURL": "http://sonde.example.org",
            "alerts": [{
                "status": "firing",
                "labels": {"alertname": "HighLatency", "service": "shop", "instance": "a:1"},
                "annotations": {"summary": "p99 is 2 s", "runbook": "http://x.org"},
                "startsAt": "2026-01-02T03:04:05Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://sonde.example.org/graph?g0.expr=up&g0.tab=1",
                "fingerprint": fingerprint,
            }],
        })
    );
    let body = sent(&server, &receiver, over()).await;
    assert_eq!(
        (&body["status"], &body["alerts"][0]["endsAt"]),
        (&json!("resolved"), &json!("2026-01-02T03:05:05Z"))
    );
}

#[tokio::test]
async fn a_template_that_fails_does_not_swallow_the_page() {
    let server = Server::start().await;
    let bad = "'{{ index .Alerts 9 }}'";
    let receiver = format!(
        "  pagerduty_configs: [{{routing_key: k, url: '{}', description: {bad}, class: {bad}}}]",
        server.url
    );
    let (verdict, errors) = send(&receiver, two()).await;
    assert_eq!((verdict, errors.len()), (Verdict::Sent, 2));
    assert!(errors[0].contains("1:"), "{errors:?}");
    let body = server.only().body;
    assert_eq!(
        body["payload"]["summary"],
        "[FIRING] 2 alerts {alertname=\"HighLatency\"}"
    );
    assert_eq!(body["payload"].get("class"), None);
}

#[tokio::test]
async fn a_page_without_a_title_gets_one() {
    let server = Server::start().await;
    let receiver = format!(
        "  pagerduty_configs: [{{routing_key: k, url: '{}', description: '{{{{ .CommonAnnotations.summary }}}}', source: ' '}}]",
        server.url
    );
    let body = sent(&server, &receiver, two()).await;
    assert_eq!(
        (&body["payload"]["summary"], &body["payload"]["source"]),
        (
            &json!("[FIRING] 2 alerts {alertname=\"HighLatency\"}"),
            &json!("Sonde")
        )
    );
}
