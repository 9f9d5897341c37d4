//! `sonde query logs` and `sonde status logs`: LogQL and what logs cost, in the terminal.

use crate::harness::{Sonde, client, list, sonde};
use serde_json::{Value, json};

pub(crate) const QUIET: [(&str, &str); 2] =
    [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn now() -> u64 {
    jiff::Timestamp::now().as_nanosecond() as u64
}

/// Pushes lines of one pod of the service `cart`, at the times given.
pub(crate) async fn push(server: &Sonde, pod: &str, lines: &[(u64, String)]) {
    let values: Vec<_> = lines
        .iter()
        .map(|(time, line)| json!([time.to_string(), line, {"order": "o-1"}]))
        .collect();
    let stream = json!({"service_name": "cart", "pod": pod});
    let body = json!({"streams": [{"stream": stream, "values": values}]});
    let url = server.url("/loki/api/v1/push");
    let response = client().post(url).json(&body).send().await.unwrap();
    assert_eq!(
        response.status().as_u16(),
        204,
        "{}",
        response.text().await.unwrap()
    );
}

/// 100 numbered lines of each of two pods, a second apart, every tenth an error; the newest a
/// minute ago.
pub(crate) async fn with_lines(server: &Sonde) {
    let begin = now() - 160 * SECOND;
    for pod in ["cart-0", "cart-1"] {
        let line = |n: u64| {
            let level = if n % 10 == 9 { "error" } else { "info" };
            format!("level={level} n={n:03} took={n}ms pod={pod}")
        };
        let lines: Vec<_> = (0..100).map(|n| (begin + n * SECOND, line(n))).collect();
        push(server, pod, &lines).await;
    }
    let count = [("query", "sum(count_over_time({service_name=\"cart\"}[1h]))")];
    let all = |answer: &Value| answer["data"]["result"][0]["value"][1] == "200";
    server.until("/loki/api/v1/query", &count, all).await;
}

pub(crate) async fn ask(server: &Sonde, arguments: &[&str]) -> (bool, String, String) {
    let url = server.url("");
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    let output = sonde(&all).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// What a successful command prints, by lines.
async fn printed(server: &Sonde, arguments: &[&str]) -> Vec<String> {
    let (ok, text, errors) = ask(server, arguments).await;
    assert!(ok, "{arguments:?}: {errors}");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_shown_as_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    with_lines(&server).await;
    let logs = |more: &'static [&'static str]| [&["query", "logs"], more].concat();

    let lines = printed(&server, &logs(&["{pod=\"cart-0\"}", "--limit", "3"])).await;
    assert_eq!(lines.len(), 3);
    for (line, n) in lines.iter().zip(["097", "098", "099"]) {
        assert!(line.contains(" cart level="), "{line}");
        assert!(line.contains(&format!("n={n} ")), "{line}");
        assert!(line.starts_with("20") && line.contains('T'), "{line}");
    }
    let error = &lines[2];
    assert!(error.contains("Z error cart"), "{error}");

    let oldest = &["{pod=\"cart-0\"}", "--limit", "3", "--forward", "-o", "raw"];
    let lines = printed(&server, &logs(oldest)).await;
    assert_eq!(lines[0], "level=info n=000 took=0ms pod=cart-0");
    assert!(lines[2].contains("n=002"));

    let all = printed(&server, &logs(&["--limit", "1000"])).await;
    assert_eq!(all.len(), 200, "without a query, everything");
    let bare = printed(&server, &logs(&["|= \"n=050\" |= \"cart-1\"", "-o", "raw"])).await;
    assert_eq!(bare, ["level=info n=050 took=50ms pod=cart-1"]);

    let stages = &["{pod=\"cart-0\"} | logfmt | took > 97ms", "--labels"];
    let lines = printed(&server, &logs(stages)).await;
    assert_eq!(lines.len(), 2);
    for part in ["pod=cart-0", "order=o-1", "took=98ms"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }

    let table = &["{pod=\"cart-0\"}", "--limit", "2", "-o", "table"];
    let lines = printed(&server, &logs(table)).await;
    assert!(
        lines[0].contains("TIME") && lines[0].contains("LINE"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);

    let as_json = &["{pod=\"cart-0\"} | logfmt", "--limit", "2", "--json"];
    let lines = printed(&server, &logs(as_json)).await;
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(line["line"], "level=error n=099 took=99ms pod=cart-0");
    assert_eq!(line["labels"]["pod"], "cart-0");
    assert_eq!(line["metadata"]["order"], "o-1");
    assert_eq!(line["parsed"]["n"], "099");
    assert!(line["time"].as_u64().unwrap() > now() - 3600 * SECOND);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn periods_and_numbers_are_asked_for_in_many_ways() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    with_lines(&server).await;
    let logs = |more: &[&'static str]| [&["query", "logs"], more].concat();

    let cart = "{service_name=\"cart\"}";
    for (period, some) in [
        (&["--since", "1h"][..], true),
        (&["--since", "30s"], false),
        (&["--from", "-2h", "--to", "-1h"], false),
        (&["--start", "-1h", "--end", "now"], true),
        (
            &[
                "--from",
                "2020-01-01T00:00:00Z",
                "--to",
                "2020-01-02T00:00:00Z",
            ],
            false,
        ),
    ] {
        let lines = printed(&server, &logs(&[&[cart], period].concat())).await;
        assert_eq!(!lines.is_empty(), some, "{period:?}");
    }
    let (ok, _, text) = ask(&server, &logs(&["{service=\"cart\"}"])).await;
    assert!(ok && text.contains("nothing is found from 20"), "{text}");
    assert!(text.contains("service_name"), "{text}");
    let (ok, _, text) = ask(&server, &logs(&[cart, "--from", "soon"])).await;
    assert!(
        !ok && text.contains("--from: \"soon\" is no time"),
        "{text}"
    );

    let count = "sum by (level) (count_over_time({service_name=\"cart\"}[1h]))";
    let lines = printed(&server, &logs(&[count])).await;
    let row = |n: &str, level: &str| {
        let has = |line: &&String| line.trim_start().starts_with(n) && line.contains(level);
        lines.iter().any(|line| has(&line))
    };
    assert!(row("20 ", "level=\"error\""), "{lines:?}");
    assert!(row("180 ", "level=\"info\""), "{lines:?}");
    let lines = printed(&server, &logs(&[count, "--step", "10m", "--since", "30m"])).await;
    assert!(
        lines.iter().any(|line| line.starts_with("  20")),
        "{lines:?}"
    );
    let lines = printed(&server, &logs(&[count, "--json"])).await;
    let data: Value = serde_json::from_str(&lines.concat()).unwrap();
    assert_eq!(data["resultType"], "vector");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_pointed_at() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    for (query, under) in [
        ("{a=\"b\"} | josn | c=1", 'j'),
        ("{a=}", '}'),
        ("sum(count_over_time({a=\"b\"}[5]))", ']'),
        ("{a=\"b\"} |= \"größe\" | josn |", 'j'),
    ] {
        let (ok, printed, text) = ask(&server, &["query", "logs", query]).await;
        assert!(!ok && printed.is_empty(), "{query}: {printed}");
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines.iter().position(|line| line.trim() == "^");
        let caret = caret.unwrap_or_else(|| panic!("no caret: {text}"));
        let column = lines[caret].chars().count() - 1;
        let pointed = lines[caret - 1].chars().nth(column);
        let near = lines[caret - 1]
            .chars()
            .skip(column.saturating_sub(2))
            .take(5);
        let near: String = near.collect();
        assert!(near.contains(under), "{query}: {pointed:?}\n{text}");
        assert_eq!(text.matches('^').count(), 1, "{text}");
    }
    let numbers = ["query", "logs", "vector(1)", "--follow"];
    let (ok, _, text) = ask(&server, &numbers).await;
    assert!(!ok && text.contains("only lines can be followed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_shown_with_what_stands_around_them_in_their_stream() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    with_lines(&server).await;
    let query = "{pod=\"cart-1\"} |~ \"n=(020|022|070) \"";
    let lines = printed(&server, &["query", "logs", query, "-C", "2"]).await;
    let shown: Vec<_> = lines
        .iter()
        .map(|line| match line.split("n=").nth(1) {
            Some(rest) => format!("{}{}", &line[..1], &rest[..3]),
            None => line.clone(),
        })
        .collect();
    let first = [" 018", " 019"].map(str::to_owned);
    assert_eq!(shown[..2], first, "{lines:#?}");
    assert_eq!(
        shown[2..],
        [
            ">020", " 021", ">022", " 023", " 024", "--", " 068", " 069", ">070", " 071", " 072"
        ]
    );
    assert!(lines.iter().all(|line| !line.contains("cart-0")));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_logs_are_stored_and_what_they_cost_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    with_lines(&server).await;
    let url = server.url("/loki/api/v1/delete");
    let asked = [("query", "{pod=\"cart-1\"} |= \"n=00\""), ("start", "0")];
    let response = client().post(url).form(&asked).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 204);
    let text = printed(&server, &["status", "logs"]).await.join("\n");
    for part in [
        "stored",
        "on disk",
        "on disk, by tenant",
        "SEGMENTS",
        "kept",
        "14 d",
        "20.00 GiB, shared by all tenants",
        "delete requests",
        "{pod=\"cart-1\"} |= \"n=00\"",
        "received",
        "in memory",
        "oldest",
        "tenants, last 24h",
        "largest streams of default, last 24h",
        "pod=cart-1",
        "LABEL",
        "service_name",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let as_json = ["status", "logs", "--since", "1h", "--top", "1", "--json"];
    let status: Value = serde_json::from_str(&printed(&server, &as_json).await.concat()).unwrap();
    assert_eq!(status["store"]["records"], 200);
    assert_eq!(status["tenants"][0]["tenant"], "default");
    assert_eq!(status["tenants"][0]["records"], 190, "ten are hidden");
    assert_eq!(status["usage"][0]["records"], 200, "and not removed yet");
    assert_eq!(status["usage"][0]["deletes_waiting"], 1);
    assert_eq!(status["deletes"][0]["status"], "received");
    assert_eq!(status["retention"]["seconds"], 14 * 24 * 3600);
    assert_eq!(list(&status, "streams").len(), 1);
    assert_eq!(list(&status, "labels").len(), 1);
    let bytes = status["streams"][0]["bytes"].as_u64().unwrap();
    assert!(bytes > 90 * 30, "{status:#}");
    let (ok, _, text) = ask(&server, &["status", "logs", "--since", "soon"]).await;
    assert!(!ok && text.contains("--since"), "{text}");
    assert!(server.stop().await.success());
}
