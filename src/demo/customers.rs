//! The demo's customers: a steady stream of requests, each with its own identifier.

use super::service::REQUEST_ID;
use crate::Failure;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

const REQUEST_EVERY: Duration = Duration::from_millis(100);
const UNDER_WAY_MAX: usize = 100;

/// What the customers have seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    requests: AtomicU64,
    failed: AtomicU64,
    first_failed: Mutex<Option<String>>,
}

impl Seen {
    /// Requests answered.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests that failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The identifier of a request that failed.
    pub(super) fn failed_request(&self) -> Option<String> {
        self.first_failed.lock().clone()
    }

    fn record(&self, request_id: String, ok: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !ok {
            self.failed.fetch_add(1, Ordering::Relaxed);
            // The first one is kept: it has had the most time to arrive everywhere.
            self.first_failed.lock().get_or_insert(request_id);
        }
    }
}

/// Customers that come until they are dropped.
pub(super) struct Customers {
    pub(super) seen: Arc<Seen>,
    coming: JoinHandle<()>,
}

impl Customers {
    /// Lets customers come to `url`.
    pub(super) fn come(url: String) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(15))
            .build()?;
        let seen = Arc::new(Seen::default());
        let coming = tokio::spawn(come(http, url, Arc::clone(&seen)));
        Ok(Self { seen, coming })
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.coming.abort();
    }
}

async fn come(http: reqwest::Client, url: String, seen: Arc<Seen>) {
    let mut ticks = tokio::time::interval(REQUEST_EVERY);
    let mut under_way = JoinSet::new();
    for number in 0_u64.. {
        ticks.tick().await;
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= UNDER_WAY_MAX {
            continue;
        }
        let request_id = format!(
            "demo-{:08x}",
            number.wrapping_mul(2_654_435_761) & 0xffff_ffff
        );
        let sent = http.post(&url).header(REQUEST_ID, &request_id).send();
        let seen = Arc::clone(&seen);
        under_way.spawn(async move {
            let ok = sent
                .await
                .is_ok_and(|response| response.status().is_success());
            seen.record(request_id, ok);
        });
    }
}
