//! The requests that Grafana's Tempo data source makes are answered with what it reads, over
//! real traces: `tests/it/tempo_requests.json` has each with the shape it needs.

use crate::harness::client;
use crate::trace_requests::World;
use prost::Message as _;
use sonde_proto::otlp::trace::TracesData;

/// Tempo's `TraceByIDResponse`, as far as Grafana reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct TraceById {
    #[prost(message, optional, tag = "1")]
    trace: Option<TracesData>,
    #[prost(int32, tag = "3")]
    status: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_grafanas_tempo_data_source_is_answered_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(world) = World::sent_to_sonde(dir.path()).await else {
        return;
    };
    world.check(include_str!("tempo_requests.json")).await;
    a_trace_as_protobuf(&world).await;
    assert!(world.sonde.stop().await.success());
}

/// In the new way and, where that is not known, in the old one.
async fn a_trace_as_protobuf(world: &World) {
    let id = world.trace_id(0);
    let wrapped = TraceById::decode(protobuf(world, &format!("/tempo/api/v2/traces/{id}")).await);
    let wrapped = wrapped.unwrap();
    assert_eq!(wrapped.status, 0);
    let bare = TracesData::decode(protobuf(world, &format!("/tempo/api/traces/{id}")).await);
    let bare = bare.unwrap();
    assert_eq!(wrapped.trace.as_ref(), Some(&bare));
    let scopes = bare
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    assert_eq!(spans.len(), 2);
    let server = spans
        .iter()
        .find(|span| span.name == "POST /checkout")
        .unwrap();
    let call = spans.iter().find(|span| span.name == "POST /pay").unwrap();
    assert_eq!(call.parent_span_id, server.span_id);
    assert!(
        server
            .attributes
            .iter()
            .any(|kv| kv.key == "http.response.status_code")
    );
}

async fn protobuf(world: &World, path: &str) -> bytes::Bytes {
    let request = client()
        .get(world.sonde.url(path))
        .header("Accept", "application/protobuf");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/protobuf");
    answer.bytes().await.unwrap()
}
