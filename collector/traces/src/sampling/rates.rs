//! What policies that keep so many spans a second have kept.
//!
//! Spans count in the second in which their trace began to arrive, so that a replay spends what
//! was spent before. It lies beside the decisions it led to, in the same file: of a trace that is
//! judged after a restart, a second that was spent is spent.

use super::file::{put_tenant, put_text, take_tenant, take_text};
use sonde_proto::{Tenant, UnixNanos};
use sonde_segment::blocks::{put_varint, take_varint};
use std::collections::BTreeMap;

/// Of which tenant, by the policy of which place, of traces that began to arrive in which second.
pub(super) type Spender = (Tenant, usize, u64);

/// How many spans were kept by a rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates(BTreeMap<Spender, u64>);

impl Rates {
    pub(super) fn spent(&self, key: &Spender) -> u64 {
        self.0.get(key).copied().unwrap_or(0)
    }

    pub(super) fn spend(&mut self, key: Spender, spans: u64) {
        *self.0.entry(key).or_default() += spans;
    }

    /// Forgets seconds of which no trace waits any more, and, of more than `most`, the oldest.
    pub(super) fn forget(&mut self, before: UnixNanos, most: usize) {
        let before = before.0 / 1_000_000_000;
        self.0.retain(|(_, _, second), _| *second >= before);
        if self.0.len() > most {
            let mut seconds: Vec<u64> = self.0.keys().map(|(_, _, second)| *second).collect();
            seconds.sort_unstable_by(|a, b| b.cmp(a));
            let newest_not = seconds[most];
            self.0.retain(|(_, _, second), _| *second > newest_not);
        }
    }

    /// As they lie in a file, policies by their names:
    ///
    /// ```text
    /// n varint │ n × (tenant, length varint and name, second varint, spans varint)
    /// ```
    pub(super) fn encode<'a>(&self, name_of: impl Fn(usize) -> &'a str, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for ((tenant, policy, second), spans) in &self.0 {
            put_tenant(out, tenant);
            put_text(out, name_of(*policy));
            put_varint(out, *second);
            put_varint(out, *spans);
        }
    }

    /// Adds what lay in a file, of policies that there are, and takes it off `bytes`; `None`
    /// where that is none of ours.
    pub(super) fn decode(
        &mut self,
        place_of: impl Fn(&str) -> Option<usize>,
        bytes: &mut &[u8],
    ) -> Option<()> {
        for _ in 0..take_varint(bytes)? {
            let tenant = take_tenant(bytes)?;
            let policy = place_of(take_text(bytes)?);
            let (second, spans) = (take_varint(bytes)?, take_varint(bytes)?);
            if let Some(policy) = policy {
                self.spend((tenant, policy, second), spans);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["few", "some", "many"];

    fn rates() -> Rates {
        let mut rates = Rates::default();
        for second in 100..110 {
            rates.spend((Tenant::default(), second as usize % 3, second), second);
        }
        rates
    }

    #[test]
    fn the_oldest_seconds_are_forgotten_first() {
        let spent = |rates: &Rates| {
            let seconds = rates.0.keys().map(|(_, _, second)| *second);
            let mut seconds: Vec<_> = seconds.collect();
            seconds.sort_unstable();
            seconds
        };
        let mut all = rates();
        all.forget(UnixNanos::from_secs(104), 100);
        assert_eq!(spent(&all), [104, 105, 106, 107, 108, 109]);
        all.forget(UnixNanos::from_secs(104), 2);
        assert_eq!(spent(&all), [108, 109]);
        all.spend((Tenant::default(), 0, 108), 2);
        assert_eq!(all.spent(&(Tenant::default(), 0, 108)), 110);
        assert_eq!(all.spent(&(Tenant::default(), 1, 108)), 0);
    }

    #[test]
    fn they_are_the_same_after_a_file_though_policies_have_other_places() {
        let mut bytes = Vec::new();
        rates().encode(|at| NAMES[at], &mut bytes);
        let decoded = |mut bytes: &[u8]| {
            let mut after = Rates::default();
            // The first of them is gone.
            let place = |name: &str| ["many", "some"].iter().position(|own| *own == name);
            after.decode(place, &mut bytes)?;
            bytes.is_empty().then_some(after)
        };
        let after = decoded(&bytes).unwrap();
        for second in 100..110 {
            let before = [None, Some(1), Some(0)][second as usize % 3];
            let expected = before.map_or(0, |_| second);
            let found = before.unwrap_or(0);
            assert_eq!(after.spent(&(Tenant::default(), found, second)), expected);
        }
        for end in 0..bytes.len() {
            assert!(decoded(&bytes[..end]).is_none(), "{end}");
        }
    }
}
