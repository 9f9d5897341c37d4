//! Two answers beside each other. Warnings and infos are left out: the older Prometheus has
//! other ones.

use super::explained::{EXPLAINED, Pair};
use super::generate::Question;
use serde_json::Value;
use std::collections::BTreeMap;

/// How far two numbers may be apart, relative to the larger one: sums in another order.
const TOLERANCE: f64 = 1e-9;
/// How far apart where the larger one is about zero.
const NEAR_ZERO: f64 = 1e-9;

/// What a server says.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    /// What is said of a failure.
    pub(super) fn error(&self) -> Option<&str> {
        self.body["error"].as_str()
    }

    fn result(&self) -> &Value {
        &self.body["data"]["result"]
    }

    fn is_empty(&self) -> bool {
        self.result().as_array().is_some_and(Vec::is_empty)
    }
}

/// What came out of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The same.
    Same { word: &'static str },
    /// Something else, and why.
    Explained(&'static str),
    /// Something else.
    Differs(String),
}

impl Outcome {
    /// What is counted.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Same { word } => word,
            Self::Explained(_) => "explained",
            Self::Differs(_) => "differ",
        }
    }
}

pub(super) fn compare(question: &Question, ours: &Reply, theirs: &Reply) -> Outcome {
    let Some(how) = difference(question, ours, theirs) else {
        let word = match ours.error() {
            Some(_) => "failed",
            None if ours.is_empty() => "empty",
            None => "telling",
        };
        return Outcome::Same { word };
    };
    let pair = Pair {
        question,
        ours,
        theirs,
    };
    // Nothing explains an answer that is none.
    let is_answer = ours.status == 200 && ours.body["status"] == "success";
    let is_refusal = (400..500).contains(&ours.status) && ours.body["errorType"].is_string();
    if !is_answer && !is_refusal {
        return Outcome::Differs(how);
    }
    match EXPLAINED.iter().find(|one| (one.explains)(&pair)) {
        Some(one) => Outcome::Explained(one.why),
        None => Outcome::Differs(how),
    }
}

fn difference(question: &Question, ours: &Reply, theirs: &Reply) -> Option<String> {
    let whole = |reply: &Reply| {
        let text = reply.body.to_string();
        let cut = text.chars().take(1500).collect::<String>();
        format!("{} {cut}", reply.status)
    };
    for key in ["status", "errorType", "error"] {
        if ours.body[key] != theirs.body[key] || ours.status != theirs.status {
            return Some(format!(
                "  we:   {}\n  they: {}",
                whole(ours),
                whole(theirs)
            ));
        }
    }
    if ours.error().is_some() {
        return None;
    }
    let kind = |reply: &Reply| reply.body["data"]["resultType"].clone();
    if kind(ours) != kind(theirs) {
        return Some(format!("  we: a {}, they: a {}", kind(ours), kind(theirs)));
    }
    let why = match kind(ours).as_str() {
        Some("scalar") => point(ours.result(), theirs.result()),
        Some("string") => (ours.result() != theirs.result()).then(|| "another text".to_owned()),
        _ => series(question, ours.result(), theirs.result()),
    };
    why.map(|why| {
        format!(
            "  {why}\n  we:   {}\n  they: {}",
            whole(ours),
            whole(theirs)
        )
    })
}

/// Series of a vector or a matrix: labels, values and, where it means something, order.
fn series(question: &Question, ours: &Value, theirs: &Value) -> Option<String> {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else {
        return Some("no list".into());
    };
    let labels = |all: &[Value]| -> Vec<String> {
        all.iter().map(|one| one["metric"].to_string()).collect()
    };
    let is_ordered = question.is_ordered || question.is_range();
    let (mut own, mut other) = (labels(ours), labels(theirs));
    if !is_ordered {
        own.sort();
        other.sort();
    }
    if own != other {
        let first = own.iter().zip(&other).find(|(a, b)| a != b);
        return Some(format!(
            "{} series against {}; the first others: {first:?}",
            own.len(),
            other.len()
        ));
    }
    let by_labels: BTreeMap<String, &Value> = theirs
        .iter()
        .map(|one| (one["metric"].to_string(), one))
        .collect();
    ours.iter().find_map(|own| {
        let labels = own["metric"].to_string();
        let other = by_labels[&labels];
        let keys = |one: &Value| -> Vec<String> {
            one.as_object()
                .map_or_else(Vec::new, |one| one.keys().cloned().collect())
        };
        if keys(own) != keys(other) {
            return Some(format!(
                "{labels}: {:?} against {:?}",
                keys(own),
                keys(other)
            ));
        }
        for key in ["histogram", "histograms"] {
            if own[key] != other[key] {
                return Some(format!(
                    "{labels}: we say {}, they say {}",
                    own[key], other[key]
                ));
            }
        }
        let why = match (own["values"].as_array(), other["values"].as_array()) {
            (Some(own), Some(other)) if own.len() != other.len() => {
                Some(format!("{} points against {}", own.len(), other.len()))
            }
            (Some(own), Some(other)) => own.iter().zip(other).find_map(|(a, b)| point(a, b)),
            _ if own.get("value").is_some() => point(&own["value"], &other["value"]),
            _ => None,
        };
        why.map(|why| format!("{labels}: {why}"))
    })
}

/// A time and a value: written alike, or numbers that are nearly the same.
fn point(ours: &Value, theirs: &Value) -> Option<String> {
    let number = |point: &Value| point[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let is_same = ours[0] == theirs[0]
        && match (number(ours), number(theirs)) {
            _ if ours[1] == theirs[1] => true,
            // Numbers of the same bits have to be written alike.
            (Some(a), Some(b)) => a.to_bits() != b.to_bits() && is_close(a, b),
            _ => false,
        };
    (!is_same).then(|| format!("we say {ours}, they say {theirs}"))
}

fn is_close(a: f64, b: f64) -> bool {
    let near = (a - b).abs() <= (TOLERANCE * a.abs().max(b.abs())).max(NEAR_ZERO);
    a == b || (a.is_finite() && b.is_finite() && near)
}
