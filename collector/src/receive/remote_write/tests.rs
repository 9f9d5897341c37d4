//! Requests as Prometheus sends them, through the door into a real journal.

use super::*;
use crate::config::OtlpLimits;
use crate::receive::testing::Behind;
use axum::http::Request;
use sonde_journal::Journal as _;
use sonde_proto::remote_write::{Metadata, Series, body as written_body};
use sonde_proto::{
    Entry, Format, Histogram, ManualClock, Partition, Position, Tenant, UnixNanos, snappy,
};
use tower::ServiceExt as _;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);

/// The door before a real journal.
struct Bed {
    router: axum::Router,
    behind: Behind,
}

impl Bed {
    fn new(limits: &OtlpLimits) -> Self {
        let behind = Behind::new(limits, Arc::new(ManualClock::new(NOW)));
        let config = sonde_metrics::Config {
            labels_max: 3,
            ..sonde_metrics::Config::default()
        };
        Self {
            router: router(Arc::clone(&behind.admission), &config),
            behind,
        }
    }

    fn end(&self) -> Position {
        self.behind
            .journal
            .durable_end(Partition::first(Signal::Metrics))
    }

    fn entries(&self) -> Vec<Entry> {
        let partition = Partition::first(Signal::Metrics);
        let mut reader = self
            .behind
            .journal
            .read(partition, Position::START)
            .unwrap();
        let mut found = Vec::new();
        while Position(found.len() as u64) < self.end() {
            let batch = reader.next_batch(1 << 20, std::time::Duration::from_secs(1));
            found.extend(batch.unwrap().into_iter().map(|(_, entry)| entry));
        }
        found
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let header = |name| {
            let value: Option<&HeaderValue> = head.headers.get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        Answer {
            status: head.status.as_u16(),
            text: String::from_utf8_lossy(&body).into_owned(),
            written: [SAMPLES, HISTOGRAMS, EXEMPLARS].map(header),
            retry_after: header(header::RETRY_AFTER),
        }
    }

    async fn write(&self, version: Version, body: Vec<u8>) -> Answer {
        let headers = match version {
            Version::V1 => V1,
            Version::V2 => V2,
        };
        self.post("/api/v1/write", &headers, body).await
    }
}

struct Answer {
    status: u16,
    text: String,
    /// Samples, histograms, exemplars.
    written: [Option<String>; 3],
    retry_after: Option<String>,
}

impl Answer {
    #[track_caller]
    fn is(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(text), "{}", self.text);
    }
}

const SNAPPY: (&str, &str) = ("content-encoding", "snappy");
const V1: [(&str, &str); 2] = [SNAPPY, ("content-type", "application/x-protobuf")];
const V2: [(&str, &str); 2] = [
    SNAPPY,
    (
        "content-type",
        "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    ),
];

fn some(counts: [u64; 3]) -> [Option<String>; 3] {
    counts.map(|count| Some(count.to_string()))
}

fn series(name: &str, after: &[i64]) -> Series {
    let at = |after: &i64| (NOW.as_millis() + after, 1.0);
    Series {
        labels: vec![("__name__".into(), name.into())],
        samples: after.iter().map(at).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn both_versions_are_durable_as_they_came_before_they_are_acknowledged() {
    let bed = Bed::new(&OtlpLimits::default());
    let mut one = series("up", &[0, 1]);
    one.exemplars = vec![(Vec::new(), NOW.as_millis(), 1.0)];
    let [first, second] =
        Version::ALL.map(|v| written_body(v, std::slice::from_ref(&one)).unwrap());
    let answer = bed.write(Version::V1, first.clone()).await;
    answer.is(204, "");
    assert_eq!(answer.written, [None, None, None]);
    assert_eq!(bed.end(), Position(1));
    let named = [
        SNAPPY,
        (
            "content-type",
            "application/x-protobuf; proto=\"prometheus.WriteRequest\"",
        ),
        ("x-scope-orgid", "other"),
    ];
    let path = "/prometheus/api/v1/write";
    bed.post(path, &named, first.clone()).await.is(204, "");
    let answer = bed.write(Version::V2, second.clone()).await;
    answer.is(204, "");
    assert_eq!(answer.written, some([2, 0, 1]));
    let found: Vec<_> = bed
        .entries()
        .into_iter()
        .map(|e| (e.tenant, e.format, e.received_at, e.payload))
        .collect();
    let other = Tenant::new("other").unwrap();
    let default = Tenant::default();
    assert_eq!(
        found,
        [
            (
                default.clone(),
                Format::RemoteWrite1,
                NOW,
                first.clone().into()
            ),
            (other, Format::RemoteWrite1, NOW, first.into()),
            (default, Format::RemoteWrite2, NOW, second.into()),
        ]
    );
}

#[tokio::test]
async fn another_kind_of_body_is_not_taken() {
    let bed = Bed::new(&OtlpLimits::default());
    let protobuf = "application/x-protobuf";
    for (encoding, content_type, told) in [
        ("", protobuf, "compressed with snappy"),
        ("gzip", protobuf, "compressed with snappy"),
        ("snappy", "", "is application/x-protobuf"),
        ("snappy", "application/json", "is application/x-protobuf"),
        (
            "snappy",
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
            "not known here",
        ),
    ] {
        let headers = [
            ("content-encoding", encoding),
            ("content-type", content_type),
        ];
        bed.post("/api/v1/write", &headers, Vec::new())
            .await
            .is(415, told);
    }
    assert_eq!(bed.end(), Position::START);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_whole_and_never_asked_for_again() {
    let limits = OtlpLimits {
        request_bytes_max: 10_000,
        ..OtlpLimits::default()
    };
    let bed = Bed::new(&limits);
    for version in Version::ALL {
        let answer = bed.write(version, b"no snappy".to_vec()).await;
        answer.is(400, "not compressed with snappy");
        let zeros = version == Version::V2;
        assert_eq!(
            answer.written,
            if zeros {
                some([0; 3])
            } else {
                [None, None, None]
            }
        );
        let cut = snappy::packed(&[0x0a, 0xff, 0x01, 0x2a, 0xff]).unwrap();
        bed.write(version, cut).await.is(400, version.message());
        let bomb = snappy::packed(&vec![0; 10_001]).unwrap();
        assert!(bomb.len() < 1000);
        bed.write(version, bomb).await.is(413, "10000 bytes");
        bed.write(version, vec![0; 10_001])
            .await
            .is(413, "10000 bytes");
    }
    let tenant = [V1[0], V1[1], ("x-scope-orgid", "../x")];
    let body = written_body(Version::V1, &[series("up", &[0])]).unwrap();
    bed.post("/api/v1/write", &tenant, body).await.is(403, "");
    assert_eq!(bed.end(), Position::START);
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_and_the_rest_is_kept() {
    let bed = Bed::new(&OtlpLimits::default());
    let mut native = series("native", &[]);
    let good = (NOW.as_millis(), Histogram::default());
    let bad = Histogram {
        schema: 9,
        ..Histogram::default()
    };
    native.histograms = vec![good.clone(), (NOW.as_millis() + 1, bad), good];
    let mut many = series("many", &[0]);
    many.labels
        .extend(["a", "b", "c"].map(|name| (name.into(), "1".into())));
    let all = [series("up", &[-60_001, -60_000, 0, 60_001]), native, many];
    for (at, version) in (1..).zip(Version::ALL) {
        let answer = bed
            .write(version, written_body(version, &all).unwrap())
            .await;
        answer.is(400, "4 samples were taken");
        for told in [
            "1 samples are older than metrics.late_max_seconds",
            "1 samples lie further in the future",
            "1 samples are of series with more labels",
            "1 native histograms contradict themselves, the first so: the schema is 9",
        ] {
            answer.is(400, told);
        }
        assert_eq!(bed.end(), Position(at), "the rest is kept");
        if version == Version::V2 {
            assert_eq!(answer.written, some([2, 2, 0]));
        }
    }
    // Where nothing is left, nothing is written.
    let nothing = written_body(Version::V1, &[series("up", &[-60_001])]).unwrap();
    bed.write(Version::V1, nothing)
        .await
        .is(400, "0 samples were taken");
    let empty = written_body(Version::V2, &[]).unwrap();
    bed.write(Version::V2, empty).await.is(204, "");
    assert_eq!(bed.end(), Position(2));
}

#[tokio::test]
async fn what_is_said_of_metrics_alone_is_kept() {
    let bed = Bed::new(&OtlpLimits::default());
    let request = sonde_proto::remote_write::v1::WriteRequest {
        metadata: vec![sonde_proto::remote_write::v1::MetricMetadata {
            r#type: 1,
            metric_family_name: "up".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let plain = prost::Message::encode_to_vec(&request);
    let body = snappy::packed(&plain).unwrap();
    bed.write(Version::V1, body).await.is(204, "");
    let described = Series {
        metadata: Some(Metadata {
            help: "What it tells".into(),
            ..Metadata::default()
        }),
        ..series("up", &[])
    };
    let body = written_body(Version::V2, &[described]).unwrap();
    bed.write(Version::V2, body).await.is(204, "");
    assert_eq!(bed.end(), Position(2));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_there_is_no_room_is_told_when_to_come_back() {
    let bed = Bed::new(&OtlpLimits {
        requests_max: 1,
        ..OtlpLimits::default()
    });
    let body = written_body(Version::V2, &[series("up", &[0])]).unwrap();
    let turn = bed.behind.admission.turn().await.unwrap();
    let answer = bed.write(Version::V2, body.clone()).await;
    answer.is(503, "requests_max");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    assert_eq!(answer.written, some([0; 3]));
    drop(turn);
    bed.behind.journal.close();
    let answer = bed.write(Version::V2, body).await;
    answer.is(503, "durable");
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
}
