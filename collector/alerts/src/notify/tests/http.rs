//! What answers mean, and what is never done.

use super::*;
use crate::fixture::two;
use std::time::Duration;

async fn answered(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Verdict {
    let server = Server::start().await;
    server.answer(status, header, body);
    let receiver = format!("  webhook_configs: [{{url: '{}'}}]", server.url);
    let verdict = send(&receiver, two()).await.0;
    server.only();
    verdict
}

#[tokio::test]
async fn what_may_work_later_is_tried_later_and_what_will_not_is_not() {
    for status in [500, 502, 503, 408, 425] {
        let verdict = answered(status, None, "busy").await;
        assert!(
            matches!(&verdict, Verdict::Retry { after: None, error } if error.contains("busy")),
            "{status}: {verdict:?}"
        );
    }
    for status in [400, 401, 404, 410] {
        let verdict = answered(status, None, "no").await;
        assert!(
            matches!(verdict, Verdict::Rejected { .. }),
            "{status}: {verdict:?}"
        );
    }
    assert_eq!(answered(204, None, "").await, Verdict::Sent);
}

#[tokio::test]
async fn a_receiver_that_asks_to_be_left_alone_is() {
    let after = |verdict: Verdict| match verdict {
        Verdict::Retry { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        after(answered(429, Some(("retry-after", "7")), "").await),
        Some(Duration::from_secs(7))
    );
    let date = "Fri, 02 Jan 2026 03:06:35 GMT";
    assert_eq!(
        after(answered(503, Some(("retry-after", date)), "").await),
        Some(Duration::from_secs(60))
    );
    assert_eq!(
        after(answered(429, Some(("retry-after", "soon")), "").await),
        None
    );
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed() {
    let other = Server::start().await;
    for status in [301, 302, 307, 308] {
        let verdict = answered(status, Some(("location", other.url.as_str())), "").await;
        assert!(
            matches!(&verdict, Verdict::Rejected { error } if error.contains("redirects are not followed")),
            "{verdict:?}"
        );
    }
    assert!(other.is_untouched());
}

#[tokio::test]
async fn slack_may_refuse_inside_of_a_success() {
    for (body, is_sent) in [
        ("ok", true),
        (r#"{"ok":true}"#, true),
        (r#"{"ok":false,"error":"channel_not_found"}"#, false),
        ("no_service", false),
    ] {
        let server = Server::start().await;
        server.answer(200, None, body);
        let verdict = send(
            &format!("  slack_configs: [{{api_url: '{}'}}]", server.url),
            two(),
        )
        .await
        .0;
        assert_eq!(verdict == Verdict::Sent, is_sent, "{body}: {verdict:?}");
    }
}

#[tokio::test]
async fn no_error_and_no_debug_output_contains_the_url() {
    // Nobody listens on this port any more.
    let url = {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/services/s3cret", server.local_addr().unwrap())
    };
    let receiver =
        format!("  webhook_configs: [{{url: '{url}', http_config: {{bearer_token: t0ken}}}}]");
    let verdict = send(&receiver, two()).await.0;
    let Verdict::Retry { error, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        !error.contains("s3cret") && !error.contains("127.0.0.1"),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    let printed = format!("{:?}", configure(&receiver));
    assert!(
        !printed.contains("s3cret") && !printed.contains("t0ken"),
        "{printed}"
    );
}

#[tokio::test]
async fn an_answer_that_repeats_a_secret_is_shown_without_it() {
    let server = Server::start().await;
    server.answer(
        404,
        None,
        "no such hook: /services/T0/B0/s3cret-t0ken (s3cret-t0ken)",
    );
    let receiver = format!(
        "  slack_configs: [{{api_url: '{}/services/T0/B0/s3cret-t0ken'}}]",
        server.url
    );
    let verdict = send(&receiver, two()).await.0;
    let Verdict::Rejected { error } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        error.contains("no such hook") && !error.contains("s3cret"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_limit() {
    let verdict = answered(500, None, &"x".repeat(5 << 20)).await;
    let Verdict::Retry { error, .. } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(error.len() < 400, "{}", error.len());
}

#[tokio::test]
async fn requests_carry_credentials_and_the_identity_of_the_delivery() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    let basic = format!(
        "  webhook_configs: [{{url: '{}/a/b', http_config: {{basic_auth: {{username: Aladdin, password_file: '{}'}}}}}}]",
        server.url,
        file.display()
    );
    let (verdict, _) = send(&basic, two()).await;
    assert!(
        matches!(&verdict, Verdict::Retry { error, .. } if error.contains("password")),
        "{verdict:?}"
    );
    std::fs::write(&file, "open sesame\n").unwrap();
    assert_eq!(send(&basic, two()).await.0, Verdict::Sent);
    let request = server.only();
    assert_eq!(request.path, "/a/b");
    assert_eq!(
        request.headers["authorization"],
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["idempotency-key"], two().id.as_str());
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_its_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let verdict = send(
        &format!("  webhook_configs: [{{url: '{url}', timeout: 50ms}}]"),
        two(),
    )
    .await
    .0;
    assert!(
        matches!(&verdict, Verdict::Retry { error, .. } if error.contains("no answer within 0.05 s")),
        "{verdict:?}"
    );
}
