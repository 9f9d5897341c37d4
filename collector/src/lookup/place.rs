//! Places as identifiers: a pod by its name, alone or as `namespace/pod`, a pod by its UID, or
//! a container by its ID. What was there comes newest first: a place has no end.

use super::Kind;
use super::part::Part;
use crate::stores::Stores;
use sonde_logs::{Direction, LogRecord};
use sonde_proto::semconv::{K8S_NAMESPACE_NAME, K8S_POD_NAME, K8S_POD_UID};
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traces::{Span, TraceQuery};
use std::time::Duration;

/// How many of its newest lines are shown.
const LOGS_MAX: usize = 200;
const NAME_BYTES_MAX: usize = 253;
const CONTAINER_ID: &str = "container.id";
const CONTAINER_ID_DIGITS: usize = 64;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    /// The resource attribute that names it.
    attribute: &'static str,
    pub(super) name: &'a str,
    /// Empty where it is not told.
    pub(super) namespace: &'a str,
}

impl<'a> Place<'a> {
    /// The place that an identifier can name, by its form.
    pub(super) fn of(id: &'a str) -> Option<Self> {
        let (namespace, name) = id.split_once('/').unwrap_or(("", id));
        let is_qualified = name.len() < id.len();
        if !is_name(name) || (is_qualified && !is_name(namespace)) {
            return None;
        }
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        let is_uuid = name.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && {
            let mut parts = name.split('-');
            parts.all(is_hex)
        };
        // A static pod's UID is a hash of 32 digits.
        let is_uid = is_uuid || (name.len() == 32 && is_hex(name));
        let (kind, attribute) = match name.len() {
            _ if is_qualified => (Kind::Pod, K8S_POD_NAME),
            CONTAINER_ID_DIGITS if is_hex(name) => (Kind::Container, CONTAINER_ID),
            _ if is_uid => (Kind::PodUid, K8S_POD_UID),
            _ => (Kind::Pod, K8S_POD_NAME),
        };
        Some(Self {
            kind,
            attribute,
            name,
            namespace,
        })
    }

    /// The newest traces with a span that ran here.
    pub(super) fn traces(
        &self,
        stores: &Stores,
        tenant: &Tenant,
        limit: usize,
        deadline: &Deadline,
    ) -> Part<TraceId> {
        let Self {
            attribute,
            name,
            namespace,
            ..
        } = self;
        // Names have neither quotes nor backslashes.
        let mut query = format!(r#"{{ resource.{attribute} = "{name}""#);
        if !namespace.is_empty() {
            query += &format!(r#" && resource.{K8S_NAMESPACE_NAME} = "{namespace}""#);
        }
        let query = match TraceQuery::parse(&(query + " }")) {
            Ok(query) => query,
            Err(error) => return Part::failed(error),
        };
        let search = sonde_traces::Search {
            query,
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit,
            spans_per_set: 0,
            deadline: deadline.clone(),
        };
        match stores.traces.search(tenant, &search) {
            Ok(answer) => {
                let ids = answer.traces.iter().map(|t| t.summary.trace_id);
                Part::new(ids.collect(), answer.cut)
            }
            Err(error) => Part::failed(error),
        }
    }

    /// Its newest lines: those with a label that names it.
    pub(super) fn logs(
        &self,
        stores: &Stores,
        tenant: &Tenant,
        deadline: &Deadline,
    ) -> Part<LogRecord> {
        let selector = self.selector();
        let query = match sonde_logql::LogQuery::parse(&selector) {
            Ok(query) => query,
            Err(error) => return Part::failed(error),
        };
        let search = sonde_logs::Search {
            query,
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: LOGS_MAX + 1,
            direction: Direction::Backward,
            interval: Duration::ZERO,
            deadline: deadline.clone(),
        };
        match stores.logs.search(tenant, &search) {
            Ok(answer) => {
                let (mut found, mut cut) = (answer.records, answer.cut);
                if found.len() > LOGS_MAX {
                    found.truncate(LOGS_MAX);
                    cut.get_or_insert_with(|| {
                        format!("these are the newest {LOGS_MAX} lines; {selector} finds more")
                    });
                }
                Part::new(found, cut)
            }
            Err(error) => Part::failed(error),
        }
    }

    /// Whether it is a pod by its name, as metrics know it.
    pub(super) fn is_pod_name(&self) -> bool {
        self.kind == Kind::Pod
    }

    /// The stream selector of its lines.
    fn selector(&self) -> String {
        let label = self.attribute.replace('.', "_");
        let mut selector = format!(r#"{{{label}="{}""#, self.name);
        if !self.namespace.is_empty() {
            let label = K8S_NAMESPACE_NAME.replace('.', "_");
            selector += &format!(r#",{label}="{}""#, self.namespace);
        }
        selector + "}"
    }

    /// Whether a resource says that it is here.
    pub(super) fn has(&self, resource: Resource<'_>) -> bool {
        resource.get(self.attribute) == self.name
            && (self.namespace.is_empty() || resource.get(K8S_NAMESPACE_NAME) == self.namespace)
    }
}

/// What a span or a line says about where it comes from.
#[derive(Clone, Copy)]
pub(super) enum Resource<'a> {
    Span(&'a Span),
    Line(&'a LogRecord),
}

impl<'a> Resource<'a> {
    /// The value of an attribute; empty where there is none.
    pub(super) fn get(self, attribute: &str) -> &'a str {
        let (attributes, labels) = match self {
            Self::Span(span) => (&span.resource, None),
            Self::Line(line) => (&line.resource, Some(&line.labels)),
        };
        let found = attributes.iter().rev().find(|(name, _)| name == attribute);
        match (found, labels) {
            (Some((_, value)), _) => value,
            (None, Some(labels)) => labels.get(&attribute.replace('.', "_")),
            (None, None) => "",
        }
    }

    pub(super) fn service(self) -> &'a str {
        match self {
            Self::Span(span) => &span.service,
            Self::Line(line) => line.labels.get("service_name"),
        }
    }
}

/// Whether it is a name as Kubernetes gives them.
fn is_name(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let is_outer = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && bytes.iter().all(|b| is_inner(*b))
        && is_outer(bytes.first())
        && is_outer(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, expected: Option<(Kind, &str, &str)>) {
        let place = Place::of(id);
        let found = place.as_ref().map(|p| (p.kind, p.namespace, p.name));
        assert_eq!(found, expected, "{id}");
        if let Some(place) = place {
            assert!(sonde_logql::LogQuery::parse(&place.selector()).is_ok());
        }
    }

    #[test]
    fn the_form_of_an_identifier_says_which_place_it_can_be() {
        check("cart-7f9d", Some((Kind::Pod, "", "cart-7f9d")));
        check("shop/cart-7f9d", Some((Kind::Pod, "shop", "cart-7f9d")));
        let uid = "0f9a1b2c-1111-2222-3333-444455556666";
        check(uid, Some((Kind::PodUid, "", uid)));
        let hash = "0123456789abcdef0123456789abcdef";
        check(hash, Some((Kind::PodUid, "", hash)));
        let container = "ab".repeat(32);
        check(&container, Some((Kind::Container, "", &container)));
        check("10.0.0.1", Some((Kind::Pod, "", "10.0.0.1")));
    }

    #[test]
    fn what_kubernetes_gives_no_name_to_is_no_place() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for id in [
            "", "/", "a/", "/a", "a/b/c", "Order-1", "a b", "a\"b", "a\\b", "-a", "a.", "é", &long,
        ] {
            check(id, None);
        }
    }
}
