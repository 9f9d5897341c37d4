//! A parsed query.
//!
//! What is written as a duration or as bytes keeps its number; texts are unescaped; matchers
//! are compiled, so that a parsed query has no bad pattern in a selector. Patterns of stages
//! and templates are compiled by the pipeline.

use sonde_proto::Matcher;

/// A query: for lines, or for numbers.
#[derive(Clone, Debug)]
pub enum Expr {
    /// Lines of streams.
    Log(LogExpr),
    /// Numbers over time.
    Metric(MetricExpr),
}

/// `{selector} stage…`
#[derive(Clone, Debug, Default)]
pub struct LogExpr {
    /// What the stream's labels must satisfy, all of it.
    pub matchers: Vec<Matcher>,
    /// What happens to each line, in order.
    pub stages: Vec<Stage>,
}

/// One step of a pipeline.
#[derive(Clone, Debug)]
pub enum Stage {
    /// `|= != |~ !~ |> !>`
    Line(LineFilter),
    /// `| json [label="path", …]`
    Json(Vec<Extraction>),
    /// `| logfmt [--strict] [--keep-empty] [label="key", …]`
    Logfmt {
        /// A malformed pair is an error.
        strict: bool,
        /// A key without a value becomes a label with an empty one.
        keep_empty: bool,
        /// Which keys, under which names; all where empty.
        extractions: Vec<Extraction>,
    },
    /// `| regexp "…(?P<name>…)…"`
    Regexp(String),
    /// `| pattern "<ip> - <_> …"`
    Pattern(String),
    /// `| unpack`
    Unpack,
    /// `| decolorize`
    Decolorize,
    /// `| name op value`, with `and`, `or`, `,` and parentheses
    Label(LabelFilter),
    /// `| line_format "…"`
    LineFormat(String),
    /// `| label_format name=other, name="template", …`
    LabelFormat(Vec<LabelFormat>),
    /// `| drop name, name="value", …`
    Drop(Vec<LabelSelector>),
    /// `| keep name, name="value", …`
    Keep(Vec<LabelSelector>),
    /// `| distinct name, …`
    Distinct(Vec<String>),
}

/// A line filter: one comparison with one or more texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFilter {
    /// How the line is compared.
    pub op: LineOp,
    /// With what; `or` between them: a negated filter wants none of them.
    pub alternatives: Vec<LineText>,
}

/// What a line is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineText {
    /// The text, the regular expression, the pattern or the range of addresses.
    pub text: String,
    /// Written as `ip("…")`; only with [`LineOp::Contains`] and [`LineOp::NotContains`].
    pub is_ip: bool,
}

/// How a line is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOp {
    /// `|=`: it contains the text.
    Contains,
    /// `!=`: it does not.
    NotContains,
    /// `|~`: the regular expression matches somewhere in it.
    Matches,
    /// `!~`: it does not.
    NotMatches,
    /// `|>`: the pattern matches.
    Pattern,
    /// `!>`: it does not.
    NotPattern,
}

impl LineOp {
    /// Whether a regular expression stands behind it.
    #[must_use]
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Matches | Self::NotMatches)
    }
}

/// `label="path"`: what a parser takes out, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// The label's name.
    pub label: String,
    /// The key or the path; the label's own name where none was written.
    pub path: String,
}

/// What a record's labels must satisfy.
#[derive(Clone, Debug)]
pub enum LabelFilter {
    /// Both: `and`, `,` or two filters beside one another.
    And(Box<LabelFilter>, Box<LabelFilter>),
    /// At least one.
    Or(Box<LabelFilter>, Box<LabelFilter>),
    /// `name="value"` and its kind; regular expressions match the whole value.
    Text(Matcher),
    /// `name op 500`
    Number(Comparison<f64>),
    /// `name op 250ms`, in nanoseconds
    Duration(Comparison<f64>),
    /// `name op 20KB`, in bytes
    Bytes(Comparison<f64>),
    /// `name=ip("…")` or `name!=ip("…")`
    Ip {
        /// The label.
        name: String,
        /// Whether the address must not be in the range.
        is_negated: bool,
        /// An address, a range `a-b`, or a prefix `a/n`.
        range: String,
    },
}

/// `name op value`
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison<T> {
    /// The label.
    pub name: String,
    /// The comparison.
    pub op: CompareOp,
    /// With what.
    pub value: T,
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`, or `=` in a label filter
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// One assignment of `label_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFormat {
    /// The label that is set.
    pub name: String,
    /// To what.
    pub value: LabelFormatValue,
}

/// What a label is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelFormatValue {
    /// Another label, which goes away.
    Rename(String),
    /// What a template yields.
    Template(String),
}

/// A label of `drop` or `keep`: by name, or only where the matcher matches.
#[derive(Clone, Debug)]
pub enum LabelSelector {
    /// `name`
    Name(String),
    /// `name="value"`
    Matching(Matcher),
}

/// A query for numbers.
#[derive(Clone, Debug)]
pub enum MetricExpr {
    /// A number: the same at all times.
    Number(f64),
    /// `vector(n)`: one series without labels.
    Vector(f64),
    /// `count_over_time({…} [5m])` and its kind
    Range(Box<RangeAggregation>),
    /// `sum by (…) (…)` and its kind
    Aggregate(Box<VectorAggregation>),
    /// `a op b`
    Binary(Box<Binary>),
    /// `label_replace(…, "dst", "replacement", "src", "regex")`
    LabelReplace(Box<LabelReplace>),
}

/// A function over the records of a window.
#[derive(Clone, Debug)]
pub struct RangeAggregation {
    /// The function.
    pub op: RangeOp,
    /// The quantile of `quantile_over_time`.
    pub parameter: Option<f64>,
    /// Which records.
    pub log: LogExpr,
    /// Which label holds the number; the record or its bytes count where there is none.
    pub unwrap: Option<Unwrap>,
    /// How long the window is, in nanoseconds.
    pub range: i64,
    /// How far back the window lies, in nanoseconds; may be negative.
    pub offset: i64,
    /// By which labels the records are grouped; by all of them where there is none.
    pub grouping: Option<Grouping>,
}

/// A function over the records of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeOp {
    /// `count_over_time`
    Count,
    /// `rate`
    Rate,
    /// `rate_counter`
    RateCounter,
    /// `bytes_over_time`
    Bytes,
    /// `bytes_rate`
    BytesRate,
    /// `avg_over_time`
    Avg,
    /// `sum_over_time`
    Sum,
    /// `min_over_time`
    Min,
    /// `max_over_time`
    Max,
    /// `stddev_over_time`
    Stddev,
    /// `stdvar_over_time`
    Stdvar,
    /// `quantile_over_time`
    Quantile,
    /// `first_over_time`
    First,
    /// `last_over_time`
    Last,
    /// `absent_over_time`
    Absent,
}

/// `| unwrap label`, `| unwrap duration(label)`, with label filters behind it
#[derive(Clone, Debug)]
pub struct Unwrap {
    /// The label.
    pub label: String,
    /// How its text becomes a number.
    pub conversion: Conversion,
    /// What records must satisfy after it.
    pub filters: Vec<LabelFilter>,
}

/// How a label's text becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// As it is written.
    None,
    /// `duration`: `250ms` are 0.25
    Duration,
    /// `duration_seconds`: the same
    DurationSeconds,
    /// `bytes`: `1KB` are 1000
    Bytes,
}

/// `by (…)` or `without (…)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Whether the labels are the ones that go away.
    pub is_without: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// An aggregation over series.
#[derive(Clone, Debug)]
pub struct VectorAggregation {
    /// The function.
    pub op: VectorOp,
    /// The k of `topk` and its kind.
    pub parameter: Option<u64>,
    /// Over which labels; one group where there is none.
    pub grouping: Option<Grouping>,
    /// Over what.
    pub expr: MetricExpr,
}

/// An aggregation over series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    Topk,
    /// `bottomk`
    Bottomk,
    /// `approx_topk`: computed exactly here
    ApproxTopk,
    /// `sort`
    Sort,
    /// `sort_desc`
    SortDesc,
}

/// `left op right`
#[derive(Clone, Debug)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Whether a comparison yields 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// Which series belong together.
    pub matching: Matching,
    /// The left side.
    pub left: MetricExpr,
    /// The right side.
    pub right: MetricExpr,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// A comparison.
    Compare(CompareOp),
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

/// Which series of two sides belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `on (…)`: by these labels only; otherwise `ignoring (…)`: by all but these.
    pub is_on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Which side may have several.
    pub group: Group,
}

/// Which side of a match may have several series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// Neither.
    #[default]
    OneToOne,
    /// `group_left (…)`: the left one; these labels are taken from the right.
    Left(Vec<String>),
    /// `group_right (…)`: the right one; these labels are taken from the left.
    Right(Vec<String>),
}

/// `label_replace(expr, "destination", "replacement", "source", "regex")`
#[derive(Clone, Debug)]
pub struct LabelReplace {
    /// Over what.
    pub expr: MetricExpr,
    /// The label that is set.
    pub destination: String,
    /// To what, `$1` being a group of the pattern.
    pub replacement: String,
    /// The label that is looked at.
    pub source: String,
    /// The pattern, which must match the whole value.
    pub regex: String,
}
