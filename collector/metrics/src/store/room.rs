//! How many series there are, and how much room is left: asked at the doors, and counted where
//! entries are applied.

use super::MetricStore;
use crate::admission::{Look, Offender, Verdict};
use crate::head::Room;
use crate::postings::Index as _;
use crate::tenant::{State, TenantStore};
use sonde_proto::{Entry, Tenant};
use std::sync::atomic::{AtomicU64, Ordering};

/// With less room than this, requests are looked at for the texts of their labels: more than
/// one may have.
const SYMBOL_BYTES_NEAR: u64 = 64 << 20;

impl MetricStore {
    /// Whether any series of a request with at most so many might have no room.
    pub fn may_refuse(&self, tenant: &Tenant, series_most: u64) -> bool {
        let config = &self.config;
        let known = self.tenant(tenant);
        let (own, of_metric) = known.map_or((0, 0), |tenant| {
            let own = tenant.series.load(Ordering::Relaxed);
            (own, tenant.of_metric_most.load(Ordering::Relaxed))
        });
        let exceeds = |count: u64, max: usize| count.saturating_add(series_most) > max as u64;
        exceeds(own, config.series_max_of(tenant))
            || exceeds(self.series.load(Ordering::Relaxed), config.series_total_max)
            || self.symbol_bytes.load(Ordering::Relaxed) + SYMBOL_BYTES_NEAR > config.symbol_bytes()
            || (config.series_of_metric_max > 0 && exceeds(of_metric, config.series_of_metric_max))
    }

    /// What of an entry with a valid request of metrics would be refused if it were applied
    /// next. Nothing is changed but the list of offenders.
    pub fn would_refuse(&self, entry: &Entry) -> Verdict {
        let empty = TenantStore::default();
        let known = self.tenant(&entry.tenant);
        let store = known.as_deref().unwrap_or(&empty);
        let state = store.state.read();
        let look = Look::new(
            &self.config,
            &self.keys,
            &state.head,
            self.room(&entry.tenant, &state),
            &store.offenders,
            entry.received_at,
        );
        look.at(entry.format, &entry.payload)
    }

    /// The metrics that most series were refused of since the start, the worst first.
    pub fn offenders(&self, tenant: &Tenant, most: usize) -> Vec<Offender> {
        let known = self.tenant(tenant);
        known.map_or_else(Vec::new, |tenant| tenant.offenders.lock().worst(most))
    }

    /// How many series the tenant may have, as things are.
    pub(crate) fn room(&self, tenant: &Tenant, state: &State) -> Room {
        let all = self.series.load(Ordering::Relaxed) as usize;
        let others = all.saturating_sub(state.head.count() as usize);
        let texts_max = self.config.symbol_bytes();
        let all_texts = self.symbol_bytes.load(Ordering::Relaxed);
        let other_texts = all_texts.saturating_sub(state.head.symbol_bytes());
        Room {
            tenant: self.config.series_max_of(tenant),
            total: self.config.series_total_max.saturating_sub(others),
            metric: self.config.series_of_metric_max,
            symbol_bytes: texts_max.saturating_sub(other_texts),
        }
    }

    /// Notes how many series the tenant has now.
    pub(crate) fn count_series(&self, tenant: &TenantStore, state: &State) {
        let now = u64::from(state.head.count());
        let before = tenant.series.swap(now, Ordering::Relaxed);
        // Only the thread that applies gets here.
        let note = |all: &AtomicU64, before: u64, now: u64| {
            let rest = all.load(Ordering::Relaxed).saturating_sub(before);
            all.store(rest.saturating_add(now), Ordering::Relaxed);
        };
        note(&self.series, before, now);
        let texts = state.head.symbol_bytes();
        let before = tenant.symbol_bytes.swap(texts, Ordering::Relaxed);
        note(&self.symbol_bytes, before, texts);
        let most = state.head.of_metric_most() as u64;
        tenant.of_metric_most.store(most, Ordering::Relaxed);
    }
}
