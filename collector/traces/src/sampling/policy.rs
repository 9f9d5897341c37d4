//! What a policy comes to, and whether it wants a trace.

use super::chance;
use super::config::{Policy, PolicyType, StatusCode, Written};
use super::subject::Subject;
use crate::narrow::Needs;
use crate::query::narrowing;
use regex::{RegexSet, RegexSetBuilder};
use sonde_traceql::{Query, Value};

/// What the regular expressions of one policy may take in memory.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What a policy comes to.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Always,
    Status {
        /// One bit for each of unset, ok and error.
        wanted: u8,
    },
    Latency {
        at_least: u64,
        /// Then `at_least` is not enough.
        at_most: Option<u64>,
    },
    Chance {
        threshold: u64,
    },
    Rate {
        spans_per_second: u64,
    },
    Text {
        key: String,
        values: Vec<String>,
        regex: Option<RegexSet>,
        invert: bool,
    },
    Number {
        key: String,
        min: i64,
        max: i64,
        invert: bool,
    },
    Boolean {
        key: String,
        value: bool,
        invert: bool,
    },
    Query {
        query: Box<Query>,
        /// What every match has.
        clauses: Vec<Vec<Needs>>,
    },
    ErrorLog,
    Alert,
    And(Vec<Policy>),
    Drop(Vec<Policy>),
}

impl Rule {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(written: &Written) -> Result<Self, String> {
        let name = &written.name;
        if name.is_empty() {
            return Err("a policy has no name; give it one, by which it is counted".into());
        }
        only_its_own(written)?;
        let kind = written.kind.as_str();
        let missing = || {
            format!("the policy {name:?} is of type {kind} and says nothing under {kind}; add it")
        };
        Ok(match written.kind {
            PolicyType::AlwaysSample => Self::Always,
            PolicyType::ErrorLog => Self::ErrorLog,
            PolicyType::Alert => Self::Alert,
            PolicyType::StatusCode => {
                let codes = &written.status_code.as_ref().ok_or_else(missing)?;
                if codes.status_codes.is_empty() {
                    return Err(format!(
                        "the policy {name:?} names no status; give status_codes, such as [ERROR]"
                    ));
                }
                let bit = |code: &StatusCode| 1_u8 << *code as u8;
                Self::Status {
                    wanted: codes.status_codes.iter().map(bit).fold(0, |a, b| a | b),
                }
            }
            PolicyType::Latency => {
                let latency = written.latency.as_ref().ok_or_else(missing)?;
                let upper = latency.upper_threshold_ms;
                if upper > 0 && upper <= latency.threshold_ms {
                    return Err(format!(
                        "the policy {name:?} has an upper_threshold_ms of {upper}, which is not more than its threshold_ms; give more, or 0 for no limit"
                    ));
                }
                Self::Latency {
                    at_least: latency.threshold_ms,
                    at_most: (upper > 0).then_some(upper),
                }
            }
            PolicyType::Probabilistic => {
                let share = written.probabilistic.as_ref().ok_or_else(missing)?;
                let percent = share.sampling_percentage;
                if !(0.0..=100.0).contains(&percent) {
                    return Err(format!(
                        "the policy {name:?} has a sampling_percentage of {percent}; give 0 to 100"
                    ));
                }
                Self::Chance {
                    threshold: chance::threshold(percent),
                }
            }
            PolicyType::RateLimiting => Self::Rate {
                spans_per_second: written
                    .rate_limiting
                    .as_ref()
                    .ok_or_else(missing)?
                    .spans_per_second,
            },
            PolicyType::StringAttribute => {
                let text = written.string_attribute.as_ref().ok_or_else(missing)?;
                let regex = || {
                    let regex = RegexSetBuilder::new(&text.values)
                        .size_limit(REGEX_BYTES_MAX)
                        .build();
                    regex.map_err(|error| {
                        format!(
                            "the policy {name:?} has a value that is no regular expression: {error}"
                        )
                    })
                };
                Self::Text {
                    key: text.key.clone(),
                    values: text.values.clone(),
                    regex: text.enabled_regex_matching.then(regex).transpose()?,
                    invert: text.invert_match,
                }
            }
            PolicyType::NumericAttribute => {
                let number = written.numeric_attribute.as_ref().ok_or_else(missing)?;
                let (min, max) = (
                    number.min_value.unwrap_or(i64::MIN),
                    number.max_value.unwrap_or(i64::MAX),
                );
                if min > max {
                    return Err(format!(
                        "the policy {name:?} has a min_value of {min} and a max_value of {max}; no number is both"
                    ));
                }
                Self::Number {
                    key: number.key.clone(),
                    min,
                    max,
                    invert: number.invert_match,
                }
            }
            PolicyType::BooleanAttribute => {
                let boolean = written.boolean_attribute.as_ref().ok_or_else(missing)?;
                Self::Boolean {
                    key: boolean.key.clone(),
                    value: boolean.value,
                    invert: boolean.invert_match,
                }
            }
            PolicyType::Traceql => {
                let text = &written.traceql.as_ref().ok_or_else(missing)?.query;
                let query = Query::parse(text)
                    .map_err(|error| format!("the query of the policy {name:?}: {error}"))?;
                if query.metrics.is_some() {
                    return Err(format!(
                        "the query of the policy {name:?} counts spans; leave out what begins with the metrics function"
                    ));
                }
                Self::Query {
                    clauses: narrowing(&query).clauses(),
                    query: Box::new(query),
                }
            }
            PolicyType::And => {
                let all = &written.and.as_ref().ok_or_else(missing)?.and_sub_policy;
                Self::And(parts(name, "and_sub_policy", all)?)
            }
            PolicyType::Drop => {
                let all = &written.drop.as_ref().ok_or_else(missing)?.drop_sub_policy;
                if all.iter().any(|part| part.kind == PolicyType::RateLimiting) {
                    return Err(format!(
                        "the policy {name:?} drops by a rate, and a rate says what is kept; leave the part of type rate_limiting out"
                    ));
                }
                Self::Drop(parts(name, "drop_sub_policy", all)?)
            }
        })
    }

    /// Whether the rule, or one within it, goes by what error logs and alerts name.
    pub(super) fn counts_votes(&self) -> bool {
        match self {
            Self::ErrorLog | Self::Alert => true,
            Self::And(parts) | Self::Drop(parts) => parts.iter().any(|p| p.rule.counts_votes()),
            _ => false,
        }
    }

    /// Whether it wants the trace. `spend` takes spans from what a rate still allows.
    pub(super) fn wants(
        &self,
        subject: &Subject<'_>,
        spend: &mut dyn FnMut(u64, u64) -> bool,
    ) -> bool {
        match self {
            Self::Always => true,
            Self::Status { wanted } => subject.has_status(*wanted),
            Self::Latency { at_least, at_most } => {
                let millis = subject.nanos() / 1_000_000;
                match at_most {
                    None => millis >= *at_least,
                    Some(most) => millis > *at_least && millis <= *most,
                }
            }
            Self::Chance { threshold } => subject.randomness() >= *threshold,
            Self::Rate { spans_per_second } => spend(*spans_per_second, subject.size().0),
            Self::Text {
                key,
                values,
                regex,
                invert,
            } => {
                let is_one = |value: &Value<'_>| match (value, regex) {
                    (Value::Str(text), Some(regex)) => regex.is_match(text),
                    (Value::Str(text), None) => values.iter().any(|v| *v == **text),
                    _ => false,
                };
                let may = regex.is_some() || values.iter().any(|v| subject.may_have(key, v));
                (may && subject.has_value(key, is_one)) != *invert
            }
            Self::Number {
                key,
                min,
                max,
                invert,
            } => {
                let is_within = |value: &Value<'_>| match value {
                    Value::Int(n) => (*min..=*max).contains(n),
                    Value::Float(n) => *n >= *min as f64 && *n <= *max as f64,
                    _ => false,
                };
                subject.has_value(key, is_within) != *invert
            }
            Self::Boolean { key, value, invert } => {
                let text = if *value { "true" } else { "false" };
                let is_it = |found: &Value<'_>| matches!(found, Value::Bool(is) if is == value);
                (subject.may_have(key, text) && subject.has_value(key, is_it)) != *invert
            }
            Self::Query { query, clauses } => subject.is_found_by(query, clauses),
            Self::ErrorLog => subject.voted().by_error_log(),
            Self::Alert => subject.voted().by_alert(),
            Self::And(parts) | Self::Drop(parts) => {
                parts.iter().all(|part| part.rule.wants(subject, spend))
            }
        }
    }
}

/// Refuses what stands under the name of another type.
fn only_its_own(written: &Written) -> Result<(), String> {
    let there = [
        ("status_code", written.status_code.is_some()),
        ("latency", written.latency.is_some()),
        ("probabilistic", written.probabilistic.is_some()),
        ("rate_limiting", written.rate_limiting.is_some()),
        ("string_attribute", written.string_attribute.is_some()),
        ("numeric_attribute", written.numeric_attribute.is_some()),
        ("boolean_attribute", written.boolean_attribute.is_some()),
        ("traceql", written.traceql.is_some()),
        ("and", written.and.is_some()),
        ("drop", written.drop.is_some()),
    ];
    let kind = written.kind.as_str();
    let mut others = there.iter().filter(|(name, is)| *is && *name != kind);
    others.next().map_or(Ok(()), |(other, _)| {
        Err(format!(
            "the policy {:?} is of type {kind} and says something under {other}; change its type, or leave that out",
            written.name
        ))
    })
}

fn parts(name: &str, key: &str, all: &[Written]) -> Result<Vec<Policy>, String> {
    if all.is_empty() {
        return Err(format!("the policy {name:?} has no {key}; add some"));
    }
    if all.len() > super::config::POLICIES_MAX {
        return Err(format!(
            "the policy {name:?} has too many {key}; leave some out"
        ));
    }
    let part = |part: &Written| match part.kind {
        PolicyType::And | PolicyType::Drop => Err(format!(
            "the policy {name:?} has a part of type {}; its parts must be of other types",
            part.kind.as_str()
        )),
        _ => Policy::try_from(part.clone()),
    };
    all.iter().map(part).collect()
}
