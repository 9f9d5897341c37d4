//! `GET /signals/graph`: who asks whom, how often, how well, and how long it takes.

use super::signals::vector;
use super::{Api, ApiError, tenant};
use crate::api::Sources;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::collections::BTreeMap;

/// The service graph of the last minute.
#[derive(Debug, Serialize)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// What asks or is asked.
#[derive(Debug, PartialEq, Serialize)]
struct Node {
    name: String,
    /// `service`, `database` or `virtual`: known by its name only.
    kind: &'static str,
    /// Requests that it is asked, a second, and the share of them that failed.
    rate: f64,
    failed_ratio: Option<f64>,
}

/// One edge of the service graph.
#[derive(Clone, Debug, Default, Serialize)]
struct Edge {
    client: String,
    server: String,
    /// Empty, `messaging_system`, `database` or `virtual_node`.
    connection_type: String,
    rate: Option<f64>,
    failed_ratio: Option<f64>,
    p95_seconds: Option<f64>,
}

pub(super) async fn graph(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Graph>, ApiError> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let asked = api.of(&tenant).ask(move |sources, deadline| {
        let edges = edges(sources, &tenant, now, deadline)?;
        Ok(Graph {
            nodes: nodes(&edges),
            edges,
        })
    });
    asked.await.map(Json)
}

fn edges(
    sources: &Sources,
    tenant: &Tenant,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<Edge>, ApiError> {
    const BY: &str = "client, server, connection_type";
    let sum =
        |metric: &str| format!("sum by ({BY}) (rate(traces_service_graph_request_{metric}[1m]))");
    let (total, failed) = (sum("total"), sum("failed_total"));
    // A database says nothing itself: how long it took is what its client waited.
    let p95 = |side: &str| {
        format!(
            "histogram_quantile(0.95, sum by ({BY}, le) (rate(traces_service_graph_request_{side}_seconds_bucket[1m])))"
        )
    };
    let mut edges: BTreeMap<[String; 3], Edge> = BTreeMap::new();
    let mut fill = |query: &str, set: fn(&mut Edge, f64)| -> Result<(), ApiError> {
        for (labels, value) in vector(sources, tenant, query, now, deadline)? {
            let key =
                ["client", "server", "connection_type"].map(|name| labels.get(name).to_owned());
            let edge = edges.entry(key.clone()).or_default();
            [edge.client, edge.server, edge.connection_type] = key;
            if value.is_finite() {
                set(edge, value);
            }
        }
        Ok(())
    };
    fill(&total, |edge, v| edge.rate = Some(v))?;
    fill(
        &format!("({failed} or {total} * 0) / ({total} > 0)"),
        |edge, v| edge.failed_ratio = Some(v),
    )?;
    fill(&p95("client"), |edge, v| edge.p95_seconds = Some(v))?;
    fill(&p95("server"), |edge, v| edge.p95_seconds = Some(v))?;
    Ok(edges.into_values().collect())
}

/// Both ends of all edges, by name.
fn nodes(edges: &[Edge]) -> Vec<Node> {
    #[derive(Default)]
    struct Seen {
        is_service: bool,
        is_database: bool,
        asked: f64,
        failed: f64,
    }
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for edge in edges {
        let is_virtual = edge.connection_type == "virtual_node";
        // Who asks is a service, but for the user of requests from outside.
        let client = seen.entry(&edge.client).or_default();
        client.is_service |= !(is_virtual && edge.client == "user");
        let server = seen.entry(&edge.server).or_default();
        server.is_database |= edge.connection_type == "database";
        server.is_service |= match edge.connection_type.as_str() {
            "" | "messaging_system" => true,
            "virtual_node" => edge.client == "user",
            _ => false,
        };
        let rate = edge.rate.unwrap_or(0.0);
        server.asked += rate;
        server.failed += rate * edge.failed_ratio.unwrap_or(0.0);
    }
    let node = |(name, seen): (&str, Seen)| Node {
        name: name.to_owned(),
        kind: match seen {
            Seen {
                is_service: true, ..
            } => "service",
            Seen {
                is_database: true, ..
            } => "database",
            _ => "virtual",
        },
        rate: seen.asked,
        failed_ratio: (seen.asked > 0.0).then(|| seen.failed / seen.asked),
    };
    seen.into_iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_both_ends_with_what_they_are_asked() {
        let edge = |client: &str, server: &str, kind: &str, rate: f64, failed: f64| Edge {
            client: client.into(),
            server: server.into(),
            connection_type: kind.into(),
            rate: Some(rate),
            failed_ratio: Some(failed),
            p95_seconds: None,
        };
        let found = nodes(&[
            edge("user", "web", "virtual_node", 4.0, 0.5),
            edge("web", "pay", "", 2.0, 0.0),
            edge("job", "pay", "messaging_system", 2.0, 1.0),
            edge("pay", "orders", "database", 1.0, 0.0),
            edge("pay", "api.example.com", "virtual_node", 0.0, 0.0),
        ]);
        let found: Vec<_> = found
            .iter()
            .map(|node| (&node.name[..], node.kind, node.rate, node.failed_ratio))
            .collect();
        assert_eq!(
            found,
            [
                ("api.example.com", "virtual", 0.0, None),
                ("job", "service", 0.0, None),
                ("orders", "database", 1.0, Some(0.0)),
                ("pay", "service", 4.0, Some(0.5)),
                ("user", "virtual", 0.0, None),
                ("web", "service", 4.0, Some(0.5)),
            ]
        );
    }
}
