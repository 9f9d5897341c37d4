//! The port for pages and query APIs. Each folder is one dialect, each file in it one
//! group of endpoints, and each only translates: what is asked is answered by a store,
//! by [`crate::lookup`], by the rules or by the alerts.

mod answer;
mod conditions;
mod follow;
mod grpc;
mod health;
mod items;
mod jaeger;
mod loki;
mod native;
mod pages;
mod parameters;
mod prometheus;
mod samples;
mod sites;
mod tempo;
mod time;
mod turns;
#[cfg(test)]
mod testing;

use crate::config::HttpConfig;
use crate::consume::Progress;
use crate::evaluate::Rules;
use crate::logs::LogReader;
use crate::run::Observed;
use crate::stores::Stores;
use answer::ApiError;
use axum::Router;
use http::HeaderMap;
use parking_lot::Mutex;
use sonde_alerts::Alerts;
use sonde_journal::Journal;
use sonde_proto::{Clock, Deadline, Signal, Tenant, UnixNanos};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use turns::Turns;

/// How many queries are read and compiled at once; none takes longer than a second or two.
const READ_AT_ONCE: usize = 4;

/// Everything that answers are made of.
pub(crate) struct Sources {
    pub(crate) stores: Stores,
    pub(crate) logs: LogReader,
    pub(crate) alerts: Alerts,
    pub(crate) rules: Rules,
    pub(crate) changes: sonde_signals::Changes,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) progress: Vec<(Signal, Arc<Progress>)>,
    pub(crate) observed: Arc<Mutex<Observed>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started: UnixNanos,
}

/// What every endpoint shares. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    sources: Arc<Sources>,
    reads: Turns,
    queries: Turns,
    query_time_max: Duration,
    /// One for each query that may be followed.
    follows: Turns,
    hosts: sites::Hosts,
    /// Whether figures of all tenants are shown to whoever asks.
    is_operator: bool,
    stopped: watch::Receiver<bool>,
}

impl Api {
    pub(crate) fn new(
        sources: Sources,
        config: &HttpConfig,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            sources: Arc::new(sources),
            reads: Turns::new(READ_AT_ONCE),
            queries: Turns::new(config.queries_max),
            query_time_max: Duration::from_secs(config.query_seconds_max),
            follows: Turns::new(follow::FOLLOWED_MAX),
            hosts: sites::Hosts::new(config),
            is_operator: config.shows_all_tenants(),
            stopped,
        }
    }

    /// One tenant's questions.
    fn of(&self, tenant: &Tenant) -> Asker {
        Asker {
            api: self.clone(),
            tenant: tenant.clone(),
        }
    }

    fn now(&self) -> UnixNanos {
        self.sources.clock.now()
    }
}

/// One tenant's questions.
struct Asker {
    api: Api,
    tenant: Tenant,
}

impl Asker {
    /// Reads and compiles what is asked, on a thread of its own: what a query may have of
    /// regular expressions can take a second.
    async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let Self { api, tenant } = self;
        let turn = api.reads.wait(&tenant, api.query_time_max).await?;
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read()
        });
        read.await.map_err(|_| failed_inside())
    }

    /// Runs a question on a thread of its own, with its deadline, when it is its turn. The
    /// deadline has passed as soon as nobody waits for the answer.
    async fn ask<T: Send + 'static>(
        self,
        question: impl FnOnce(&Sources, &Deadline) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Self { api, tenant } = self;
        let turn = api.queries.wait(&tenant, api.query_time_max).await?;
        let answer = answered(api.query_time_max, move |deadline| {
            let _turn = turn;
            question(&api.sources, deadline)
        });
        answer.await?
    }
}

/// Runs a question on a thread of its own. Its deadline has passed as soon as nobody waits.
async fn answered<T: Send + 'static>(
    within: Duration,
    question: impl FnOnce(&Deadline) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let deadline = Deadline::within(within);
    let _waits = deadline.give_up_on_drop();
    let answer = tokio::task::spawn_blocking(move || question(&deadline));
    answer.await.map_err(|_| failed_inside())
}

fn failed_inside() -> ApiError {
    ApiError::internal("the query failed inside; this is a defect, please report it")
}

/// The tenant of a request.
fn tenant(headers: &HeaderMap) -> Result<Tenant, ApiError> {
    crate::receive::tenant(headers).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// All routes of the port, with those of the doors that Loki's clients and Prometheus push to.
pub(crate) fn router(api: Api, push: Router) -> Router {
    let cors = || axum::middleware::from_fn_with_state(api.hosts.clone(), prometheus::cors::allow);
    // Noted before it is compressed: an answer waits with its whole length.
    let weigh = axum::middleware::map_response(crate::serve::weigh);
    let compressed = tower_http::compression::CompressionLayer::new();
    let prometheus = prometheus::router()
        .layer(weigh)
        .layer(compressed)
        .layer(cors());
    let site = prometheus::site().layer(cors());
    let hosts = axum::middleware::from_fn_with_state(api.hosts.clone(), sites::check_host);
    let own_pages = axum::middleware::from_fn(sites::check_site);
    Router::new()
        .nest("/sonde/v1", native::router())
        .nest("/prometheus/api/v1", prometheus.clone())
        .nest("/api/v1", prometheus)
        .nest("/prometheus", site.clone())
        .merge(site)
        .nest("/loki/api/v1", loki::router())
        .nest("/tempo", tempo::router())
        .merge(tempo::grpc())
        .merge(jaeger::grpc())
        .nest("/jaeger", jaeger::router())
        .merge(health::router())
        .fallback(pages::page)
        .with_state(api)
        .merge(push.layer(own_pages))
        .layer(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_ends_when_nobody_waits_for_its_answer() {
        let (begun, mut has_begun) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let answer = answered(Duration::from_secs(3600), move |deadline| {
            begun.send(()).unwrap();
            while !deadline.has_passed() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
        });
        let mut answer = Box::pin(answer);
        tokio::select! {
            _ = &mut answer => panic!("its deadline is far away"),
            begun = &mut has_begun => begun.unwrap(),
        }
        // As the server does when a client leaves.
        drop(answer);
        has_ended.await.unwrap();
    }
}
