//! Mails, to a server that speaks just enough SMTP.

use super::*;
use crate::fixture::{hostile, two};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Takes one mail, answering the commands that begin with a word otherwise where told so.
/// Returns the conversation's commands and the mail.
async fn conversation(
    listener: TcpListener,
    otherwise: Option<(&str, &str)>,
) -> (Vec<String>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut commands, mut mail) = (Vec::new(), String::new());
    write.write_all(b"220 mail.example.org\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        commands.push(line.clone());
        let answer = match otherwise {
            Some((word, answer)) if line.starts_with(word) => answer,
            _ if line.starts_with("EHLO") => "250-mail.example.org\r\n250 AUTH PLAIN LOGIN",
            _ if line.starts_with("AUTH") => "235 welcome",
            _ if line.starts_with("DATA") => "354 go on",
            _ if line.starts_with("QUIT") => "221 bye",
            _ => "250 ok",
        };
        write
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .unwrap();
        if answer.starts_with("354") {
            while let Ok(Some(line)) = lines.next_line().await
                && line != "."
            {
                mail.push_str(&line);
                mail.push('\n');
            }
            write.write_all(b"250 queued\r\n").await.unwrap();
        }
    }
    (commands, mail)
}

async fn mailed(
    settings: &str,
    delivery: Delivery,
    otherwise: Option<(&str, &str)>,
) -> (Verdict, Vec<String>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = format!(
        "  email_configs:\n  - {{to: 'Night <night@example.org>, day@example.org', from: sonde@example.org, smarthost: '{address}', {settings}}}"
    );
    let ((commands, mail), (verdict, _)) =
        tokio::join!(conversation(listener, otherwise), send(&receiver, delivery));
    (verdict, commands, mail)
}

#[tokio::test]
async fn a_mail_has_a_text_and_a_page_and_its_headers() {
    let (verdict, commands, mail) = mailed(
        "require_tls: false, auth_username: u, auth_password: p, headers: {X-Team: shop}, threading: {enabled: true}",
        two(),
        None,
    )
    .await;
    assert_eq!(verdict, Verdict::Sent);
    for command in [
        "AUTH PLAIN ",
        "MAIL FROM:<sonde@example.org>",
        "RCPT TO:<night@example.org>",
        "RCPT TO:<day@example.org>",
    ] {
        assert!(
            commands.iter().any(|line| line.starts_with(command)),
            "{command}: {commands:#?}"
        );
    }
    for part in [
        "Subject: [FIRING:1] HighLatency (shop)\n",
        "From: sonde@example.org\n",
        "To: Night <night@example.org>, day@example.org\n",
        "X-Team: shop\n",
        "Date: Fri, 02 Jan 2026 03:05:35 +0000\n",
        "Message-ID: <0123456789abcdef0123456789abcdef01234567@example.org>\n",
        "References: <alert-",
        "-2026-01-02@alertmanager>\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\n",
        "Content-Type: text/html; charset=utf-8\n",
    ] {
        assert!(mail.contains(part), "{part:?} is not in\n{mail}");
    }
    assert!(mail.find("text/plain") < mail.find("text/html"), "{mail}");
}

#[tokio::test]
async fn no_label_adds_a_header_or_an_addressee() {
    let (verdict, commands, mail) = mailed(
        "require_tls: false, headers: {Subject: '{{ .CommonLabels.alertname }}', X-A: '{{ .CommonAnnotations.summary }}'}",
        hostile(),
        None,
    )
    .await;
    assert_eq!(verdict, Verdict::Sent);
    let (head, _) = mail.split_once("\n\n").unwrap();
    let names = head
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap());
    let expected = [
        "Date",
        "Message-ID",
        "To",
        "From",
        "Subject",
        "X-A",
        "MIME-Version",
        "Content-Type",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected, "{mail}");
    assert_eq!(
        commands
            .iter()
            .filter(|line| line.starts_with("RCPT"))
            .count(),
        2,
        "{commands:#?}"
    );
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_does_not_encrypt() {
    let (verdict, commands, mail) =
        mailed("auth_username: u, auth_password: s3cret", two(), None).await;
    let Verdict::Retry { error, .. } = &verdict else {
        panic!("{verdict:?}")
    };
    assert!(!error.contains("s3cret"), "{error}");
    assert!(
        !commands
            .iter()
            .any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")),
        "{commands:#?}"
    );
    assert_eq!(mail, "");
}

#[tokio::test]
async fn a_server_may_refuse_for_now_or_for_good() {
    let (verdict, ..) = mailed("require_tls: false", two(), Some(("MAIL", "451 later"))).await;
    assert!(
        matches!(&verdict, Verdict::Retry { error, .. } if error.contains("later")),
        "{verdict:?}"
    );
    let (verdict, ..) = mailed("require_tls: false", two(), Some(("RCPT", "550 unknown"))).await;
    assert!(
        matches!(&verdict, Verdict::Rejected { error } if error.contains("unknown")),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_mail_whose_templates_fail_is_sent_with_a_summary() {
    let bad = "'{{ index .Alerts 9 }}'";
    let settings =
        format!("require_tls: false, html: {bad}, text: {bad}, headers: {{Subject: {bad}}}");
    let (verdict, _, mail) = mailed(&settings, two(), None).await;
    assert_eq!(verdict, Verdict::Sent);
    assert!(mail.contains("Subject: [FIRING] 2 alerts"), "{mail}");
    assert!(mail.matches("[FIRING] 2 alerts").count() == 2, "{mail}");
}

#[test]
fn mail_servers_are_read() {
    let read = |text: &str| Smarthost::parse(text).map(|server| (server.host, server.port));
    assert_eq!(
        read("mail.example.org:587"),
        Some(("mail.example.org".into(), 587))
    );
    assert_eq!(read("[::1]:25"), Some(("::1".into(), 25)));
    for bad in [
        "mail",
        "mail:",
        ":25",
        "mail:0",
        "mail:99999",
        "::1:25",
        "a b:25",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}
