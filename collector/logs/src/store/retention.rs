//! How long what is kept, and which segments go as a whole.

use super::seal::last_time;
use crate::config::{Config, StreamRetention};
use crate::hidden::{AgeRule, Ages, horizon};
use serde::Serialize;
use sonde_proto::{Tenant, UnixNanos};
use sonde_segment::SegmentMeta;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// What is kept of whom.
#[derive(Clone, Debug)]
pub(super) struct Retention {
    common: Policy,
    by_tenant: BTreeMap<Tenant, Policy>,
    /// What tenants without a limit of their own may have together.
    shared_bytes: u64,
}

#[derive(Clone, Debug)]
struct Policy {
    ages: Arc<Ages>,
    /// A limit of its own.
    bytes: Option<u64>,
    streams: Vec<StreamRetention>,
}

/// What is kept of a tenant, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionInForce {
    /// How long records are kept; 0 is for ever.
    pub seconds: u64,
    /// How many bytes of segments are kept; 0 is no limit.
    pub bytes_max: u64,
    /// Whether other tenants have a part in these bytes.
    pub bytes_shared: bool,
    /// The streams that are kept for another time; the first that fits counts.
    pub streams: Vec<StreamRetention>,
}

impl Retention {
    /// What the configuration says.
    ///
    /// # Errors
    /// Which selector or tenant's name cannot be read.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let common = &config.retention;
        let policy = |seconds, bytes, streams: &[StreamRetention]| {
            let (rules, streams) = rules(streams)?;
            let ages = Arc::new(Ages { rules, seconds });
            Ok::<_, String>(Policy {
                ages,
                bytes,
                streams,
            })
        };
        let mut by_tenant = BTreeMap::new();
        for (name, own) in &common.by_tenant {
            let tenant = Tenant::new(name).map_err(|e| format!("retention.by_tenant: {e}"))?;
            let seconds = own.seconds.unwrap_or(config.retention_seconds);
            let streams = own.streams.as_ref().unwrap_or(&common.streams);
            by_tenant.insert(tenant, policy(seconds, own.bytes, streams)?);
        }
        Ok(Self {
            common: policy(config.retention_seconds, None, &common.streams)?,
            by_tenant,
            shared_bytes: config.retention_bytes_max,
        })
    }

    fn of(&self, tenant: &Tenant) -> &Policy {
        self.by_tenant.get(tenant).unwrap_or(&self.common)
    }

    /// How long the streams of a tenant are kept, where that differs between them.
    pub(super) fn ages(&self, tenant: &Tenant) -> Option<&Arc<Ages>> {
        let ages = &self.of(tenant).ages;
        (!ages.rules.is_empty()).then_some(ages)
    }

    /// What is kept of a tenant, to be shown.
    pub(super) fn shown(&self, tenant: &Tenant) -> RetentionInForce {
        let policy = self.of(tenant);
        RetentionInForce {
            seconds: policy.ages.seconds,
            bytes_max: policy.bytes.unwrap_or(self.shared_bytes),
            bytes_shared: policy.bytes.is_none(),
            streams: policy.streams.clone(),
        }
    }

    /// The segments that go as a whole: those whose newest record is too old, then the
    /// oldest of those who have too many bytes.
    pub(super) fn beyond<'s>(&self, segments: &'s [SegmentMeta], now: UnixNanos) -> Vec<Gone<'s>> {
        let now = ages_until(segments, now);
        let mut gone = Vec::new();
        let mut kept: BTreeMap<&Tenant, Kept<'s>> = BTreeMap::new();
        let mut oldest_first: Vec<_> = segments.iter().collect();
        oldest_first.sort_unstable_by_key(|s| (last_time(s), s.id));
        for segment in oldest_first {
            let longest = self.of(&segment.tenant).ages.longest();
            let horizon = longest.map_or(UnixNanos(0), |seconds| horizon(now, seconds));
            if last_time(segment) < horizon {
                gone.push((segment, "retention_age"));
                continue;
            }
            let of_tenant = kept.entry(&segment.tenant).or_default();
            of_tenant.bytes += segment.bytes;
            of_tenant.segments.push_back(segment);
        }
        let own: Vec<&Tenant> = kept.keys().copied().collect();
        for tenant in own {
            if let Some(bytes) = self.of(tenant).bytes
                && let Some(mut alone) = kept.remove(tenant)
            {
                shrink(BTreeMap::from([(tenant, &mut alone)]), bytes, &mut gone);
            }
        }
        let shared = kept.iter_mut().map(|(tenant, kept)| (*tenant, kept));
        shrink(shared.collect(), self.shared_bytes, &mut gone);
        gone
    }
}

/// Until when ages count: the newest record that is sealed, or the clock where that is behind.
/// So a clock that runs years ahead lets nothing go, and neither does time in which nothing
/// comes in.
pub(super) fn ages_until(segments: &[SegmentMeta], now: UnixNanos) -> UnixNanos {
    let newest = segments.iter().map(last_time).max();
    newest.map_or(now, |newest| newest.min(now))
}

/// Whether the configuration can be used.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    Retention::new(config).map(drop)
}

/// A segment that is let go, and why.
pub(super) type Gone<'s> = (&'s SegmentMeta, &'static str);

/// What a tenant has, the oldest first.
#[derive(Default)]
struct Kept<'s> {
    bytes: u64,
    segments: VecDeque<&'s SegmentMeta>,
}

/// Lets go of the oldest segments of whoever has the most, until all have so many bytes.
fn shrink<'s>(
    mut tenants: BTreeMap<&'s Tenant, &mut Kept<'s>>,
    bytes_max: u64,
    gone: &mut Vec<Gone<'s>>,
) {
    let mut bytes: u64 = tenants.values().map(|kept| kept.bytes).sum();
    while bytes_max > 0 && bytes > bytes_max {
        let largest = tenants
            .iter_mut()
            .max_by_key(|(name, kept)| (kept.bytes, Reverse(**name)));
        let Some((_, largest)) = largest else { return };
        let Some(segment) = largest.segments.pop_front() else {
            return;
        };
        largest.bytes -= segment.bytes;
        bytes -= segment.bytes;
        gone.push((segment, "retention_bytes"));
    }
}

/// The rules in the order in which they are tried.
fn rules(streams: &[StreamRetention]) -> Result<(Vec<AgeRule>, Vec<StreamRetention>), String> {
    let mut ordered = streams.to_vec();
    let for_ever_last = |seconds: u64| seconds.wrapping_sub(1);
    ordered.sort_by_key(|s| (Reverse(s.priority), for_ever_last(s.seconds)));
    let read = ordered.iter().map(|stream| {
        let matchers = sonde_logql::parse_selector(&stream.selector).map_err(|error| {
            let selector = &stream.selector;
            format!("retention.streams: {selector:?} is no selector: {error}")
        })?;
        let seconds = stream.seconds;
        Ok(AgeRule { matchers, seconds })
    });
    Ok((read.collect::<Result<_, String>>()?, ordered.clone()))
}

#[cfg(test)]
mod tests;
