//! What changed in the software: values of a service's resource attributes that were not
//! there before, as a new version, image or replica set.
//!
//! For every service and attribute the values seen lately are kept, because old and new run
//! side by side while a service is rolled out. A value is new when it is not among them, or
//! when it had not been seen for as long as a series lives: then the service went back to
//! it. The first value of a service is no change.
//!
//! Invariant: what is kept is bounded by [`Limits`] and [`VALUES_MAX`]; it is part of the
//! snapshot and decided by arrival, so no restart invents or forgets a change.

use crate::histogram::LAG_MAX;
use crate::span::cut;
use serde::{Deserialize, Serialize};
use sonde_proto::otlp::common::KeyValue;
use sonde_proto::{Tenant, UnixNanos, otlp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many values of an attribute are known at once.
const VALUES_MAX: usize = 16;

/// A service has another value of an attribute than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When the first span with the value began, as far as that is believed: not after it
    /// arrived, nor more than a minute before.
    pub time: UnixNanos,
    /// Whose resource it is.
    pub service: String,
    /// The resource attribute.
    pub attribute: String,
    /// The value seen last before.
    pub before: String,
    /// The value that is new.
    pub after: String,
}

/// One value of an attribute, and when it was last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    value: Box<str>,
    last: UnixNanos,
}

/// What bounds [`Watched`], and what it watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) attributes: &'a [String],
    pub(crate) services_max: usize,
    pub(crate) changes_max: usize,
    pub(crate) value_bytes_max: usize,
    /// After how long a value counts as gone.
    pub(crate) gone: Duration,
}

/// The services of a tenant with their values, and their changes, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watched {
    services: BTreeMap<Box<str>, BTreeMap<Box<str>, Vec<Known>>>,
    changes: VecDeque<Change>,
}

impl Watched {
    /// Looks at the resource of a service; whether anything changed.
    pub(crate) fn see(
        &mut self,
        service: &str,
        resource: &[KeyValue],
        limits: Limits<'_>,
        now: UnixNanos,
        began: impl Fn() -> UnixNanos,
    ) -> bool {
        let mut changed = false;
        for attribute in limits.attributes {
            if let Some(value) =
                otlp::attribute_text(resource, attribute).filter(|value| !value.is_empty())
            {
                let value = cut(&value, limits.value_bytes_max);
                if let Some(before) = self.see_value(service, attribute, value, limits, now) {
                    changed = true;
                    while self.changes.len() >= limits.changes_max.max(1) {
                        self.changes.pop_front();
                    }
                    self.changes.push_back(Change {
                        time: began().clamp(now.minus(LAG_MAX), now),
                        service: cut(service, limits.value_bytes_max).to_owned(),
                        attribute: attribute.clone(),
                        before: before.into(),
                        after: value.to_owned(),
                    });
                }
            }
        }
        changed
    }

    /// Notes a value; the one before it where it is a change.
    fn see_value(
        &mut self,
        service: &str,
        attribute: &str,
        value: &str,
        limits: Limits<'_>,
        now: UnixNanos,
    ) -> Option<Box<str>> {
        let known = self.values_of(service, attribute, limits)?;
        let newest = known.iter().max_by_key(|known| known.last);
        let before = newest.map(|newest| newest.value.clone());
        let is_newest = before.as_deref() == Some(value);
        if let Some(same) = known.iter_mut().find(|known| &*known.value == value) {
            let was_gone = same.last.plus(limits.gone) < now;
            same.last = same.last.max(now);
            if is_newest || !was_gone {
                return None;
            }
        } else {
            if known.len() >= VALUES_MAX
                && let Some(oldest) = (0..known.len()).min_by_key(|at| known[*at].last)
            {
                known.swap_remove(oldest);
            }
            known.push(Known {
                value: value.into(),
                last: now,
            });
        }
        before
    }

    /// The known values; `None` where there is no room for another service.
    fn values_of(
        &mut self,
        service: &str,
        attribute: &str,
        limits: Limits<'_>,
    ) -> Option<&mut Vec<Known>> {
        let service = cut(service, limits.value_bytes_max);
        if !self.services.contains_key(service) {
            if self.services.len() >= limits.services_max {
                return None;
            }
            self.services.insert(service.into(), BTreeMap::new());
        }
        let attributes = self.services.get_mut(service)?;
        if !attributes.contains_key(attribute) {
            attributes.insert(attribute.into(), Vec::new());
        }
        attributes.get_mut(attribute)
    }
}

/// The changes of all tenants, for those who ask. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<BTreeMap<String, Vec<Change>>>>);

impl Changes {
    /// The changes of a period, both ends included, the oldest first.
    #[must_use]
    pub fn of(&self, tenant: &Tenant, start: UnixNanos, end: UnixNanos) -> Vec<Change> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = all.get(tenant.as_str()).into_iter().flatten();
        of_tenant
            .filter(|change| (start..=end).contains(&change.time))
            .cloned()
            .collect()
    }

    /// Shows what is now known of a tenant.
    pub(crate) fn show(&self, tenant: &str, watched: &Watched) {
        let changes = watched.changes.iter().cloned().collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(tenant.to_owned(), changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(attributes: &[String]) -> Limits<'_> {
        Limits {
            attributes,
            services_max: 2,
            changes_max: 3,
            value_bytes_max: 20,
            gone: Duration::from_secs(100),
        }
    }

    /// Sees versions of `pay` at seconds, and says what changed and when.
    fn check(seen: &[(u64, &str)], expected: &[(u64, &str, &str)]) {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        for (seconds, version) in seen {
            let resource = [otlp::kv("service.version", *version)];
            let now = UnixNanos::from_secs(*seconds);
            watched.see("pay", &resource, limits(&attributes), now, || now);
        }
        let found: Vec<_> = watched
            .changes
            .iter()
            .map(|c| (c.time.0 / 1_000_000_000, &c.before[..], &c.after[..]))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_new_value_is_a_change_and_the_first_one_is_not() {
        check(&[(1, "1"), (2, "1"), (3, "2")], &[(3, "1", "2")]);
    }

    #[test]
    fn old_and_new_side_by_side_are_one_change() {
        check(
            &[(1, "1"), (3, "2"), (4, "1"), (5, "2"), (90, "1"), (91, "2")],
            &[(3, "1", "2")],
        );
    }

    #[test]
    fn going_back_is_a_change_and_silence_is_not() {
        check(
            &[(1, "1"), (3, "2"), (90, "2"), (105, "1")],
            &[(3, "1", "2"), (105, "2", "1")],
        );
        check(&[(1, "1"), (5_000, "1"), (5_001, "")], &[]);
        check(&[(1, "1"), (2, "2"), (5_000, "2")], &[(2, "1", "2")]);
    }

    #[test]
    fn a_change_is_when_its_first_span_began_where_that_can_be() {
        for (began, expected) in [(995, 995), (2_000, 1_000), (0, 940)] {
            let attributes = ["service.version".to_owned()];
            let mut watched = Watched::default();
            for (version, seconds) in [("1", 990), ("2", 1_000)] {
                let resource = [otlp::kv("service.version", version)];
                let (now, began) = (UnixNanos::from_secs(seconds), UnixNanos::from_secs(began));
                watched.see("pay", &resource, limits(&attributes), now, || began);
            }
            assert_eq!(watched.changes[0].time, UnixNanos::from_secs(expected));
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        for n in 0..1_000_u64 {
            let resource = [otlp::kv("service.version", format!("{n}"))];
            let service = format!("service {}", n % 5);
            watched.see(
                &service,
                &resource,
                limits(&attributes),
                UnixNanos(n),
                || UnixNanos(n),
            );
        }
        let values = watched.services.values().flat_map(BTreeMap::values);
        assert_eq!((watched.services.len(), watched.changes.len()), (2, 3));
        assert!(values.clone().count() == 2 && values.map(Vec::len).all(|len| len <= VALUES_MAX));
    }
}
