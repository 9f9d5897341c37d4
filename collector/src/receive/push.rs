//! Metrics that short jobs push, on the paths of the
//! [Pushgateway](https://github.com/prometheus/pushgateway#api).
//!
//! `PUT` or `POST /metrics/job/NAME{/LABEL/VALUE}` takes a body in a Prometheus format into the
//! group of those labels: `PUT` replaces the group, `POST` the metrics of the same names.
//! `DELETE` ends it. A job is gone before anybody could scrape it, so its group is kept until
//! it is deleted, through restarts too, and its samples are written again and again, so that
//! they do not go stale.
//!
//! What is pushed goes into the journal first, then into the group's file; only then is it
//! acknowledged. Who is not acknowledged pushes again, which comes to the same.

mod body;
mod groups;
mod key;
mod points;

use super::arrive::arrived;
use super::refused::refused;
use crate::admit::{Admission, Refusal, Taken};
use crate::config::PushConfig;
use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::put;
use body::Family;
use groups::{Group, Groups};
use key::Key;
use points::Points;
use sonde_proto::{Clock, Signal, Tenant, UnixNanos};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What the door needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Push {
    admission: Arc<Admission>,
    clock: Arc<dyn Clock>,
    groups: Arc<Mutex<Groups>>,
    repeat_every: Duration,
}

/// Why a push is not taken.
enum Stop {
    /// Before a group was concerned.
    Refused(Refusal),
    /// It does not fit to what is there; the group's time of failure is set.
    Inconsistent(String),
    /// There is no room for its series.
    NoRoom(String),
    /// There are as many groups, or bytes of them, as there may be.
    Full(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Push {
    /// Reads the groups that are kept in `dir`.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub(crate) fn open(
        dir: std::path::PathBuf,
        config: &PushConfig,
        admission: Arc<Admission>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        Ok(Self {
            admission,
            clock,
            groups: Arc::new(Mutex::new(Groups::open(dir, config)?)),
            repeat_every: Duration::from_secs(config.repeat_seconds.max(1)),
        })
    }

    /// The routes of this door.
    pub(crate) fn router(&self) -> Router {
        let decompress = tower_http::decompression::RequestDecompressionLayer::new();
        Router::new()
            .route(
                "/metrics/{job}/{*rest}",
                put(change).post(change).delete(delete),
            )
            .with_state(self.clone())
            .layer(decompress)
    }

    /// Writes what every group holds again and again, until told to stop.
    pub(crate) async fn repeat(self, stopped: impl Future<Output = ()>) {
        let mut turns = tokio::time::interval(self.repeat_every);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let repeat = async {
            loop {
                turns.tick().await;
                self.write_all().await;
            }
        };
        tokio::select! {
            () = stopped => {}
            () = repeat => {}
        }
    }

    async fn write_all(&self) {
        let mut groups = self.groups.lock().await;
        let now = self.clock.now().as_millis();
        let mut points: Option<(Tenant, Points)> = None;
        let mut requests = Vec::new();
        for group in groups.iter_mut() {
            let time = group.next_time(now);
            let is_other = |(tenant, gathered): &mut (Tenant, Points)| {
                *tenant != group.tenant || !gathered.has_room_for(group)
            };
            if let Some(full) = points.take_if(is_other) {
                requests.push(full);
            }
            let (_, gathered) =
                points.get_or_insert_with(|| (group.tenant.clone(), Points::default()));
            gathered.group(group, time);
        }
        requests.extend(points);
        for (tenant, points) in requests {
            let admitted = self
                .admission
                .admit(tenant, Signal::Metrics, points.request());
            match admitted.await {
                Err(refusal) => {
                    tracing::warn!(%refusal, "what was pushed cannot be written again now; trying on");
                }
                Ok(taken) if taken.rejected > 0 => {
                    tracing::warn!(
                        message = taken.message,
                        "some of what was pushed is not kept"
                    );
                }
                Ok(_) => {}
            }
        }
    }

    async fn admit(&self, tenant: &Tenant, points: Points) -> Result<Taken, Refusal> {
        let request = points.request();
        let admitted = self
            .admission
            .admit(tenant.clone(), Signal::Metrics, request);
        admitted.await
    }

    /// Takes families into a group. `whole`: the group holds nothing else after.
    async fn take(&self, key: Key, families: Vec<Family>, whole: bool) -> Result<(), Stop> {
        let mut groups = self.groups.lock().await;
        let now = self.clock.now();
        let old = groups.get(&key);
        if let Err(why) = groups.consistent(&key, &families) {
            let mut failed = old.cloned().unwrap_or_else(|| Group::new(&key));
            failed.failed = seconds(now);
            let time = failed.next_time(now.as_millis());
            let mut points = Points::default();
            points.group(&failed, time);
            self.put(&mut groups, &key, failed, points).await?;
            return Err(Stop::Inconsistent(why));
        }
        let mut new = old.cloned().unwrap_or_else(|| Group::new(&key));
        let before = new.families.clone();
        new.set(families, whole);
        new.pushed = seconds(now);
        let time = new.next_time(now.as_millis());
        let mut points = Points::default();
        points.group(&new, time);
        points.ended(&before, &new, time);
        self.put(&mut groups, &key, new, points).await
    }

    async fn put(
        &self,
        groups: &mut Groups,
        key: &Key,
        group: Group,
        points: Points,
    ) -> Result<(), Stop> {
        let file = groups.fitting(key, &group).map_err(Stop::Full)?;
        let taken = self.admit(&key.tenant, points).await?;
        if taken.rejected > 0 {
            return Err(Stop::NoRoom(taken.message));
        }
        let (path, bytes) = (groups.path(key), file);
        let size = bytes.len();
        let written = tokio::task::spawn_blocking(move || crate::durable::replace(&path, &bytes));
        kept(written.await)?;
        groups.insert(key.clone(), group, size);
        Ok(())
    }

    /// Ends a group; one that is not there has ended.
    async fn end(&self, key: &Key) -> Result<(), Stop> {
        let mut groups = self.groups.lock().await;
        let Some(group) = groups.get(key).cloned() else {
            return Ok(());
        };
        let time = group.clone().next_time(self.clock.now().as_millis());
        let mut points = Points::default();
        points.end(&group, time);
        self.admit(&key.tenant, points).await?;
        let path = groups.path(key);
        let removed = tokio::task::spawn_blocking(move || crate::durable::remove(&path));
        kept(removed.await)?;
        groups.remove(key);
        Ok(())
    }
}

/// What became of a group's file.
fn kept(result: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), Refusal> {
    let result = result.map_err(io::Error::other).flatten();
    result.map_err(|error| Refusal::Unavailable {
        reason: format!("the group's file cannot be changed: {error}"),
    })
}

fn seconds(now: UnixNanos) -> f64 {
    now.as_secs_f64()
}

/// `/metrics/{job}/…` as it was asked for; `{job}` is `job` or `job@base64`.
fn key_of(push: &Push, headers: &HeaderMap, (first, rest): (&str, &str)) -> Result<Key, Refusal> {
    let counted = |refusal: Refusal| {
        push.admission.refused(Signal::Metrics, &refusal);
        refusal
    };
    let tenant = super::tenant(headers).map_err(|error| counted(error.into()))?;
    Key::read(tenant, first, rest).map_err(|why| counted(malformed(why)))
}

fn malformed(reason: String) -> Refusal {
    Refusal::Malformed {
        signal: Signal::Metrics,
        reason,
    }
}

async fn change(
    State(push): State<Push>,
    uri: OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match try_change(&push, uri.path(), &method, &headers, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(stop) => answer(&push, stop),
    }
}

async fn try_change(
    push: &Push,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Stop> {
    let key = key_of(push, headers, key::parts(path))?;
    let limit = push.admission.request_bytes_max();
    let (turn, body) = arrived(&push.admission, Signal::Metrics, body, limit).await?;
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok().map(str::to_owned));
    let labels = key.labels.clone();
    let read = tokio::task::spawn_blocking(move || {
        (
            turn,
            body::read(content_type.as_deref(), &body, limit, &labels),
        )
    });
    let (_turn, read) = read
        .await
        .map_err(|error| Stop::Refused(malformed(format!("the body cannot be read: {error}"))))?;
    let families = read.map_err(|why| {
        let refusal = malformed(why);
        push.admission.refused(Signal::Metrics, &refusal);
        refusal
    })?;
    push.take(key, families, method == Method::PUT).await
}

async fn delete(State(push): State<Push>, uri: OriginalUri, headers: HeaderMap) -> Response {
    let key = match key_of(&push, &headers, key::parts(uri.path())) {
        Ok(key) => key,
        Err(refusal) => return refused("push", &refusal),
    };
    match push.end(&key).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(stop) => answer(&push, stop),
    }
}

fn answer(push: &Push, stop: Stop) -> Response {
    match stop {
        Stop::Refused(refusal) => refused("push", &refusal),
        Stop::Inconsistent(why) => {
            let refusal = malformed(format!(
                "pushed metrics are invalid or inconsistent with existing metrics: {why}"
            ));
            push.admission.refused(Signal::Metrics, &refusal);
            refused("push", &refusal)
        }
        Stop::NoRoom(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
        Stop::Full(why) => (StatusCode::TOO_MANY_REQUESTS, format!("{why}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
