//! Delete requests: asked for, listed, cancelled.

use super::*;

const DELETE: &str = "/loki/api/v1/delete";

impl Bed {
    async fn ask(&self, method: &str, parameters: &[(&str, &str)], headers: &str) -> Answer {
        let query = form(parameters);
        let head =
            format!("{method} {DELETE}?{query} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        let (status, text) = self.exchange(head).await;
        Answer { status, text }
    }

    async fn lines(&self, query: &str) -> usize {
        let parameters = [("query", query), ("start", &self.time(0))];
        let answer = self.get("/loki/api/v1/query_range", &parameters).await;
        let json = answer.json();
        let streams = json["data"]["result"].as_array().unwrap();
        let values = streams
            .iter()
            .map(|s| s["values"].as_array().unwrap().len());
        values.sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_to_be_deleted_is_not_found_any_more_and_the_request_is_listed() {
    let bed = Bed::pushed().await;
    assert_eq!(bed.lines("{env=\"prod\"}").await, 4);
    let query = r#"{app="shop"} |= "GET""#;
    let (start, end) = (bed.time(1), bed.time(9));
    let parameters = [("query", query), ("start", &start), ("end", &end)];
    let body = form(&parameters);
    let (status, text) = bed
        .post(DELETE, "application/x-www-form-urlencoded", &body)
        .await;
    assert_eq!((status, text.as_str()), (204, ""));
    assert_eq!(bed.lines("{env=\"prod\"}").await, 3);
    assert_eq!(bed.lines(query).await, 1);
    let numbers = [("query", "sum(count_over_time({env=\"prod\"}[1h]))")];
    let counted = bed.get("/loki/api/v1/query", &numbers).await.json();
    assert_eq!(counted["data"]["result"][0]["value"][1], "3");

    let listed = bed.ask("GET", &[], "").await.json();
    let request = &listed[0];
    assert_eq!(request["query"], query);
    assert_eq!(request["status"], "received");
    assert_eq!(
        request["start_time"].as_f64(),
        Some((bed.begin / 1_000_000 + 10) as f64 / 1000.0)
    );
    assert!(request["created_at"].as_f64() > request["start_time"].as_f64());
    let others = bed.ask("GET", &[], "X-Scope-OrgID: other\r\n").await.json();
    assert_eq!(others, json!([]));

    let id = request["request_id"].as_str().unwrap();
    let cancelled = bed.ask("DELETE", &[("request_id", id)], "").await;
    assert_eq!(cancelled.status, 204, "{}", cancelled.text);
    assert_eq!(bed.lines("{env=\"prod\"}").await, 4);
    let again = bed.ask("DELETE", &[("request_id", id)], "").await;
    assert_eq!(again.status, 404);
    let put = bed
        .ask("PUT", &[("query", "{app=\"pay\"}"), ("start", "1")], "")
        .await;
    assert_eq!(put.status, 204, "{}", put.text);
    assert_eq!(bed.lines("{env=\"prod\"}").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_delete_request_is_refused() {
    let bed = Bed::pushed().await;
    let check = async |method: &str, parameters: &[(&str, &str)], headers, status, message| {
        let answer = bed.ask(method, parameters, headers).await;
        assert_eq!(answer.status, status, "{parameters:?}: {}", answer.text);
        assert!(answer.text.contains(message), "{}", answer.text);
    };
    let start = ("start", "1");
    check("POST", &[start], "", 400, "\"query\" is missing").await;
    check("POST", &[("query", "{}")], "", 400, "\"start\" is missing").await;
    check("POST", &[("query", "{"), start], "", 400, "parse error").await;
    check(
        "POST",
        &[("query", "{} | json"), start],
        "",
        400,
        "line filters",
    )
    .await;
    check(
        "POST",
        &[("query", "rate({}[1m])"), start],
        "",
        400,
        "line filters",
    )
    .await;
    let turned = [("query", "{}"), ("start", "9"), ("end", "8")];
    check("POST", &turned, "", 400, "before the start").await;
    check("DELETE", &[], "", 400, "\"request_id\" is missing").await;
    let foreign = "Origin: http://elsewhere.example\r\n";
    check(
        "POST",
        &[("query", "{}"), start],
        foreign,
        403,
        "another site",
    )
    .await;
    assert_eq!(bed.lines("{env=\"prod\"}").await, 4);
}
