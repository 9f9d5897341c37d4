//! `sonde query logs --follow`: the live tail in the terminal.

use crate::command_logs::{QUIET, SECOND, ask, now, push, with_lines};
use crate::harness::{PATIENCE, Sonde, free_address, sonde};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// `sonde query logs --follow`, running.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    notes: Lines<BufReader<ChildStderr>>,
}

impl Following {
    fn start(server: &Sonde, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonde"));
        command
            .args(["query", "logs", "--follow", "--url", &server.url("")])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            notes: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line comes").unwrap().expect("it runs")
    }

    async fn note(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.notes.next_line()).await;
        line.expect("a note comes").unwrap().expect("it runs")
    }

    /// Presses Ctrl-C, and returns the exit code and what was still printed.
    async fn interrupt(mut self) -> (Option<i32>, Vec<String>) {
        let pid = self.child.id().expect("it runs").to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args(["-INT", &pid]).status().await.unwrap().success());
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let mut rest = Vec::new();
        while let Ok(Some(line)) = self.lines.next_line().await {
            rest.push(line);
        }
        (status.expect("it ends").unwrap().code(), rest)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_what_was_and_what_comes_and_ends_with_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    with_lines(&server).await;
    let query = "{pod=\"cart-0\"} |= \"n=\"";
    let arguments = [query, "--since", "1h", "--limit", "5", "-o", "raw"];
    let mut tail = Following::start(&server, &arguments);
    for n in 95..100 {
        let line = tail.line().await;
        assert!(line.contains(&format!("n={n:03} ")), "{line}");
    }
    for n in 100..120 {
        let line = |pod: &str| (now(), format!("n={n:03} of {pod}"));
        push(&server, "cart-1", &[line("another pod")]).await;
        push(
            &server,
            "cart-0",
            &[line("cart-0"), (now(), "no number".into())],
        )
        .await;
        assert_eq!(tail.line().await, format!("n={n:03} of cart-0"));
    }
    assert_eq!(tail.interrupt().await, (Some(0), Vec::new()));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_survives_its_collector_and_repeats_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let config = [&QUIET[..], &[("http.listen", address.as_str())]].concat();
    let server = Sonde::up(dir.path(), &config).await;
    let mut tail = Following::start(&server, &["{pod=\"cart-0\"}", "-o", "raw", "--since", "1h"]);
    let batch =
        |from: u64| -> Vec<_> { (from..from + 50).map(|n| (now(), n.to_string())).collect() };
    push(&server, "cart-0", &batch(0)).await;
    for n in 0..50 {
        assert_eq!(tail.line().await, n.to_string());
    }
    server.kill().await;
    let note = tail.note().await;
    assert!(note.contains("trying again"), "{note}");
    let server = Sonde::up(dir.path(), &config).await;
    push(&server, "cart-0", &batch(50)).await;
    let note = tail.note().await;
    assert!(note.contains("connected again"), "{note}");
    push(&server, "cart-0", &batch(100)).await;
    for n in 50..150 {
        assert_eq!(tail.line().await, n.to_string());
    }
    assert_eq!(tail.interrupt().await, (Some(0), Vec::new()));
    assert!(server.stop().await.success());
}

/// Answers each connection with a text, in turn, and returns the paths that were asked.
async fn answers(texts: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut paths = Vec::new();
        for text in texts {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut lines = BufReader::new(&mut stream).lines();
            paths.push(lines.next_line().await.unwrap().unwrap());
            while lines.next_line().await.unwrap().unwrap() != "" {}
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        paths
    });
    (url, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_says_what_it_could_not_show_and_asks_again_for_what_it_missed() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let now = now() / SECOND * SECOND;
    let line = |n: u64| {
        format!(
            "{{\"time\":{},\"line\":\"{n}\",\"labels\":{{}}}}\n",
            now + n
        )
    };
    let first = format!(
        "{HEAD}{{\"alive\":{now}}}\n{}{}{{\"gap\":{}}}\n{{\"late\":3,\"before\":{now}}}\n{}{{\"time\":",
        line(1),
        line(2),
        now + 7,
        line(7)
    );
    let second = format!("{HEAD}{}{}{}", line(2), line(7), line(8));
    let refused = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"error\":\"no.\"}";
    let (url, served) = answers(vec![first, second, refused.to_owned()]).await;
    let arguments = [
        "query", "logs", "-f", "{}", "--since", "1h", "-o", "raw", "--limit", "3",
    ];
    let output = sonde(&[&arguments[..], &["--url", &url]].concat()).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stdout), "1\n2\n7\n8\n");
    let notes = text(&output.stderr);
    assert!(
        notes.contains("came faster than they could be sent"),
        "{notes}"
    );
    assert!(notes.contains("3 lines from before"), "{notes}");
    assert!(notes.contains("trying again"), "{notes}");
    assert!(notes.trim_end().ends_with("sonde: no."), "{notes}");
    assert!(!output.status.success());
    let paths = served.await.unwrap();
    assert!(paths[0].contains("limit=3"), "{paths:?}");
    let resumed = format!("start={}", now - 60 * SECOND + 7);
    assert!(paths[1].contains(&resumed), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_ends_where_nobody_reads_it_or_nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    let mut tail = Following::start(&server, &["{}", "-o", "json", "--since", "1h"]);
    push(&server, "cart-0", &[(now(), "one".into())]).await;
    let line: Value = serde_json::from_str(&tail.line().await).unwrap();
    assert_eq!(line["line"], "one");
    let Following {
        mut child, lines, ..
    } = tail;
    drop(lines);
    push(&server, "cart-0", &[(now(), "two".into())]).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    assert!(ended.expect("it ends").unwrap().success());
    let (ok, _, text) = ask(&server, &["query", "logs", "-f", "{a=}"]).await;
    assert!(!ok && text.contains('^'), "{text}");
    let nobody = ["query", "logs", "-f", "--url", "http://127.0.0.1:1"];
    let output = sonde(&nobody).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("cannot reach"),
        "{text}"
    );
}
