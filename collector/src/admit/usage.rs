//! How much one tenant sends: bytes of logs each second, and streams that are in use.
//!
//! Bytes are counted as by a bucket that fills at the allowed rate. A request passes while
//! there is anything in it and may overdraw it, so that no request is too large to ever pass;
//! who overdraws waits for longer. A stream is in use for half an hour to an hour after it was
//! last sent to. The check and the count are one step, before anything is written; what was
//! not written after all is given back.

use crate::config::TenantLimits;
use parking_lot::Mutex;
use sonde_proto::UnixNanos;
use sonde_proto::walk::Logs;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long streams are collected in one set before the next begins.
const STREAMS_FOR: Duration = Duration::from_secs(30 * 60);
/// How many streams of all tenants are remembered. Further ones are let in uncounted: they
/// cost one tenant's limit its sharpness, never memory.
const REMEMBERED_MAX: usize = 4 << 20;
/// When a sender that has too many streams should ask again.
const STREAMS_RETRY: Duration = Duration::from_secs(60);

/// What every tenant's usage shares.
#[derive(Debug, Default)]
pub(super) struct Shared {
    hash: RandomState,
    remembered: AtomicUsize,
}

/// Why a tenant has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// It sends faster than it may, and may go on after this time.
    Rate(Duration),
    /// It uses more streams than it may.
    Streams(Duration),
}

/// What one tenant has used.
#[derive(Debug)]
pub(super) struct Usage {
    limits: TenantLimits,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// What may still be sent at once, in bytes; below zero when it is overdrawn.
    bytes_left: i64,
    filled_at: Option<UnixNanos>,
    streams: Streams,
}

/// The streams in use. A stream is in one of the sets.
#[derive(Debug, Default)]
struct Streams {
    now: HashSet<u64>,
    before: HashSet<u64>,
    since: UnixNanos,
}

impl Usage {
    pub(super) fn new(limits: TenantLimits) -> Self {
        Self {
            limits,
            used: Mutex::default(),
        }
    }

    /// The tenant's limits.
    pub(super) fn limits(&self) -> &TenantLimits {
        &self.limits
    }

    /// Counts a valid request of logs, or says why it has to wait; then nothing is counted.
    pub(super) fn take_logs(
        &self,
        payload: &[u8],
        now: UnixNanos,
        shared: &Shared,
    ) -> Result<(), Exceeded> {
        let streams = streams(payload, shared);
        let mut used = self.used.lock();
        let bytes_left = self.filled(&used, now);
        if bytes_left <= 0 {
            return Err(Exceeded::Rate(self.until_filled(bytes_left)));
        }
        used.streams
            .take(&streams, self.limits.log_streams_max, now, shared)?;
        used.bytes_left = bytes_left.saturating_sub(signed(payload.len() as u64));
        used.filled_at = Some(now);
        Ok(())
    }

    /// Gives back the bytes of a request that was not written after all.
    pub(super) fn give_back(&self, bytes: usize) {
        let mut used = self.used.lock();
        used.bytes_left = used.bytes_left.saturating_add(signed(bytes as u64));
    }

    /// What the bucket holds now.
    fn filled(&self, used: &Used, now: UnixNanos) -> i64 {
        let burst = signed(self.limits.logs_burst_bytes);
        let Some(filled_at) = used.filled_at else {
            return burst;
        };
        let rate = u128::from(self.limits.logs_bytes_per_second);
        let since = now.since(filled_at).as_nanos();
        let more = rate.saturating_mul(since) / 1_000_000_000;
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        used.bytes_left.saturating_add(more).min(burst)
    }

    fn until_filled(&self, bytes_left: i64) -> Duration {
        let missing = bytes_left.unsigned_abs().saturating_add(1) as f64;
        let seconds = missing / self.limits.logs_bytes_per_second.max(1) as f64;
        // Retry-After has whole seconds, and an hour is long enough to ask again.
        Duration::from_secs(seconds.ceil().clamp(1.0, 3600.0) as u64)
    }
}

impl Streams {
    fn take(
        &mut self,
        wanted: &[u64],
        max: u64,
        now: UnixNanos,
        shared: &Shared,
    ) -> Result<(), Exceeded> {
        self.turn(now, shared);
        let known = |stream: &u64| self.now.contains(stream) || self.before.contains(stream);
        let new: HashSet<u64> = wanted.iter().filter(|s| !known(s)).copied().collect();
        let in_use = self.now.len() + self.before.len();
        if !new.is_empty() && (in_use + new.len()) as u64 > max {
            return Err(Exceeded::Streams(STREAMS_RETRY));
        }
        for stream in wanted {
            if self.before.remove(stream) {
                self.now.insert(*stream);
            }
        }
        let room = REMEMBERED_MAX.saturating_sub(shared.remembered.load(Ordering::Relaxed));
        let added = new.len().min(room);
        shared.remembered.fetch_add(added, Ordering::Relaxed);
        self.now.extend(new.into_iter().take(added));
        Ok(())
    }

    /// Forgets what was not in use for long enough.
    fn turn(&mut self, now: UnixNanos, shared: &Shared) {
        let age = now.since(self.since);
        if age < STREAMS_FOR {
            return;
        }
        let mut gone = std::mem::replace(&mut self.before, std::mem::take(&mut self.now)).len();
        if age >= STREAMS_FOR * 2 {
            gone += std::mem::take(&mut self.before).len();
        }
        shared.remembered.fetch_sub(gone, Ordering::Relaxed);
        self.since = now;
    }
}

/// The streams of a valid request: each resource with each of its scopes.
fn streams(payload: &[u8], shared: &Shared) -> Vec<u64> {
    let mut streams = Vec::new();
    for resource in Logs::trusted(payload).resources() {
        // Once for all its scopes, of which a small request can have many.
        let of_resource = shared.hash.hash_one(resource.resource_bytes());
        for scope in resource.scopes() {
            let of_scope = scope.scope.bytes();
            streams.push(shared.hash.hash_one((of_resource, of_scope)));
        }
    }
    streams
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
    use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
    use sonde_proto::otlp::{kv, resource::Resource};

    const START: UnixNanos = UnixNanos::from_secs(1_700_000_000);

    fn after(seconds: u64) -> UnixNanos {
        START.plus(Duration::from_secs(seconds))
    }

    fn request(services: std::ops::Range<u32>) -> Vec<u8> {
        let resource_logs = services.map(|service| ResourceLogs {
            resource: Some(Resource {
                attributes: vec![kv("service.name", format!("s{service}"))],
                ..Default::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: vec![LogRecord::default()],
                ..Default::default()
            }],
            ..Default::default()
        });
        let resource_logs = resource_logs.collect();
        ExportLogsServiceRequest { resource_logs }.encode_to_vec()
    }

    fn usage(rate: u64, burst: u64, streams: u64) -> Usage {
        Usage::new(TenantLimits {
            logs_bytes_per_second: rate,
            logs_burst_bytes: burst,
            log_streams_max: streams,
        })
    }

    #[test]
    fn who_overdraws_waits_until_the_debt_is_paid_and_others_pass() {
        let (shared, payload) = (Shared::default(), request(0..1));
        let bytes = payload.len() as u64;
        let usage = usage(bytes, bytes, 100);
        let take = |seconds| usage.take_logs(&payload, after(seconds), &shared);
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Err(Exceeded::Rate(Duration::from_secs(1))));
        assert_eq!(take(1), Ok(()));
        usage.give_back(payload.len());
        assert_eq!(take(1), Ok(()));
        // The bucket holds no more than the burst, however long nothing came.
        assert_eq!(take(1000), Ok(()));
        assert!(take(1000).is_err());
        // A clock that goes back neither fills nor empties it.
        assert!(take(900).is_err());
        let mut large = payload.clone();
        large.extend_from_slice(&request(0..100));
        let usage = super::tests::usage(bytes, bytes, 1000);
        assert_eq!(usage.take_logs(&large, START, &shared), Ok(()));
        let Err(Exceeded::Rate(wait)) = usage.take_logs(&payload, START, &shared) else {
            panic!("it is overdrawn");
        };
        assert!(wait > Duration::from_secs(30), "{wait:?}");
    }

    #[test]
    fn new_streams_beyond_the_limit_wait_and_known_ones_pass() {
        let shared = Shared::default();
        let usage = usage(u64::MAX, u64::MAX, 3);
        let take = |services, seconds| usage.take_logs(&request(services), after(seconds), &shared);
        assert_eq!(take(0..3, 0), Ok(()));
        assert_eq!(take(2..4, 0), Err(Exceeded::Streams(STREAMS_RETRY)));
        assert_eq!(take(0..3, 1), Ok(()));
        // Two are used on, one is not: after an hour there is room for one.
        assert_eq!(take(0..2, 1801), Ok(()));
        assert_eq!(take(3..4, 1802), Err(Exceeded::Streams(STREAMS_RETRY)));
        assert_eq!(take(0..2, 3602), Ok(()));
        assert_eq!(take(3..4, 3603), Ok(()));
        assert_eq!(shared.remembered.load(Ordering::Relaxed), 3);
        assert_eq!(take(7..9, 100_000), Ok(()));
        assert_eq!(shared.remembered.load(Ordering::Relaxed), 2);
    }
}
