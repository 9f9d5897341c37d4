//! What changed in the software: values of a service's resource attributes that were not
//! there before, as a new version, image or replica set.
//!
//! For every service and attribute the values seen lately are kept, because old and new run
//! side by side while a service is rolled out. A value is new when it is not among them, or
//! when it had not been seen for as long as a series lives: then the service went back to
//! it. The first value of a service is no change. Where more values live at once than are
//! kept, as those of a name that many programs share, a further one says nothing new and is
//! no change either. Services whose values are all gone make room where it lacks.
//!
//! Invariant: what is kept is bounded by [`Limits`] and [`VALUES_MAX`]; it is part of the
//! snapshot and decided by arrival, so no restart invents or forgets a change.

use crate::histogram::LAG_MAX;
use crate::span::cut;
use serde::{Deserialize, Serialize};
use sonde_proto::{Tenant, UnixNanos};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many values of an attribute are known at once.
const VALUES_MAX: usize = 16;
/// How often services that are gone are looked for, where there is no room for another.
const FORGET_EVERY: Duration = Duration::from_secs(60);

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
    /// When services that are gone were last looked for.
    #[serde(default)]
    looked: UnixNanos,
}

/// What came of looking at a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Values that are changes.
    pub(crate) changed: u64,
    /// Values that found no room.
    pub(crate) unwatched: u64,
}

/// What came of looking at one value.
enum Value {
    Same,
    Changed { before: Box<str> },
    NoRoom,
}

impl Watched {
    /// Looks at the resource of a service, of which `value_of` gives attributes.
    pub(crate) fn see<'a>(
        &mut self,
        service: &str,
        value_of: impl Fn(&str) -> Option<Cow<'a, str>>,
        limits: Limits<'_>,
        now: UnixNanos,
        began: impl Fn() -> UnixNanos,
    ) -> Seen {
        let mut seen = Seen::default();
        for attribute in limits.attributes {
            if let Some(value) = value_of(attribute).filter(|value| !value.is_empty()) {
                let value = cut(&value, limits.value_bytes_max);
                match self.see_value(service, attribute, value, limits, now) {
                    Value::Same => {}
                    Value::NoRoom => seen.unwatched += 1,
                    Value::Changed { before } => {
                        seen.changed += 1;
                        let change = Change {
                            time: began().clamp(now.minus(LAG_MAX), now),
                            service: cut(service, limits.value_bytes_max).to_owned(),
                            attribute: attribute.clone(),
                            before: before.into(),
                            after: value.to_owned(),
                        };
                        self.note(change, limits);
                    }
                }
            }
        }
        seen
    }

    fn note(&mut self, change: Change, limits: Limits<'_>) {
        while self.changes.len() >= limits.changes_max.max(1) {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    fn see_value(
        &mut self,
        service: &str,
        attribute: &str,
        value: &str,
        limits: Limits<'_>,
        now: UnixNanos,
    ) -> Value {
        let Some(known) = self.values_of(service, attribute, limits, now) else {
            return Value::NoRoom;
        };
        let is_gone = |known: &Known| known.last.plus(limits.gone) < now;
        let newest = known.iter().max_by_key(|known| known.last);
        let before = newest.map(|newest| newest.value.clone());
        let is_newest = before.as_deref() == Some(value);
        if let Some(same) = known.iter_mut().find(|known| &*known.value == value) {
            let was_gone = is_gone(same);
            same.last = same.last.max(now);
            if is_newest || !was_gone {
                return Value::Same;
            }
        } else {
            if known.len() >= VALUES_MAX {
                let oldest = (0..known.len()).min_by_key(|at| known[*at].last);
                match oldest.filter(|at| is_gone(&known[*at])) {
                    Some(oldest) => known.swap_remove(oldest),
                    None => return Value::NoRoom,
                };
            }
            known.push(Known {
                value: value.into(),
                last: now,
            });
        }
        before.map_or(Value::Same, |before| Value::Changed { before })
    }

    /// The known values; `None` where there is no room for another service.
    fn values_of(
        &mut self,
        service: &str,
        attribute: &str,
        limits: Limits<'_>,
        now: UnixNanos,
    ) -> Option<&mut Vec<Known>> {
        let service = cut(service, limits.value_bytes_max);
        if !self.services.contains_key(service) {
            if self.services.len() >= limits.services_max {
                self.forget_gone(limits, now);
            }
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

    /// Forgets the services of which no value lives. Not for every service without room: that
    /// would look at all the others each time.
    fn forget_gone(&mut self, limits: Limits<'_>, now: UnixNanos) {
        if now < self.looked.plus(FORGET_EVERY) {
            return;
        }
        self.looked = now;
        self.services.retain(|_, attributes| {
            let mut values = attributes.values().flatten();
            values.any(|known| known.last.plus(limits.gone) >= now)
        });
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

    /// A resource of one attribute, the one that is watched.
    fn is<'a>(version: &'a str) -> impl Fn(&str) -> Option<Cow<'a, str>> {
        move |_| Some(Cow::Borrowed(version))
    }

    /// Sees versions of `pay` at seconds, and says what changed and when.
    fn check(seen: &[(u64, &str)], expected: &[(u64, &str, &str)]) {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        for (seconds, version) in seen {
            let now = UnixNanos::from_secs(*seconds);
            watched.see("pay", is(version), limits(&attributes), now, || now);
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
                let (now, began) = (UnixNanos::from_secs(seconds), UnixNanos::from_secs(began));
                watched.see("pay", is(version), limits(&attributes), now, || began);
            }
            assert_eq!(watched.changes[0].time, UnixNanos::from_secs(expected));
        }
    }

    #[test]
    fn more_values_at_once_than_are_kept_are_no_changes() {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        let mut see = |seconds: u64, version: &str| {
            let now = UnixNanos::from_secs(seconds);
            let limits = Limits {
                changes_max: 100,
                ..limits(&attributes)
            };
            watched.see("pay", is(version), limits, now, || now)
        };
        let mut seen = Vec::new();
        for seconds in 0..200 {
            for version in 0..=VALUES_MAX {
                seen.push(see(seconds, &version.to_string()));
            }
        }
        let changed: u64 = seen.iter().map(|seen| seen.changed).sum();
        let unwatched: u64 = seen.iter().map(|seen| seen.unwatched).sum();
        assert_eq!((changed, unwatched), (VALUES_MAX as u64 - 1, 200));
        // Once the others are gone, there is room again.
        assert_eq!(see(301, "new").changed, 1);
        assert_eq!(see(302, "newer").changed, 1);
    }

    #[test]
    fn services_whose_values_are_gone_make_room() {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        let mut see = |seconds: u64, service: &str, version: &str| {
            let now = UnixNanos::from_secs(seconds);
            let seen = watched.see(service, is(version), limits(&attributes), now, || now);
            (seen.changed, seen.unwatched)
        };
        assert_eq!(see(1, "a", "1"), (0, 0));
        assert_eq!(see(70, "b", "1"), (0, 0));
        assert_eq!(see(100, "c", "1"), (0, 1));
        assert_eq!(see(161, "c", "1"), (0, 0), "a is gone");
        assert_eq!(see(162, "c", "2"), (1, 0));
        assert_eq!(see(163, "b", "2"), (1, 0), "b was kept");
        assert_eq!(see(164, "a", "2"), (0, 1));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let attributes = ["service.version".to_owned()];
        let mut watched = Watched::default();
        for n in 0..1_000_u64 {
            let version = n.to_string();
            let service = format!("service {}", n % 5);
            watched.see(
                &service,
                is(&version),
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
