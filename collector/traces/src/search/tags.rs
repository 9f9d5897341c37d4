//! Which attributes there are, and which values they have: what an editor offers.

use super::SearchError;
use crate::decoded::Decoded;
use crate::store::TraceStore;
use serde::Serialize;
use sonde_proto::{Deadline, Tenant, UnixNanos, semconv};
use sonde_traceql::{
    Attribute, Bounds, Field, Intrinsic, Kind, Query, Scope, Status, Trace, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many traces are looked at: the newest show well enough what there is.
const TRACES_MAX: usize = 2_000;
/// How many bytes of names and values are told: clients of gRPC take messages of 4 MiB.
const BYTES_MAX: usize = 3 << 20;
/// What one takes besides its bytes.
const ONE_BYTES: usize = 64;
/// The most spans of a trace that are looked at.
const SPANS_MAX: usize = 10_000;

/// Among which spans to look.
#[derive(Clone, Debug)]
pub struct TagSearch {
    /// A query that may be unfinished; only spans that it finds count.
    pub query: String,
    /// They run at or after this time.
    pub start: UnixNanos,
    /// They start before this time.
    pub end: UnixNanos,
    /// How many names, or values, are wanted.
    pub limit: usize,
    /// When to stop and return what was found.
    pub deadline: Deadline,
}

/// The attributes that there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagAnswer {
    /// Of each scope the names, in order; what every span has is the scope `intrinsic`.
    pub scopes: Vec<(&'static str, Vec<String>)>,
    /// Why there may be more.
    pub cut: Option<String>,
}

/// The values of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueAnswer {
    /// Types ([`Value::type_name`]) and texts, in order.
    pub values: Vec<(&'static str, String)>,
    /// Why there may be more.
    pub cut: Option<String>,
}

/// A set of texts that is bounded.
struct Gathered<K> {
    found: BTreeSet<K>,
    bytes: usize,
    limit: usize,
    /// Whether one was left out.
    is_over: bool,
}

impl<K: Ord> Gathered<K> {
    fn new(limit: usize) -> Self {
        Self {
            found: BTreeSet::new(),
            bytes: 0,
            limit,
            is_over: false,
        }
    }

    fn add(&mut self, key: K, bytes: usize) {
        let bytes = self.bytes + bytes + ONE_BYTES;
        if self.found.len() >= self.limit || bytes > BYTES_MAX {
            self.is_over |= !self.found.contains(&key);
        } else if self.found.insert(key) {
            self.bytes = bytes;
        }
    }

    /// Why it is not everything that was added.
    fn why_short(&self) -> Option<String> {
        self.is_over
            .then(|| format!("there are more than these {}", self.found.len()))
    }

    /// Whether there is no room for a further one, however short it is.
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit || self.bytes + ONE_BYTES >= BYTES_MAX
    }
}

impl TraceStore {
    /// The names of the attributes that spans, resources and the rest have, of one scope or of
    /// all.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn tags(
        &self,
        tenant: &Tenant,
        scope: Option<Scope>,
        search: &TagSearch,
    ) -> Result<TagAnswer, SearchError> {
        let mut names: Gathered<(Scope, String)> = Gathered::new(search.limit);
        let query = Query::parse_unfinished(&search.query);
        let visit = |trace: &Decoded, bounds: &Bounds| {
            let (places, why) = query.places_until(trace, bounds, &search.deadline);
            for at in places {
                trace.each_attribute(at, &mut |found, name, _| {
                    if scope.is_none_or(|scope| scope == found) {
                        names.add((found, name.to_owned()), name.len());
                    }
                });
            }
            (!names.is_full(), why)
        };
        let cut = self.each_found(tenant, search, &query, visit)?;
        let cut = cut.or(names.why_short());
        let mut scopes: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
        for (scope, name) in names.found {
            scopes.entry(scope).or_default().push(name);
        }
        let mut scopes: Vec<_> = scopes
            .into_iter()
            .map(|(scope, names)| (scope.name(), names))
            .collect();
        if scope.is_none() {
            let all = Intrinsic::ALL.into_iter();
            let names = all.map(|(intrinsic, ..)| intrinsic.label().to_owned());
            scopes.push(("intrinsic", names.collect()));
        }
        Ok(TagAnswer { scopes, cut })
    }

    /// The values of an attribute or an intrinsic; see [`Field::parse_tag`].
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn tag_values(
        &self,
        tenant: &Tenant,
        tag: &Field,
        search: &TagSearch,
    ) -> Result<ValueAnswer, SearchError> {
        let query = Query::parse_unfinished(&search.query);
        let mut values: Gathered<(&'static str, String)> = Gathered::new(search.limit);
        let mut add = |value: &Value<'_>| {
            let text = value.to_string();
            let bytes = text.len();
            values.add((value.type_name(), text), bytes);
        };
        let is_any = query.clauses().is_empty() && query == Query::parse_unfinished("");
        let mut known = true;
        match tag {
            Field::Intrinsic(Intrinsic::Status) => {
                Status::ALL.into_iter().for_each(|s| add(&Value::Status(s)));
            }
            Field::Intrinsic(Intrinsic::Kind) => {
                Kind::ALL.into_iter().for_each(|k| add(&Value::Kind(k)));
            }
            Field::Intrinsic(Intrinsic::Name) if is_any => {
                let names = self.each_name(tenant, |_, name| Some(name.to_owned()));
                names.iter().for_each(|name| add(&Value::text(name)));
            }
            Field::Attribute(attribute) if is_any && is_service(attribute) => {
                let names = self.services(tenant);
                names.iter().for_each(|name| add(&Value::text(name)));
            }
            _ => known = false,
        }
        let mut cut = values.why_short();
        if !known {
            let visit = |trace: &Decoded, bounds: &Bounds| {
                let why = query.each_value(tag, trace, bounds, &search.deadline, &mut |value| {
                    let text = value.to_string();
                    let bytes = text.len();
                    values.add((value.type_name(), text), bytes);
                });
                (!values.is_full(), why)
            };
            cut = self.each_found(tenant, search, &query, visit)?;
            cut = cut.or(values.why_short());
        }
        Ok(ValueAnswer {
            values: values.found.into_iter().collect(),
            cut,
        })
    }

    /// Shows the newest traces that a query may find something in, until `visit`, which says also
    /// why it did not see all of a trace, goes no further.
    fn each_found(
        &self,
        tenant: &Tenant,
        search: &TagSearch,
        query: &Query,
        mut visit: impl FnMut(&Decoded, &Bounds) -> (bool, Option<&'static str>),
    ) -> Result<Option<String>, SearchError> {
        let (mut traces, mut stopped, mut in_part) = (0, None, None);
        let bounds = Bounds {
            start: search.start,
            end: search.end,
            spans_max: SPANS_MAX,
        };
        let of_trace = |trace: &Decoded| {
            traces += 1;
            let (goes_on, why) = visit(trace, &bounds);
            in_part = in_part.or(why);
            if !goes_on {
                stopped = Some("there may be more than are listed".to_owned());
            } else if traces >= TRACES_MAX {
                stopped = Some(format!(
                    "only the newest {TRACES_MAX} traces were looked at"
                ));
            }
            stopped.is_none()
        };
        let times = (search.start, search.end);
        let scanned = self.scan(tenant, query, times, &search.deadline, of_trace)?;
        Ok(stopped.or(scanned.cut).or(in_part.map(str::to_owned)))
    }
}

/// Whether it is the name of a service, which segments list.
fn is_service(attribute: &Attribute) -> bool {
    attribute.scope == Scope::Resource
        && !attribute.of_parent
        && attribute.name == semconv::SERVICE_NAME
}
