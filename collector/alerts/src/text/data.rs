//! What templates work on: Alertmanager's names over a delivery.

use super::json;
use crate::alert::{AlertState, KeptAlert};
use crate::core::Delivery;
use crate::notify::common;
use serde_json::{Value as Json, json};
use sonde_proto::{Labels, UnixNanos};
use sonde_template::{Object, Time, Value};
use std::sync::Arc;

/// What a delivery's templates work on.
pub(crate) fn of(delivery: &Delivery, external_url: &str) -> Value {
    let alerts = delivery
        .alerts
        .iter()
        .map(|(alert, state)| Arc::new(Alert::new(alert, *state)))
        .collect();
    Value::object(Data {
        receiver: regex::escape(&delivery.slot.receiver).into(),
        status: delivery.status.as_str().into(),
        alerts: Value::object(Alerts(alerts)),
        group_labels: Value::object(Kv::new(&delivery.group_labels)),
        common_labels: Value::object(Kv::new(&common(&delivery.alerts, |alert| &alert.labels))),
        common_annotations: Value::object(Kv::new(&common(&delivery.alerts, |alert| {
            &alert.annotations
        }))),
        external_url: external_url.into(),
    })
}

/// A point in time; the zero time for none.
pub(super) fn time(at: Option<UnixNanos>) -> Time {
    at.and_then(|at| jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok())
        .map_or_else(Time::zero, Time::new)
}

/// A field takes no arguments.
fn field(name: &str, args: &[Value], value: impl Into<Value>) -> Option<Result<Value, String>> {
    Some(if args.is_empty() {
        Ok(value.into())
    } else {
        Err(format!(
            "{name} has arguments but cannot be invoked as function"
        ))
    })
}

/// The whole.
struct Data {
    receiver: Arc<str>,
    status: Arc<str>,
    alerts: Value,
    group_labels: Value,
    common_labels: Value,
    common_annotations: Value,
    external_url: Arc<str>,
}

impl Object for Data {
    fn type_name(&self) -> &str {
        "*template.Data"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Receiver" => Value::str(Arc::clone(&self.receiver)),
            "Status" => Value::str(Arc::clone(&self.status)),
            "Alerts" => self.alerts.clone(),
            "GroupLabels" => self.group_labels.clone(),
            "CommonLabels" => self.common_labels.clone(),
            "CommonAnnotations" => self.common_annotations.clone(),
            "ExternalURL" => Value::str(Arc::clone(&self.external_url)),
            json::MEMBER => json::member(&json!({
                "receiver": *self.receiver,
                "status": *self.status,
                "alerts": json::of(&self.alerts),
                "groupLabels": json::of(&self.group_labels),
                "commonLabels": json::of(&self.common_labels),
                "commonAnnotations": json::of(&self.common_annotations),
                "externalURL": *self.external_url,
            })),
            _ => return None,
        };
        field(name, args, value)
    }
}

/// A list of alerts.
struct Alerts(Vec<Arc<Alert>>);

impl Alerts {
    fn of_state(&self, state: AlertState) -> Value {
        let of_state = |alert: &&Arc<Alert>| alert.state == state;
        list(self.0.iter().filter(of_state))
    }
}

fn list<'a>(alerts: impl Iterator<Item = &'a Arc<Alert>>) -> Value {
    let one = |alert: &Arc<Alert>| Value::Object(Arc::clone(alert) as Arc<dyn Object>);
    Value::List(alerts.map(one).collect())
}

impl Object for Alerts {
    fn type_name(&self) -> &str {
        "template.Alerts"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Firing" => field(name, args, self.of_state(AlertState::Firing)),
            "Resolved" => field(name, args, self.of_state(AlertState::Resolved)),
            _ => None,
        }
    }

    fn underlying(&self) -> Value {
        list(self.0.iter())
    }
}

/// One alert.
struct Alert {
    state: AlertState,
    labels: Value,
    annotations: Value,
    starts_at: Time,
    ends_at: Time,
    generator_url: Arc<str>,
    fingerprint: Arc<str>,
}

impl Alert {
    fn new(alert: &KeptAlert, state: AlertState) -> Self {
        Self {
            state,
            labels: Value::object(Kv::new(&alert.labels)),
            annotations: Value::object(Kv::new(&alert.annotations)),
            starts_at: time(Some(alert.starts_at)),
            ends_at: time((state == AlertState::Resolved).then_some(alert.ends_at)),
            generator_url: alert.generator_url.as_str().into(),
            fingerprint: alert.fingerprint().to_string().into(),
        }
    }
}

impl Object for Alert {
    fn type_name(&self) -> &str {
        "template.Alert"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Status" => Value::from(self.state.as_str()),
            "Labels" => self.labels.clone(),
            "Annotations" => self.annotations.clone(),
            "StartsAt" => Value::Time(self.starts_at.clone()),
            "EndsAt" => Value::Time(self.ends_at.clone()),
            "GeneratorURL" => Value::str(Arc::clone(&self.generator_url)),
            "Fingerprint" => Value::str(Arc::clone(&self.fingerprint)),
            json::MEMBER => json::member(&json!({
                "status": self.state,
                "labels": json::of(&self.labels),
                "annotations": json::of(&self.annotations),
                "startsAt": json::of(&Value::Time(self.starts_at.clone())),
                "endsAt": json::of(&Value::Time(self.ends_at.clone())),
                "generatorURL": *self.generator_url,
                "fingerprint": *self.fingerprint,
            })),
            _ => return None,
        };
        field(name, args, value)
    }

    fn print(&self) -> Option<String> {
        Some(format!(
            "{{{} {} {} {} {} {} {}}}",
            self.state.as_str(),
            self.labels,
            self.annotations,
            self.starts_at,
            self.ends_at,
            self.generator_url,
            self.fingerprint
        ))
    }
}

/// Labels or annotations: a map of strings with methods.
struct Kv(Vec<Pair>);

impl Kv {
    /// By name, but the alert's name first.
    fn new(labels: &Labels) -> Self {
        let pair = |(name, value): (&str, &str)| Pair(name.into(), value.into());
        let mut pairs: Vec<Pair> = labels.iter().map(pair).collect();
        pairs.sort_by(|a, b| {
            let key = |pair: &Pair| (&*pair.0 != "alertname", Arc::clone(&pair.0));
            key(a).cmp(&key(b))
        });
        Self(pairs)
    }

    fn without(&self, args: &[Value]) -> Result<Value, String> {
        let [names] = args else {
            return Err(format!(
                "wrong number of args for Remove: want 1 got {}",
                args.len()
            ));
        };
        let Value::List(names) = names.underlying() else {
            return Err(format!(
                "Remove: expected a list of names; found {}",
                names.type_name()
            ));
        };
        let is_kept = |pair: &&Pair| !names.iter().any(|name| name.as_str() == Some(&*pair.0));
        Ok(Value::object(Self(
            self.0.iter().filter(is_kept).cloned().collect(),
        )))
    }
}

impl Object for Kv {
    fn type_name(&self) -> &str {
        "template.KV"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "SortedPairs" => field(name, args, Value::object(Pairs(self.0.clone()))),
            "Names" => field(name, args, names(&self.0)),
            "Values" => field(name, args, values(&self.0)),
            "Remove" => Some(self.without(args)),
            _ => None,
        }
    }

    fn underlying(&self) -> Value {
        let pair = |pair: &Pair| (Arc::clone(&pair.0), Arc::clone(&pair.1));
        Value::strings(self.0.iter().map(pair))
    }

    fn print(&self) -> Option<String> {
        Some(shown(&self.0))
    }
}

/// A list of pairs with methods.
struct Pairs(Vec<Pair>);

impl Object for Pairs {
    fn type_name(&self) -> &str {
        "template.Pairs"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Names" => field(name, args, names(&self.0)),
            "Values" => field(name, args, values(&self.0)),
            _ => None,
        }
    }

    fn underlying(&self) -> Value {
        Value::List(self.0.iter().cloned().map(Value::object).collect())
    }

    fn print(&self) -> Option<String> {
        Some(shown(&self.0))
    }
}

/// A name and its value.
#[derive(Clone)]
struct Pair(Arc<str>, Arc<str>);

impl Object for Pair {
    fn type_name(&self) -> &str {
        "template.Pair"
    }

    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Name" => field(name, args, Value::str(Arc::clone(&self.0))),
            "Value" => field(name, args, Value::str(Arc::clone(&self.1))),
            json::MEMBER => field(
                name,
                args,
                json::member(&json!({ "Name": *self.0, "Value": *self.1 })),
            ),
            _ => None,
        }
    }

    fn print(&self) -> Option<String> {
        Some(format!("{{{} {}}}", self.0, self.1))
    }
}

fn names(pairs: &[Pair]) -> Value {
    Value::List(
        pairs
            .iter()
            .map(|pair| Value::str(Arc::clone(&pair.0)))
            .collect(),
    )
}

fn values(pairs: &[Pair]) -> Value {
    Value::List(
        pairs
            .iter()
            .map(|pair| Value::str(Arc::clone(&pair.1)))
            .collect(),
    )
}

fn shown(pairs: &[Pair]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{}={}", pair.0, pair.1))
        .collect();
    pairs.join(", ")
}

/// Only for [`json`]: the JSON that an object says of itself.
pub(super) fn said(object: &dyn Object) -> Option<Json> {
    match object.member(json::MEMBER, &[])? {
        Ok(text) => serde_json::from_str(text.as_str()?).ok(),
        Err(_) => None,
    }
}
