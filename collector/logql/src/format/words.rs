//! The words and signs of the language: how each is written, and read.

use crate::ast::{BinaryOp, CompareOp, Conversion, LineOp, RangeOp, VectorOp};

/// Stages that are whole without anything behind them.
const BARE_STAGES: [&str; 4] = ["json", "logfmt", "unpack", "decolorize"];

/// Whether a word behind `|` is a stage even where `!=` or `!~` follows it.
pub(crate) fn is_bare_stage(word: &str) -> bool {
    BARE_STAGES
        .into_iter()
        .any(|stage| stage.eq_ignore_ascii_case(word))
}

fn find<T: Copy>(all: &[T], as_str: impl Fn(T) -> &'static str, word: &str) -> Option<T> {
    all.iter()
        .copied()
        .find(|one| as_str(*one).eq_ignore_ascii_case(word))
}

impl RangeOp {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Count,
        Self::Rate,
        Self::RateCounter,
        Self::Bytes,
        Self::BytesRate,
        Self::Avg,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Stddev,
        Self::Stdvar,
        Self::Quantile,
        Self::First,
        Self::Last,
        Self::Absent,
    ];

    /// The function as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count_over_time",
            Self::Rate => "rate",
            Self::RateCounter => "rate_counter",
            Self::Bytes => "bytes_over_time",
            Self::BytesRate => "bytes_rate",
            Self::Avg => "avg_over_time",
            Self::Sum => "sum_over_time",
            Self::Min => "min_over_time",
            Self::Max => "max_over_time",
            Self::Stddev => "stddev_over_time",
            Self::Stdvar => "stdvar_over_time",
            Self::Quantile => "quantile_over_time",
            Self::First => "first_over_time",
            Self::Last => "last_over_time",
            Self::Absent => "absent_over_time",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        find(&Self::ALL, Self::as_str, word)
    }

    /// Whether `by (…)` or `without (…)` may stand behind it.
    #[must_use]
    pub fn takes_grouping(self) -> bool {
        match self {
            Self::Avg
            | Self::Min
            | Self::Max
            | Self::Stddev
            | Self::Stdvar
            | Self::Quantile
            | Self::First
            | Self::Last => true,
            Self::Count
            | Self::Rate
            | Self::RateCounter
            | Self::Bytes
            | Self::BytesRate
            | Self::Sum
            | Self::Absent => false,
        }
    }

    /// Whether it may be over the numbers of a label.
    #[must_use]
    pub fn takes_unwrap(self) -> bool {
        !matches!(self, Self::Count | Self::Bytes | Self::BytesRate)
    }

    /// Whether it is of numbers only.
    #[must_use]
    pub fn demands_unwrap(self) -> bool {
        self.takes_unwrap() && !matches!(self, Self::Rate | Self::Absent)
    }
}

impl VectorOp {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::Stddev,
        Self::Stdvar,
        Self::Topk,
        Self::Bottomk,
        Self::ApproxTopk,
        Self::Sort,
        Self::SortDesc,
    ];

    /// The function as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::ApproxTopk => "approx_topk",
            Self::Sort => "sort",
            Self::SortDesc => "sort_desc",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        find(&Self::ALL, Self::as_str, word)
    }

    /// Whether a number stands before its expression.
    #[must_use]
    pub fn takes_parameter(self) -> bool {
        matches!(self, Self::Topk | Self::Bottomk | Self::ApproxTopk)
    }

    /// Whether `by (…)` or `without (…)` may stand with it.
    #[must_use]
    pub fn takes_grouping(self) -> bool {
        !matches!(self, Self::ApproxTopk | Self::Sort | Self::SortDesc)
    }
}

impl Conversion {
    /// The function as it is written, or nothing.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Duration => "duration",
            Self::DurationSeconds => "duration_seconds",
            Self::Bytes => "bytes",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Duration, Self::DurationSeconds, Self::Bytes];
        find(&all, Self::as_str, word)
    }
}

impl LineOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Matches => "|~",
            Self::NotMatches => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        }
    }
}

impl CompareOp {
    const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// The operator between expressions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// The operator in a label filter.
    #[must_use]
    pub fn as_filter_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            other => other.as_str(),
        }
    }
}

impl BinaryOp {
    const WORDS: [Self; 9] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Modulo,
        Self::Power,
        Self::And,
        Self::Or,
        Self::Unless,
    ];

    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Compare(op) => op.as_str(),
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let compare = || find(&CompareOp::ALL, CompareOp::as_str, word).map(Self::Compare);
        find(&Self::WORDS, Self::as_str, word).or_else(compare)
    }

    /// How tight it binds: the higher, the tighter.
    pub(crate) fn power(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Compare(_) => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 5,
            Self::Power => 6,
        }
    }

    pub(crate) fn is_right_associative(self) -> bool {
        self == Self::Power
    }

    /// Whether it joins sets of series.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}
