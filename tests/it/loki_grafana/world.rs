//! The logs that the requests are about: three pods of a shop, pushed as Loki's clients do.

use crate::harness::{Sonde, client};
use serde_json::{Value, json};

/// How many lines each pod has.
pub(crate) const LINES: usize = 60;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Where and when those logs are.
pub(crate) struct World {
    start: u64,
    end: u64,
}

impl World {
    /// Pushes everything and waits until it is searchable.
    pub(crate) async fn pushed_to(sonde: &Sonde) -> Self {
        let now = jiff::Timestamp::now().as_nanosecond() as u64;
        let end = now / MINUTE * MINUTE + MINUTE;
        let world = Self {
            start: end - 30 * MINUTE,
            end,
        };
        let pods = [
            ("checkout", "checkout-0"),
            ("web", "web-0"),
            ("web", "web-1"),
        ];
        let streams = pods.map(|(service, pod)| {
            let values: Vec<_> = (0..LINES)
                .map(|n| match service {
                    "checkout" => json!([world.time(n), checkout(n), {"trace_id": trace_id(n)}]),
                    _ => json!([world.time(n), web(n)]),
                })
                .collect();
            stream(service, pod, &values)
        });
        push(sonde, &json!({ "streams": streams })).await;
        let count = [("query", "sum(count_over_time({namespace=\"shop\"}[1h]))")];
        let all = (3 * LINES).to_string();
        let arrived = |answer: &Value| answer["data"]["result"][0]["value"][1] == all;
        sonde.until("/loki/api/v1/query", &count, arrived).await;
        world
    }

    /// When the n-th line of each pod was.
    fn time(&self, n: usize) -> String {
        (self.end - 2 * MINUTE - (LINES - n) as u64 * 5 * SECOND).to_string()
    }

    /// A text with what it names filled in.
    pub(crate) fn filled(&self, text: &str) -> String {
        let iso = |nanos: u64| {
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            format!("{stamp:.3}")
        };
        let seconds = |nanos: u64| format!("{}.000", nanos / SECOND);
        text.replace("$start_ns", &self.start.to_string())
            .replace("$end_ns", &self.end.to_string())
            .replace("$start_iso", &iso(self.start))
            .replace("$end_iso", &iso(self.end))
            .replace("$start_s", &seconds(self.start))
            .replace("$end_s", &seconds(self.end))
            .replace("$line_ns", &self.time(LINES / 2))
            .replace("$trace_id", &trace_id(7))
    }
}

/// Pushes one more line of a pod, from now.
pub(crate) async fn push_one(sonde: &Sonde, pod: &str, line: &str) {
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    push(
        sonde,
        &json!({ "streams": [stream("web", pod, &[json!([now, line])])] }),
    )
    .await;
}

async fn push(sonde: &Sonde, body: &Value) {
    let url = sonde.url("/loki/api/v1/push");
    let response = client().post(url).json(body).send().await.unwrap();
    assert_eq!(
        response.status().as_u16(),
        204,
        "{}",
        response.text().await.unwrap()
    );
}

fn stream(service: &str, pod: &str, values: &[Value]) -> Value {
    json!({"stream": {"namespace": "shop", "service_name": service, "pod": pod}, "values": values})
}

fn trace_id(n: usize) -> String {
    format!("{:032x}", 0xabc0_0000_usize + n)
}

/// JSON, every fifth an error.
fn checkout(n: usize) -> String {
    let failed = n % 5 == 4;
    let line = json!({
        "level": if failed { "error" } else { "info" },
        "msg": if failed { "payment failed" } else { "payment accepted" },
        "status": if failed { 500 } else { 200 },
        "duration": format!("{}ms", 100 + n),
        "user": {"id": format!("u{n}")},
    });
    line.to_string()
}

/// logfmt, every tenth an error and every third a POST.
fn web(n: usize) -> String {
    let (level, status) = if n % 10 == 9 {
        ("error", 503)
    } else {
        ("info", 200)
    };
    let method = if n.is_multiple_of(3) { "POST" } else { "GET" };
    format!(
        "level={level} method={method} path=/cart/{n} status={status} duration={}ms",
        5 + n
    )
}
