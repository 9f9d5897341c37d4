//! What of the traces is kept, in the words of the OpenTelemetry collector's tail sampling
//! processor
//! (<https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/tailsamplingprocessor>).
//!
//! A policy is read as it is written there, and checked while it is read, so that what is
//! wrong is told at its line. What it comes to is a [`Rule`].

use super::policy::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::period::Period;

/// There may be so many policies.
pub(crate) const POLICIES_MAX: usize = 256;

/// Which traces are kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// A trace that one of these wants is kept. Without any, all are.
    pub policies: Policies,
    /// How long after its last span arrived a trace is judged, at the next seal.
    pub decision_wait: Period,
    /// How long after its first span arrived it is judged, though spans go on arriving.
    pub decision_wait_max: Period,
    /// How many traces may wait to be judged when a seal begins; the oldest of more are judged
    /// early.
    #[schemars(range(min = 1))]
    pub num_traces: usize,
    /// For how many traces it is remembered whether they were kept, for spans that come late.
    pub decision_cache: DecisionCache,
    /// How many trace IDs of error logs, alerts and exemplars are remembered. While there are
    /// more, everything is kept.
    #[schemars(range(min = 1))]
    pub votes_max: usize,
    /// For how long.
    pub vote_ttl: Period,
}

/// For how many traces a decision is remembered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionCache {
    /// Of those that were kept.
    #[schemars(range(max = 10_000_000))]
    pub sampled_cache_size: usize,
    /// Of those that were not.
    #[schemars(range(max = 10_000_000))]
    pub non_sampled_cache_size: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            policies: Policies::default(),
            decision_wait: Period::of_seconds(30),
            decision_wait_max: Period::of_seconds(300),
            num_traces: 50_000,
            decision_cache: DecisionCache::default(),
            votes_max: 100_000,
            vote_ttl: Period::of_seconds(600),
        }
    }
}

impl Default for DecisionCache {
    fn default() -> Self {
        Self {
            sampled_cache_size: 50_000,
            non_sampled_cache_size: 50_000,
        }
    }
}

/// Policies, each with a name of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Policy>", into = "Vec<Policy>")]
#[schemars(with = "Vec<Written>")]
pub struct Policies(pub(crate) Vec<Policy>);

/// What keeps traces, or keeps them out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct Policy {
    pub(crate) rule: Rule,
    written: Box<Written>,
}

impl Policies {
    /// The name of the policy of a place.
    pub(super) fn name(&self, place: usize) -> &str {
        self.0.get(place).map_or("", Policy::name)
    }

    /// The place of the policy of a name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|policy| policy.name() == name)
    }
}

impl Policy {
    pub(crate) fn name(&self) -> &str {
        &self.written.name
    }
}

impl TryFrom<Vec<Policy>> for Policies {
    type Error = String;

    fn try_from(policies: Vec<Policy>) -> Result<Self, String> {
        if policies.len() > POLICIES_MAX {
            return Err(format!(
                "{} policies are more than {POLICIES_MAX}; leave some out",
                policies.len()
            ));
        }
        for (at, policy) in policies.iter().enumerate() {
            if policies[..at].iter().any(|p| p.name() == policy.name()) {
                return Err(format!(
                    "two policies are called {:?}; give each a name of its own, by which it is counted",
                    policy.name()
                ));
            }
        }
        Ok(Self(policies))
    }
}

impl From<Policies> for Vec<Policy> {
    fn from(policies: Policies) -> Self {
        policies.0
    }
}

impl TryFrom<Written> for Policy {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Ok(Self {
            rule: Rule::of(&written)?,
            written: Box::new(written),
        })
    }
}

impl From<Policy> for Written {
    fn from(policy: Policy) -> Self {
        *policy.written
    }
}

/// A policy as it is written: its type, and under the type's name what it needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// By which it is counted.
    pub(crate) name: String,
    /// What it looks at.
    #[serde(rename = "type")]
    pub(crate) kind: PolicyType,
    /// Of `type: status_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_code: Option<StatusCodes>,
    /// Of `type: latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Latency>,
    /// Of `type: probabilistic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probabilistic: Option<Probabilistic>,
    /// Of `type: rate_limiting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limiting: Option<RateLimiting>,
    /// Of `type: string_attribute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_attribute: Option<StringAttribute>,
    /// Of `type: numeric_attribute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) numeric_attribute: Option<NumericAttribute>,
    /// Of `type: boolean_attribute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boolean_attribute: Option<BooleanAttribute>,
    /// Of `type: traceql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceql: Option<TraceQl>,
    /// Of `type: and`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) and: Option<And>,
    /// Of `type: drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drop: Option<Drop>,
}

/// What a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyType {
    /// Every trace.
    #[default]
    AlwaysSample,
    /// Traces with a span of one of some statuses.
    StatusCode,
    /// Traces that took long.
    Latency,
    /// A share of the traces, the same one everywhere.
    Probabilistic,
    /// So many spans a second, of each tenant.
    RateLimiting,
    /// Traces with a text on a span or its resource.
    StringAttribute,
    /// Traces with a number on a span or its resource.
    NumericAttribute,
    /// Traces with a boolean on a span or its resource.
    BooleanAttribute,
    /// Traces in which a query finds something.
    Traceql,
    /// Traces of which an error was logged.
    ErrorLog,
    /// Traces that a firing alert names.
    Alert,
    /// Traces that several policies want.
    And,
    /// Traces that are not kept, whatever other policies want.
    Drop,
}

impl PolicyType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AlwaysSample => "always_sample",
            Self::StatusCode => "status_code",
            Self::Latency => "latency",
            Self::Probabilistic => "probabilistic",
            Self::RateLimiting => "rate_limiting",
            Self::StringAttribute => "string_attribute",
            Self::NumericAttribute => "numeric_attribute",
            Self::BooleanAttribute => "boolean_attribute",
            Self::Traceql => "traceql",
            Self::ErrorLog => "error_log",
            Self::Alert => "alert",
            Self::And => "and",
            Self::Drop => "drop",
        }
    }
}

/// A span's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StatusCode {
    /// Nobody said how it ended.
    Unset,
    /// It ended well.
    Ok,
    /// It failed.
    Error,
}

/// Statuses.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusCodes {
    /// A trace with a span of one of these is kept.
    pub(crate) status_codes: Vec<StatusCode>,
}

/// How long a trace took, from its first start to its last end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    /// At least so long; with an upper threshold, longer.
    pub(crate) threshold_ms: u64,
    /// And at most so long; 0 is no limit.
    #[serde(default)]
    pub(crate) upper_threshold_ms: u64,
}

/// A share.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Probabilistic {
    /// Of a hundred traces.
    pub(crate) sampling_percentage: f64,
}

/// A rate.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimiting {
    /// How many spans, of traces that began to arrive in the same second.
    pub(crate) spans_per_second: u64,
}

/// A text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StringAttribute {
    /// The attribute's name.
    pub(crate) key: String,
    /// What it may be.
    pub(crate) values: Vec<String>,
    /// Whether the values are regular expressions, of which one must be found in the text.
    #[serde(default)]
    pub(crate) enabled_regex_matching: bool,
    /// Whether traces are kept that have none of them.
    #[serde(default)]
    pub(crate) invert_match: bool,
}

/// A number.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumericAttribute {
    /// The attribute's name.
    pub(crate) key: String,
    /// The smallest it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_value: Option<i64>,
    /// The greatest it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_value: Option<i64>,
    /// Whether traces are kept that have no such number.
    #[serde(default)]
    pub(crate) invert_match: bool,
}

/// A boolean.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BooleanAttribute {
    /// The attribute's name.
    pub(crate) key: String,
    /// What it must be.
    pub(crate) value: bool,
    /// Whether traces are kept that have it nowhere.
    #[serde(default)]
    pub(crate) invert_match: bool,
}

/// A query.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceQl {
    /// A trace in which this finds a span is kept.
    pub(crate) query: String,
}

/// Policies that must all want a trace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct And {
    /// They are no `and` and no `drop` themselves.
    pub(crate) and_sub_policy: Vec<Written>,
}

/// Policies of which all must want a trace that is not kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drop {
    /// They are no `and` and no `drop` themselves.
    pub(crate) drop_sub_policy: Vec<Written>,
}
