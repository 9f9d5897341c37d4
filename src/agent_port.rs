//! The port of an agent that runs alone: is it alive, what does it count, how far is it.
//!
//! Beside a collector there is none: the collector's port shows the agent as well.

use crate::Failure;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use sonde_agent::{Agent, Status};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the port shows. The agent is not kept alive by being looked at.
struct Shown {
    registry: Registry,
    agent: Weak<Agent>,
}

/// A bound port on which nothing is served yet.
pub(crate) struct AgentPort(TcpListener);

impl AgentPort {
    /// Binds the port before anything else is touched.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address).await.map_err(|error| {
            format!(
                "cannot listen on {address} (agent.http.listen): {error}; stop what uses it or set \
                 agent.http.listen (port 0 picks a free one)"
            )
        })?;
        Ok(Self(bound))
    }

    /// Serves until the task is aborted.
    pub(crate) fn serve(self, registry: Registry, agent: &Arc<Agent>) -> JoinHandle<()> {
        let agent = Arc::downgrade(agent);
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(async || "ready\n"))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .with_state(Arc::new(Shown { registry, agent }));
        if let Ok(address) = self.0.local_addr() {
            tracing::info!(name = %"agent.http", addr = %address, "listening");
        }
        tokio::spawn(async move {
            if let Err(error) = axum::serve(self.0, router).await {
                tracing::error!("the agent's HTTP port ended: {error}");
            }
        })
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, &shown.registry) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(shown): State<Arc<Shown>>) -> Json<Option<Status>> {
    Json(shown.agent.upgrade().map(|agent| agent.status()))
}
