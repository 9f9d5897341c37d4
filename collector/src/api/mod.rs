//! The port for pages and query APIs. Each folder is one dialect, each file in it one
//! group of endpoints, and each only translates: what is asked is answered by a store,
//! by [`crate::lookup`], by the rules or by the alerts.

mod answer;
mod follow;
mod health;
mod loki;
mod native;
mod pages;
mod parameters;
mod prometheus;
mod samples;
mod time;

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
use sonde_proto::{Clock, Signal, Tenant, UnixNanos};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Everything that answers are made of.
pub(crate) struct Sources {
    pub(crate) stores: Stores,
    pub(crate) logs: LogReader,
    pub(crate) alerts: Alerts,
    pub(crate) rules: Rules,
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
    queries: Arc<Semaphore>,
    query_time_max: Duration,
    /// One permit for each query that may be followed.
    follows: Arc<Semaphore>,
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
            queries: Arc::new(Semaphore::new(config.queries_max)),
            query_time_max: Duration::from_secs(config.query_seconds_max),
            follows: Arc::new(Semaphore::new(follow::FOLLOWED_MAX)),
            stopped,
        }
    }

    /// Runs a question on a thread of its own, with its deadline, when it is its turn.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Sources, Option<Instant>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.queries).acquire_owned();
        let permit = tokio::time::timeout(self.query_time_max, turn)
            .await
            .map_err(|_| ApiError::timeout("too many queries are running; try again"))?
            .map_err(|_| ApiError::unavailable("the collector is stopping"))?;
        let deadline = Instant::now().checked_add(self.query_time_max);
        let sources = Arc::clone(&self.sources);
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            question(&sources, deadline)
        });
        answer.await.map_err(|_| {
            ApiError::internal("the query failed inside; this is a defect, please report it")
        })?
    }

    fn now(&self) -> UnixNanos {
        self.sources.clock.now()
    }
}

/// The tenant of a request.
fn tenant(headers: &HeaderMap) -> Result<Tenant, ApiError> {
    crate::receive::tenant(headers).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// All routes of the port, with those of the door that Loki's clients push to.
pub(crate) fn router(api: Api, push: Router) -> Router {
    let prometheus = prometheus::router();
    Router::new()
        .nest("/sonde/v1", native::router())
        .nest("/prometheus/api/v1", prometheus.clone())
        .nest("/api/v1", prometheus)
        .nest("/loki/api/v1", loki::router())
        .merge(health::router())
        .fallback(pages::page)
        .with_state(api)
        .merge(push)
}
