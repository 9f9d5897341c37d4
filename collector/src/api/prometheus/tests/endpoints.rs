//! Shapes, statuses, headers and errors, as Prometheus has them.

use super::*;

impl Bed {
    /// The whole response to a request without a body.
    async fn raw(&self, method: &str, path: &str, headers: &str) -> (String, String) {
        let request = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        let address = self.collector.addresses().http;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn found(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &[]).await;
        assert_eq!(
            (status, &body["status"]),
            (200, &json!("success")),
            "{path}: {body}"
        );
        body["data"].clone()
    }
}

#[tokio::test]
async fn the_patterns_of_all_selectors_of_a_request_have_one_budget() {
    let bed = Bed::new(|_| {}).await;
    let selector = |count: usize| format!("{{{}}}", vec!["a=~\"x.*\""; count].join(","));
    let (few, many) = (selector(100), selector(101));
    for endpoint in [
        "labels",
        "series",
        "label/a/values",
        "rules",
        "query_exemplars",
    ] {
        let joined = [many.as_str(); 10].join("+");
        let form: Vec<(&str, &str)> = match endpoint {
            "query_exemplars" => vec![("query", &joined)],
            _ => vec![("match[]", many.as_str()); 10],
        };
        let method = if endpoint.starts_with("label/") || endpoint == "rules" {
            "GET"
        } else {
            "POST"
        };
        let (status, body) = bed.ask(method, endpoint, &form).await;
        assert_eq!(status, 400, "{endpoint}: {body}");
        assert!(body.to_string().contains("may be 1000"), "{body}");
        if endpoint != "query_exemplars" {
            let (status, _) = bed
                .ask(method, endpoint, &[("match[]", few.as_str()); 10])
                .await;
            assert_eq!(status, 200, "{endpoint}");
        }
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_in_prometheus_words() {
    let bed = Bed::new(|_| {}).await;
    let empty = "invalid parameter \"query\": 1:1: parse error: no expression found in input";
    bed.refused("query", &[], empty).await;
    bed.refused("query", &[("query", "")], empty).await;
    let range = |parameters: &[(&'static str, &'static str)]| {
        let mut form = vec![("query", "1"), ("start", "0"), ("end", "1"), ("step", "1")];
        for (name, value) in parameters {
            form.retain(|(known, _)| known != name);
            form.push((name, value));
        }
        form
    };
    let check = async |parameters: &[(&'static str, &'static str)], error: &str| {
        bed.refused("query_range", &range(parameters), error).await;
    };
    check(
        &[("start", "")],
        "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
    )
    .await;
    check(
        &[("end", "x")],
        "invalid parameter \"end\": cannot parse \"x\" to a valid timestamp",
    )
    .await;
    check(
        &[("step", "")],
        "invalid parameter \"step\": cannot parse \"\" to a valid duration",
    )
    .await;
    check(
        &[("step", "0")],
        "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
    )
    .await;
    check(
        &[("start", "5")],
        "invalid parameter \"end\": end timestamp must not be before start time",
    )
    .await;
    check(
        &[("end", "100000")],
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
    )
    .await;
    check(
        &[("timeout", "x")],
        "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration",
    )
    .await;
    check(
        &[("limit", "-1")],
        "invalid parameter \"limit\": limit must be non-negative",
    )
    .await;
    bed.refused(
        "query",
        &[("query", "1"), ("time", "x")],
        "invalid parameter \"time\": Invalid time value for 'time': cannot parse \"x\" to a valid timestamp",
    )
    .await;
    bed.refused("series", &[], "no match[] parameter provided")
        .await;
    bed.refused("metadata", &[("limit", "x")], "limit must be a number")
        .await;
    bed.refused(
        "rules",
        &[("type", "x")],
        "invalid parameter \"type\": not supported value \"x\"",
    )
    .await;
    bed.refused(
        "rules",
        &[("group_next_token", "x")],
        "invalid parameter \"group_limit\": group_limit needs to be present in order to paginate over the groups",
    )
    .await;
    bed.refused(
        "status/tsdb",
        &[("limit", "0")],
        "limit must be a positive number",
    )
    .await;
    bed.refused(
        "status/tsdb",
        &[("limit", "10001")],
        "limit must not exceed 10000",
    )
    .await;
}

#[tokio::test]
async fn times_that_no_sample_has_are_answered() {
    let bed = Bed::new(|_| {}).await;
    let at = async |query: &str, time: &str| {
        let (status, body) = bed
            .ask("GET", "query", &[("query", query), ("time", time)])
            .await;
        assert_eq!(status, 200, "{body}");
        body["data"]["result"].clone()
    };
    assert_eq!(at("up", "999999999999").await, json!([]));
    assert_eq!(at("up[5m]", "-5").await, json!([]));
    assert_eq!(at("1", "-5").await, json!([-5.0, "1"]));
    for time in [
        "-292273086-05-16T16:47:06Z",
        "292277025-08-18T07:12:54.999999999Z",
    ] {
        assert_eq!(at("up", time).await, json!([]));
    }
    let range = async |start: &str, end: &str| {
        let form = [
            ("query", "vector(1)"),
            ("start", start),
            ("end", end),
            ("step", "2"),
        ];
        let (status, body) = bed.ask("GET", "query_range", &form).await;
        assert_eq!(status, 200, "{body}");
        body["data"]["result"].clone()
    };
    assert_eq!(
        range("-3", "4").await[0]["values"],
        json!([[1, "1"], [3, "1"]])
    );
    assert_eq!(range("-9", "-4").await, json!([]));
    let ever = "series?match[]=up&start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z";
    assert_eq!(
        bed.raw("GET", &format!("/api/v1/{ever}"), "").await.1,
        "{\"status\":\"success\",\"data\":[]}"
    );
}

#[tokio::test]
async fn what_a_collector_has_none_of_is_listed_as_nothing() {
    let bed = Bed::new(|_| {}).await;
    let none = json!({"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}});
    assert_eq!(bed.found("targets").await, none);
    assert_eq!(bed.found("targets/metadata").await, json!([]));
    assert_eq!(bed.found("scrape_pools").await, json!({"scrapePools": []}));
    let none = json!({"activeAlertmanagers": [], "droppedAlertmanagers": []});
    assert_eq!(bed.found("alertmanagers").await, none);
    assert_eq!(bed.found("rules").await, json!({"groups": []}));
    assert_eq!(bed.found("metadata").await, json!({}));
    let tsdb = bed.found("status/tsdb").await;
    assert_eq!(tsdb["headStats"]["minTime"], json!(i64::MAX));
    assert_eq!(tsdb["seriesCountByMetricName"], json!([]));
    let (status, body) = bed.ask("POST", "admin/tsdb/snapshot", &[]).await;
    assert_eq!((status, &body["errorType"]), (503, &json!("unavailable")));
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let bed = Bed::new(|config| config.metrics.features.duration_expressions = true).await;
    let flags = bed.found("status/flags").await;
    assert_eq!(flags["storage.tsdb.retention.time"], "15d");
    assert_eq!(flags["query.lookback-delta"], "5m");
    assert_eq!(flags["enable-feature"], "duration-expressions");
    let yaml = bed.found("status/config").await["yaml"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        yaml.contains("\n  features:\n    duration_expressions: true\n"),
        "{yaml}"
    );
    let runtime = bed.found("status/runtimeinfo").await;
    assert_eq!(runtime["storageRetention"], "15d");
    assert!(runtime["startTime"].as_str().unwrap().ends_with('Z'));
    let replay = bed.found("status/walreplay").await;
    assert_eq!(replay["state"], "done");
    assert_eq!(replay["current"], replay["max"]);
    let features = bed.found("features").await;
    assert_eq!(features["promql"]["duration_expressions"], true);
    assert_eq!(features["api"]["admin"], false);
    assert_eq!(bed.found("status/buildinfo").await["version"], "3.0.0");
}

#[tokio::test]
async fn a_tenant_is_shown_rules_and_alerts_of_its_own_alone() {
    let bed = Bed::new(|config| config.rules.default_alerts = true).await;
    assert_ne!(bed.found("rules").await, json!({"groups": []}));
    let none = [
        ("rules", json!({"groups": []})),
        ("alerts", json!({"alerts": []})),
    ];
    for (endpoint, none) in none {
        let path = format!("/api/v1/{endpoint}");
        let (_, body) = bed.raw("GET", &path, "X-Scope-OrgID: team-a\r\n").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({"status": "success", "data": none}));
        let (head, _) = bed.raw("GET", &path, "X-Scope-OrgID: no tenant\r\n").await;
        assert_eq!(head.split(' ').nth(1), Some("400"), "{head}");
    }
}

#[tokio::test]
async fn orders_to_the_server_are_not_taken() {
    let bed = Bed::new(|_| {}).await;
    let check = async |method: &str, path: &str, status: &str, body: &str| {
        let (head, text) = bed.raw(method, path, "").await;
        assert_eq!(head.split(' ').nth(1), Some(status), "{method} {path}");
        assert!(text.contains(body), "{text}");
    };
    check("GET", "/-/healthy", "200", "Healthy").await;
    check("HEAD", "/prometheus/-/healthy", "200", "").await;
    check("GET", "/-/ready", "200", "ready").await;
    check("GET", "/-/reload", "405", "Only POST or PUT").await;
    check("POST", "/-/reload", "403", "not enabled").await;
    check("PUT", "/-/quit", "403", "not enabled").await;
    check("GET", "/federate", "200", "").await;
    check(
        "GET",
        "/prometheus/federate?match[]=%7B",
        "400",
        "parse error",
    )
    .await;
    check("POST", "/api/v1/read", "400", "snappy").await;
    check("GET", "/api/v1/read", "405", "\"errorType\":\"bad_data\"").await;
    check("GET", "/api/v1/nope", "404", "\"errorType\":\"not_found\"").await;
}

#[tokio::test]
async fn pages_of_this_machine_may_read_and_others_may_not() {
    let bed = Bed::new(|_| {}).await;
    for (method, status) in [("OPTIONS", "204"), ("GET", "200")] {
        let own = "Origin: http://localhost:3000\r\n";
        let (head, _) = bed.raw(method, "/api/v1/query?query=1", own).await;
        assert_eq!(head.split(' ').nth(1), Some(status));
        assert!(
            head.contains("access-control-allow-origin: http://localhost:3000"),
            "{head}"
        );
        assert!(
            head.contains("access-control-allow-methods: GET, POST, OPTIONS"),
            "{head}"
        );
        for other in ["https://evil.example", "null"] {
            let origin = format!("Origin: {other}\r\n");
            let (head, _) = bed.raw(method, "/api/v1/query?query=1", &origin).await;
            assert_eq!(head.split(' ').nth(1), Some(status));
            assert!(!head.contains("access-control"), "{head}");
        }
    }
    // Those that carry an order have no such leave.
    let (head, _) = bed
        .raw(
            "GET",
            "/sonde/v1/status",
            "Origin: http://localhost:3000\r\n",
        )
        .await;
    assert!(!head.contains("access-control"), "{head}");
}

#[tokio::test]
async fn an_answer_is_cut_at_its_limit_and_says_what_it_took() {
    let bed = Bed::new(|_| {}).await;
    let query = "label_replace(vector(1),\"a\",\"x\",\"\",\"\") or vector(2)";
    let check = async |limit: &str, len: usize, is_cut: bool| {
        let form = [
            ("query", query),
            ("limit", limit),
            ("stats", "all"),
            ("lookback_delta", "1m"),
        ];
        let body = bed.ask("POST", "query", &form).await.1;
        assert_eq!(
            body["data"]["result"].as_array().unwrap().len(),
            len,
            "{body}"
        );
        let told = json!(["results truncated due to limit"]);
        assert_eq!(body.get("warnings"), is_cut.then_some(&told));
        let stats = &body["data"]["stats"];
        assert_eq!(stats["samples"]["totalQueryableSamples"], 0);
        assert!(stats["timings"]["evalTotalTime"].is_f64());
    };
    check("1", 1, true).await;
    check("2", 2, false).await;
    check("0", 2, false).await;
    let body = bed.ask("GET", "query", &[("query", "1")]).await.1;
    assert!(body["data"].get("stats").is_none());
}

#[tokio::test]
async fn what_is_sent_to_prometheus_own_path_is_deleted_cleaned_and_kept_in_a_snapshot() {
    let bed = Bed::new(|config| config.metrics.admin_api = true).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let send = async |name: &str| {
        let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{
            "name": name,
            "gauge": {"dataPoints": [{"timeUnixNano": format!("{now}000000000"), "asDouble": 1}]},
        }]}]}]})
        .to_string();
        let path = "/api/v1/otlp/v1/metrics";
        let length = body.len();
        let headers =
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let (head, _) = bed.raw("POST", path, &headers).await;
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    };
    send("gone").await;
    send("kept").await;
    // Deletion waits for what was acknowledged before it.
    let form = [("match[]", "gone"), ("start", "0")];
    let (status, _) = bed.order("delete_series", &form).await;
    assert_eq!(status, 204);
    let names = json!(["kept"]);
    assert_eq!(bed.found("label/__name__/values").await, names);
    let (status, body) = bed.order("snapshot", &[]).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    let name = body["data"]["name"].as_str().unwrap().to_owned();
    assert_eq!(bed.order("clean_tombstones", &[]).await.0, 204);
    assert_eq!(bed.found("label/__name__/values").await, names);
    assert_eq!(bed.order("delete_series", &[]).await.0, 400);
    assert_eq!(bed.order("nothing", &[]).await.0, 404);
    assert_eq!(bed.found("features").await["api"]["admin"], true);
    // What is there then is a data directory.
    let dir = bed
        ._dir
        .path()
        .join("snapshots")
        .join(name)
        .join("collector");
    let copy = Bed::new(|config| config.data_dir = dir).await;
    assert_eq!(copy.found("label/__name__/values").await, names);
}

impl Bed {
    async fn order(&self, what: &str, form: &[(&str, &str)]) -> (u16, String) {
        let pairs = form.iter().map(|(name, value)| format!("{name}={value}"));
        let form = pairs.collect::<Vec<_>>().join("&");
        let path = format!("/api/v1/admin/tsdb/{what}?{form}");
        let (head, body) = self.raw("PUT", &path, "").await;
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }
}

#[tokio::test]
async fn a_page_of_another_site_may_not_give_orders() {
    let bed = Bed::new(|config| config.metrics.admin_api = true).await;
    let foreign = "Origin: http://elsewhere.example\r\n";
    let path = "/api/v1/admin/tsdb/delete_series?match[]=up";
    let (head, _) = bed.raw("POST", path, foreign).await;
    assert_eq!(head.split(' ').nth(1), Some("403"));
}

#[tokio::test]
async fn who_accepts_gzip_gets_it() {
    let bed = Bed::new(|_| {}).await;
    let path = "/api/v1/status/flags";
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    let mut socket = TcpStream::connect(bed.collector.addresses().http)
        .await
        .unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    socket.read_to_end(&mut response).await.unwrap();
    let text = String::from_utf8_lossy(&response).to_lowercase();
    assert!(text.contains("content-encoding: gzip"), "{text}");
}
