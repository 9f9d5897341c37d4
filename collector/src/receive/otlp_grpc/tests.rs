//! Who is let in, in which order, and what the others are told.

use super::*;
use crate::config::OtlpLimits;
use crate::receive::testing::Behind;
use futures::stream::{self, StreamExt as _};
use prost::Message as _;
use sonde_journal::Journal as _;
use sonde_proto::{Partition, Position, SystemClock, otlp::logs};
use tower::Service as _;

/// The door for logs, and what is behind it.
struct Bed {
    export: Export<logs_service::ExportLogsServiceResponse>,
    behind: Behind,
}

impl Bed {
    fn new(limits: &OtlpLimits) -> Self {
        let behind = Behind::new(limits, Arc::new(SystemClock));
        Self {
            export: Export::new(Signal::Logs, &behind.admission),
            behind,
        }
    }

    fn written(&self) -> Position {
        self.behind
            .journal
            .durable_end(Partition::first(Signal::Logs))
    }

    async fn send(&mut self, body: Body) -> Code {
        let response = self.export.call(Request::new(body)).await.unwrap();
        let code = response.headers().get("grpc-status").map(code_of);
        code.unwrap_or(Code::Ok)
    }
}

/// A message as it is sent.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

fn request_of(lines: usize) -> Vec<u8> {
    let line = logs::LogRecord {
        time_unix_nano: 1,
        ..logs::LogRecord::default()
    };
    let scope_logs = vec![logs::ScopeLogs {
        log_records: vec![line; lines],
        ..logs::ScopeLogs::default()
    }];
    let resource_logs = vec![logs::ResourceLogs {
        scope_logs,
        ..logs::ResourceLogs::default()
    }];
    logs_service::ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

#[tokio::test]
async fn whoever_sends_a_message_slowly_keeps_nobody_else_out() {
    let mut bed = Bed::new(&OtlpLimits {
        requests_max: 1,
        ..OtlpLimits::default()
    });
    let message = framed(&request_of(1));
    let begun = stream::iter([Ok::<_, Infallible>(message[..8].to_vec())]);
    let stalled = Body::from_stream(begun.chain(stream::pending()));
    let mut slow = bed.export.call(Request::new(stalled));
    assert!(futures::poll!(&mut slow).is_pending());
    assert_eq!(bed.send(message.into()).await, Code::Ok);
    assert_eq!(bed.written(), Position(1));
    assert!(futures::poll!(&mut slow).is_pending());
}

#[tokio::test]
async fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let message = request_of(10);
    let mut bed = Bed::new(&OtlpLimits {
        request_bytes_max: message.len(),
        ..OtlpLimits::default()
    });
    assert_eq!(bed.send(framed(&message).into()).await, Code::Ok);
    let larger = framed(&request_of(11));
    assert_eq!(bed.send(larger.into()).await, Code::ResourceExhausted);
    assert_eq!(bed.written(), Position(1));
}

#[tokio::test]
async fn what_is_no_message_is_refused_as_malformed() {
    let mut bed = Bed::new(&OtlpLimits::default());
    let cut = framed(&request_of(1))[..8].to_vec();
    for body in [Vec::new(), cut, framed(b"\xff\xff")] {
        assert_eq!(bed.send(body.into()).await, Code::InvalidArgument);
    }
    assert_eq!(bed.written(), Position(0));
}

#[test]
fn only_what_is_wrong_in_itself_is_called_an_invalid_argument() {
    let check = |refusal: Refusal, code| assert_eq!(status(&refusal).code(), code, "{refusal}");
    let reason = || "why".to_owned();
    let signal = Signal::Logs;
    check(
        Refusal::Malformed {
            signal,
            reason: reason(),
        },
        Code::InvalidArgument,
    );
    check(Refusal::TooLarge { limit: 1 }, Code::ResourceExhausted);
    check(Refusal::Unavailable { reason: reason() }, Code::Unavailable);
    let wait = std::time::Duration::from_secs(7);
    let slow = Refusal::Rate {
        tenant: sonde_proto::Tenant::default(),
        limit: 1,
        wait,
    };
    let told = status(&slow).get_details_retry_info();
    assert_eq!(told.and_then(|info| info.retry_delay), Some(wait));
    check(slow, Code::ResourceExhausted);
    let nameless = sonde_proto::Tenant::new("a b").unwrap_err();
    check(nameless.into(), Code::PermissionDenied);
    let tenant = sonde_proto::Tenant::default();
    check(
        Refusal::TooManyTenants { tenant, limit: 1 },
        Code::PermissionDenied,
    );
}

/// A message of Jaeger's with one span.
fn of_jaeger(span_id: &[u8]) -> Vec<u8> {
    let within = |number: u8, inside: &[u8]| {
        let length = u8::try_from(inside.len()).unwrap();
        [&[number << 3 | 2, length][..], inside].concat()
    };
    let span = [within(1, &[7; 16]), within(2, span_id)].concat();
    within(1, &within(1, &span))
}

#[tokio::test]
async fn what_jaegers_clients_send_is_taken_as_otlp_and_a_bad_span_told() {
    let behind = Behind::new(&OtlpLimits::default(), Arc::new(SystemClock));
    let mut export =
        Export::<PostSpansResponse>::translated(jaeger::read_protobuf, &behind.admission);
    let mut send = async |message: Vec<u8>| {
        let request = Request::new(Body::from(framed(&message)));
        let response = export.call(request).await.unwrap();
        let code = response.headers().get("grpc-status").map(code_of);
        let message = response
            .headers()
            .get("grpc-message")
            .map(|text| text.to_str().unwrap().to_owned());
        (code.unwrap_or(Code::Ok), message.unwrap_or_default())
    };
    let written = || behind.journal.durable_end(Partition::first(Signal::Spans));
    assert_eq!(send(of_jaeger(&[8; 8])).await.0, Code::Ok);
    assert_eq!(written(), Position(1));
    let (code, message) = send([of_jaeger(&[8; 8]), of_jaeger(&[0; 8])].concat()).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("1%20spans%20were%20taken"), "{message}");
    assert_eq!(written(), Position(2));
    assert_eq!(send(vec![0x0a, 9]).await.0, Code::InvalidArgument);
    assert_eq!(written(), Position(2));
}

/// Passed by a request when it is being read, and again before that ends.
static READING: std::sync::Barrier = std::sync::Barrier::new(2);

async fn passed() {
    tokio::task::spawn_blocking(|| READING.wait())
        .await
        .unwrap();
}

#[tokio::test]
async fn whoever_leaves_while_its_request_is_read_does_not_begin_another() {
    let behind = Behind::new(
        &OtlpLimits {
            requests_max: 1,
            ..OtlpLimits::default()
        },
        Arc::new(SystemClock),
    );
    let read = |_: &[u8]| {
        READING.wait();
        READING.wait();
        Err("nothing".to_owned())
    };
    let mut export = Export::<PostSpansResponse>::translated(read, &behind.admission);
    let request = Request::new(Body::from(framed(b"x")));
    let sent = tokio::spawn(export.call(request));
    passed().await;
    sent.abort();
    assert!(sent.await.is_err_and(|error| error.is_cancelled()));
    let mut next = Box::pin(behind.admission.turn());
    let is_free = futures::poll!(&mut next).is_ready();
    passed().await;
    assert!(!is_free);
    assert!(next.await.is_ok());
}
