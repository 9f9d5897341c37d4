//! What Tempo's endpoints answer, over traces that were sent to a whole collector.

use crate::api::testing::{Bed, TRACE_ID};
use prost::Message as _;
use serde_json::json;
use sonde_proto::otlp::trace::TracesData;

#[tokio::test(flavor = "multi_thread")]
async fn a_data_source_finds_that_it_works() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/tempo/api/echo", &[]).await.text(), "echo");
    let info = bed.get("/tempo/api/status/buildinfo", &[]).await.json();
    assert!(
        info["version"].as_str().unwrap().starts_with("2."),
        "{info}"
    );
    assert_eq!(bed.get("/tempo/ready", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_as_it_was_sent() {
    let bed = Bed::with_traces().await;
    let path = format!("/tempo/api/v2/traces/{TRACE_ID}?start=1&end=2000000000");
    let accept = [("Accept", "application/protobuf")];
    let answer = bed.get(&path, &accept).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/protobuf")
    );
    let wrapped = super::protobuf::TraceById::decode(answer.body.as_slice()).unwrap();
    assert_eq!((wrapped.status, wrapped.message.as_str()), (0, ""));
    let answer = bed
        .get(&format!("/tempo/api/traces/{TRACE_ID}"), &accept)
        .await;
    assert_eq!(
        wrapped.trace.unwrap(),
        answer.body,
        "the same bytes, not wrapped"
    );
    let mut found = TracesData::decode(answer.body.as_slice()).unwrap();
    let mut sent = bed.sent().clone();
    for data in [&mut found, &mut sent] {
        data.resource_spans
            .sort_by_key(|resource| format!("{resource:?}"));
    }
    assert_eq!(found, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_in_tempos_json() {
    let bed = Bed::with_traces().await;
    let answer = bed
        .get(&format!("/tempo/api/traces/{TRACE_ID}"), &[])
        .await
        .json();
    let wrapped = bed
        .get(&format!("/tempo/api/v2/traces/{TRACE_ID}"), &[])
        .await
        .json();
    assert_eq!(wrapped["trace"]["resourceSpans"], answer["batches"]);
    assert_eq!(wrapped["status"], json!(null));
    let batches = answer["batches"].as_array().unwrap();
    let server = batches
        .iter()
        .find(|batch| batch.to_string().contains("POST /checkout"))
        .unwrap();
    let span = &server["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "CvdlGRbNQ92ESOshHIAxnA==");
    assert_eq!(span["spanId"], "AAAAAAAAAAE=");
    assert_eq!(span["kind"], "SPAN_KIND_SERVER");
    assert_eq!(span["status"]["code"], "STATUS_CODE_ERROR");
    assert_eq!(span["parentSpanId"], json!(null));
    assert!(span["startTimeUnixNano"].is_string());
    assert_eq!(span["links"][0]["traceId"], "AAAAAAAAAAAAAAAAAAAA/w==");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_id_is_found_and_what_is_none_is_told() {
    let bed = Bed::with_traces().await;
    let status = async |path: &str| bed.get(path, &[]).await.status;
    assert_eq!(status("/tempo/api/v2/traces/00000000000000aa").await, 200);
    assert_eq!(status("/tempo/api/v2/traces/AA").await, 200);
    for version in ["", "/v2"] {
        let missing = bed
            .get(&format!("/tempo/api{version}/traces/1234"), &[])
            .await;
        assert_eq!(missing.status, 404);
        assert!(
            missing.text().starts_with("trace not found"),
            "{}",
            missing.text()
        );
        for bad in ["xyz", "0", "0af7651916cd43dd8448eb211c80319c0"] {
            assert_eq!(
                status(&format!("/tempo/api{version}/traces/{bad}")).await,
                400,
                "{bad}"
            );
        }
    }
    let of_times = format!("/tempo/api/traces/{TRACE_ID}?start=");
    assert_eq!(status(&format!("{of_times}x")).await, 400);
    assert_eq!(
        status(&format!("{of_times}2000000000&end=1000000000")).await,
        400
    );
    assert_eq!(status(&format!("{of_times}0&end=0")).await, 200);
    let other = [("X-Scope-OrgID", "other")];
    assert_eq!(
        bed.get(&format!("/tempo/api/traces/{TRACE_ID}"), &other)
            .await
            .status,
        404
    );
}

/// Through the doors for other formats, on the port of the pages.
#[tokio::test(flavor = "multi_thread")]
async fn what_zipkin_and_jaeger_send_is_found() {
    let bed = Bed::new().await;
    let good = json!({"traceId": "b1", "id": "00000000000000a1", "timestamp": bed.begin / 1000, "name": "get"});
    let body = json!([good, {"traceId": "b2"}]).to_string();
    let answer = bed
        .post("/api/v2/spans", "application/json", body.as_bytes())
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("1 spans were taken")
            && answer.text().contains("span 2: it has no id"),
        "{}",
        answer.text()
    );
    let body = json!([good]).to_string();
    assert_eq!(
        bed.post("/api/v2/spans", "application/json", body.as_bytes())
            .await
            .status,
        202
    );
    assert_eq!(
        bed.post("/api/v2/spans", "application/json", b"{")
            .await
            .status,
        400
    );
    assert_eq!(
        bed.post("/api/v2/spans", "application/x-protobuf", b"")
            .await
            .status,
        415
    );
    // A batch of one span with a trace ID, a span ID, a name, a start and a duration.
    let number = |id: u8, number: u64| [&[10, 0, id][..], &number.to_be_bytes()].concat();
    let span = [
        number(1, 0xb3),
        number(2, 0),
        number(3, 7),
        vec![11, 0, 5, 0, 0, 0, 1, b'x'],
        number(8, bed.begin / 1000),
        number(9, 5),
        vec![0],
    ];
    let process = [12, 0, 1, 11, 0, 1, 0, 0, 0, 1, b's', 0];
    let batch = [
        &process[..],
        &[15, 0, 2, 12, 0, 0, 0, 1],
        &span.concat(),
        &[0],
    ]
    .concat();
    let thrift = "application/x-thrift";
    assert_eq!(
        bed.post("/api/traces?format=jaeger.thrift", thrift, &batch)
            .await
            .status,
        202
    );
    assert_eq!(
        bed.post("/api/traces", thrift, &batch[..9]).await.status,
        400
    );
    assert_eq!(
        bed.post("/api/traces", "application/json", b"[]")
            .await
            .status,
        415
    );
    for id in ["b1", "b3"] {
        let path = format!("/tempo/api/traces/{id}");
        while bed.get(&path, &[]).await.status != 200 {
            tokio::task::yield_now().await;
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_found_with_the_spans_that_match() {
    let bed = Bed::with_traces().await;
    let ask = async |parameters: String| {
        let answer = bed
            .get(&format!("/tempo/api/search?{parameters}"), &[])
            .await;
        answer.json()["traces"].clone()
    };
    let query = async |text: &str| ask(format!("q={}", escaped(text))).await;
    let found = query("{ .amount > 9 && kind = client } | select(.retried)").await;
    let start = (bed.begin + 10_000_000).to_string();
    let set = json!({
        "matched": 1,
        "attributes": [],
        "spans": [{
            "spanID": "0000000000000002",
            "name": "charge",
            "startTimeUnixNano": start,
            "durationNanos": "190000000",
            "attributes": [
                {"key": "amount", "value": {"doubleValue": 9.5}},
                {"key": "kind", "value": {"stringValue": "client"}},
                {"key": "retried", "value": {"boolValue": true}},
            ],
        }],
    });
    assert_eq!(
        found,
        json!([{
            "traceID": TRACE_ID,
            "rootServiceName": "web",
            "rootTraceName": "POST /checkout",
            "startTimeUnixNano": bed.begin.to_string(),
            "durationMs": 250,
            "spanSet": set,
            "spanSets": [set],
        }])
    );
    let ids = |found: serde_json::Value| -> Vec<String> {
        let traces = found.as_array().unwrap().iter();
        traces
            .map(|trace| trace["traceID"].as_str().unwrap().to_owned())
            .collect()
    };
    let short = format!("{:032x}", 0xaa);
    assert_eq!(ids(ask(String::new()).await), [short.as_str(), TRACE_ID]);
    assert_eq!(ids(ask("limit=1".into()).await), [short.as_str()]);
    let tags = escaped("service.name=web http.status_code=500 error=true");
    assert_eq!(
        ids(ask(format!("tags={tags}&minDuration=240ms&maxDuration=1s")).await),
        [TRACE_ID]
    );
    assert!(ids(ask(format!("tags={tags}&minDuration=251ms")).await).is_empty());
    assert!(ids(ask("start=1&end=2".into()).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_search_is_told() {
    let bed = Bed::new().await;
    let pipe = escaped("{ } | rate()");
    for (parameters, said) in [
        ("q=%7B", "invalid TraceQL query"),
        ("q=%7B%7D&tags=a%3Db", "without tags"),
        (&*format!("q={pipe}"), "/api/metrics/query_range"),
        ("tags=a", "key=value"),
        ("minDuration=5", "minDuration"),
        ("limit=x", "limit"),
        ("start=5&end=1", "start is after end"),
    ] {
        let answer = bed
            .get(&format!("/tempo/api/search?{parameters}"), &[])
            .await;
        assert_eq!(answer.status, 400, "{parameters}");
        assert!(
            answer.text().contains(said),
            "{parameters}: {}",
            answer.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_suggested_by_scope() {
    let bed = Bed::with_traces().await;
    let all = bed.get("/tempo/api/v2/search/tags", &[]).await.json();
    let scopes = all["scopes"].as_array().unwrap();
    let tags = |name: &str| &scopes.iter().find(|scope| scope["name"] == name).unwrap()["tags"];
    assert_eq!(tags("resource"), &json!(["host.name", "service.name"]));
    assert_eq!(
        tags("span"),
        &json!(["amount", "http.route", "http.status_code", "retried"])
    );
    assert_eq!(tags("event"), &json!(["n"]));
    assert!(
        tags("intrinsic")
            .as_array()
            .unwrap()
            .contains(&json!("status"))
    );
    let path = format!(
        "/tempo/api/v2/search/tags?scope=span&q={}",
        escaped("{ name = \"charge\" && .x = ")
    );
    let some = bed.get(&path, &[]).await.json();
    assert_eq!(
        some["scopes"],
        json!([{"name": "span", "tags": ["amount", "retried"]}])
    );
    let names = bed.get("/tempo/api/search/tags", &[]).await.json();
    assert!(
        names["tagNames"]
            .as_array()
            .unwrap()
            .contains(&json!("http.route"))
    );
    assert_eq!(
        bed.get("/tempo/api/v2/search/tags?scope=x", &[])
            .await
            .status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_suggested_with_their_types() {
    let bed = Bed::with_traces().await;
    let ask = async |tag: &str, query: &str| {
        let path = format!(
            "/tempo/api/v2/search/tag/{}/values?q={}",
            escaped(tag),
            escaped(query)
        );
        bed.get(&path, &[]).await.json()["tagValues"].clone()
    };
    let of = |kind: &str, value: &str| json!({"type": kind, "value": value});
    assert_eq!(
        ask("span.http.status_code", "").await,
        json!([of("int", "500")])
    );
    assert_eq!(ask(".retried", "{}").await, json!([of("bool", "true")]));
    assert_eq!(ask("span.amount", "{").await, json!([of("float", "9.5")]));
    assert_eq!(ask("event.n", "{}").await, json!([of("int", "2")]));
    let services = json!([of("string", "pay"), of("string", "web")]);
    assert_eq!(ask("resource.service.name", "{}").await, services);
    assert_eq!(
        ask("rootServiceName", "{}").await,
        json!([of("string", "web")])
    );
    let query = "{ resource.service.name = \"web\" && name = ";
    assert_eq!(
        ask("name", query).await,
        json!([of("string", "GET /"), of("string", "POST /checkout")])
    );
    assert_eq!(
        ask("status", "{}").await,
        json!([
            of("keyword", "error"),
            of("keyword", "ok"),
            of("keyword", "unset")
        ])
    );
    assert_eq!(ask("resource.nothing", "{}").await, json!([]));
    // The name is escaped once more than the URL demands.
    let twice = bed
        .get(
            "/tempo/api/v2/search/tag/resource.service%252Ename/values",
            &[],
        )
        .await
        .json();
    assert_eq!(twice["tagValues"], services);
    assert_eq!(
        bed.get("/tempo/api/v2/search/tag/nonsense/values", &[])
            .await
            .status,
        400
    );
    let old = bed
        .get("/tempo/api/search/tag/service.name/values", &[])
        .await
        .json();
    assert_eq!(old["tagValues"], json!(["pay", "web"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_counted_over_time_and_at_once() {
    let bed = Bed::with_traces().await;
    let query = escaped("{ } | count_over_time() by (resource.service.name)");
    let path = format!("/tempo/api/metrics/query_range?q={query}&step=10s&exemplars=5");
    let answer = bed.get(&path, &[]).await.json();
    let series = answer["series"].as_array().unwrap();
    let of = |service: &str| {
        let label = json!([{"key": "resource.service.name", "value": {"stringValue": service}}]);
        series
            .iter()
            .find(|series| series["labels"] == label)
            .unwrap_or_else(|| panic!("{answer:#}"))
    };
    let total = |series: &serde_json::Value| -> f64 {
        let samples = series["samples"].as_array().unwrap().iter();
        samples
            .map(|sample| sample["value"].as_f64().unwrap())
            .sum()
    };
    assert_eq!((total(of("web")), total(of("pay"))), (2.0, 1.0));
    let sample = &of("pay")["samples"][0];
    assert_eq!(
        sample["timestampMs"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            % 10_000,
        0
    );
    let exemplar = &of("pay")["exemplars"][0];
    assert_eq!(exemplar["labels"][0]["value"]["stringValue"], TRACE_ID);
    let path = format!("/tempo/api/metrics/query?q={query}&since=1m");
    let answer = bed.get(&path, &[]).await.json();
    let mut values: Vec<_> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["value"].clone())
        .collect();
    values.sort_by_key(ToString::to_string);
    assert_eq!(values, [1.0, 2.0]);
    // Clients refuse fields that they do not know.
    assert_eq!(answer.as_object().unwrap().len(), 1);
    for bad in [
        "",
        "q=%7B%7D",
        "q=%7B",
        &format!("q={query}&step=x"),
        &format!("q={query}&since=x"),
        &format!("q={query}&start=1&end=2000000000&step=1s"),
    ] {
        let answer = bed
            .get(&format!("/tempo/api/metrics/query_range?{bad}"), &[])
            .await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_few_spans_of_each_trace_where_it_may_have_many_traces() {
    let bed = Bed::with_traces().await;
    let mut many = bed.sent().clone();
    many.resource_spans.truncate(1);
    let spans = &mut many.resource_spans[0].scope_spans[0].spans;
    let one = spans.remove(0);
    for number in 1..=20_u64 {
        let mut span = one.clone();
        span.trace_id = 0xcc_u128.to_be_bytes().to_vec();
        span.span_id = number.to_be_bytes().to_vec();
        span.name = "many".into();
        spans.push(span);
    }
    bed.send(&many).await;
    while bed.get("/tempo/api/traces/cc", &[]).await.status != 200 {
        tokio::task::yield_now().await;
    }
    let check = async |q: &str, parameters: &str, expected: usize, warning: &str| {
        let path = format!("/tempo/api/search?q={}&{parameters}", escaped(q));
        let answer = bed.get(&path, &[]).await;
        let sets = &answer.json()["traces"][0]["spanSets"];
        let told = sets[0]["spans"].as_array().unwrap().len();
        assert_eq!(told, expected, "{parameters}");
        assert!(answer.warning.contains(warning), "{}", answer.warning);
        assert_eq!(answer.warning.is_empty(), warning.is_empty());
    };
    let many = r#"{name="many"}"#;
    check(many, "limit=20&spss=1000", 20, "").await;
    check(many, "limit=10000&spss=1000", 5, "spss is 5, not 1000").await;
    // As asked, and as many as there are.
    check(many, "limit=10000&spss=5", 5, "").await;
    check(r#"{name="charge"}"#, "limit=10000&spss=1000", 1, "").await;
}
