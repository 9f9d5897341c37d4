//! What a query is.
//!
//! ```text
//! query    = pipeline [ | metrics { | second } ] [ with(...) ]
//! pipeline = stage { | stage }
//! stage    = spansets | scalar op scalar | by(field) | coalesce() | select(field, ...)
//! spansets = { field } | (pipeline) | spansets op spansets
//! ```
//!
//! As in Tempo, `&&` and `||` have one precedence and are read from left to right, below
//! comparisons and, between spansets, below the structural operators.

use crate::pattern::Pattern;
use crate::value::Static;
use sonde_lex::ParseError;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What finds the spans.
    pub pipeline: Pipeline,
    /// What is counted over them, where it is a question for numbers.
    pub metrics: Option<Metrics>,
    /// What `with(...)` says.
    pub hints: Vec<(String, Static)>,
}

/// Stages; each takes the span sets of the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// In order.
    pub stages: Vec<Stage>,
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Leaves spans.
    Spansets(Spansets),
    /// Leaves span sets whose scalars compare so.
    Scalar {
        /// The left side.
        left: Scalar,
        /// How they compare.
        op: Compare,
        /// The right side.
        right: Scalar,
    },
    /// Parts each set by a value.
    By(Field),
    /// Makes one set of all.
    Coalesce,
    /// Adds attributes to the answer.
    Select(Vec<Field>),
}

/// What leaves spans of a set.
#[derive(Clone, Debug, PartialEq)]
pub enum Spansets {
    /// Spans that satisfy a condition; all without one.
    Filter(Option<Field>),
    /// What a pipeline in parentheses leaves.
    Pipeline(Pipeline),
    /// Two of them together.
    Binary {
        /// The left side.
        left: Box<Spansets>,
        /// How they go together.
        op: SetOp,
        /// The right side.
        right: Box<Spansets>,
    },
}

/// How two sets of spans go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// `&&`: the spans of both where both have some.
    And,
    /// `||`: the spans of both.
    Or,
    /// A structural operator.
    Structural(Relation, Form),
}

/// Where a span of the right side stands, seen from one of the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `>`
    Child,
    /// `>>`
    Descendant,
    /// `<`
    Parent,
    /// `<<`
    Ancestor,
    /// `~`
    Sibling,
}

/// What a structural operator leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Spans of the right side that stand so.
    Plain,
    /// `!`: spans of the right side that do not stand so to any of the left.
    Not,
    /// `&`: spans of both sides that stand so to one another.
    Union,
}

/// A condition or a value of a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A value.
    Literal(Static),
    /// An attribute.
    Attribute(Attribute),
    /// What every span has.
    Intrinsic(Intrinsic),
    /// Two fields.
    Binary {
        /// The left side.
        left: Box<Field>,
        /// What is done with them.
        op: FieldOp,
        /// The right side.
        right: Box<Field>,
    },
    /// `=~` and `!~`.
    Match {
        /// What is searched.
        field: Box<Field>,
        /// What for.
        pattern: Pattern,
        /// `!~`.
        negated: bool,
    },
    /// `!`
    Not(Box<Field>),
    /// `-`
    Minus(Box<Field>),
}

/// What is done with two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOp {
    /// `&&`
    And,
    /// `||`
    Or,
    /// A comparison.
    Compare(Compare),
    /// Arithmetic.
    Math(Math),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Math {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
}

/// An attribute of a span or of what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Where it is looked for.
    pub scope: Scope,
    /// Of the span's parent.
    pub of_parent: bool,
    /// Its name.
    pub name: String,
}

/// Where an attribute is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// On the span, then on its resource.
    Any,
    /// On the span.
    Span,
    /// On its resource.
    Resource,
    /// On its events.
    Event,
    /// On its links.
    Link,
    /// On what recorded it.
    Instrumentation,
}

/// What every span has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intrinsic {
    /// How long the span took.
    Duration,
    /// Its name.
    Name,
    /// How it ended.
    Status,
    /// What went wrong, in words.
    StatusMessage,
    /// What part it plays.
    Kind,
    /// Its ID.
    Id,
    /// Its parent's ID.
    ParentId,
    /// How many children it has.
    ChildCount,
    /// Whether it has a parent: compared with nil.
    Parent,
    /// The number at which a walk through the trace comes to it.
    NestedSetLeft,
    /// The number at which that walk leaves it.
    NestedSetRight,
    /// The left number of its parent; -1 for a root, 0 where the parent has not arrived.
    NestedSetParent,
    /// From the trace's first start to its last end.
    TraceDuration,
    /// The name of its root.
    RootName,
    /// The service of its root.
    RootService,
    /// The trace's ID.
    TraceId,
    /// The names of its events.
    EventName,
    /// When its events happened, from the span's start.
    EventTimeSinceStart,
    /// The traces that it links to.
    LinkTraceId,
    /// The spans that it links to.
    LinkSpanId,
    /// The name of the instrumentation.
    InstrumentationName,
    /// Its version.
    InstrumentationVersion,
}

/// A number of a span set.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A value.
    Literal(Static),
    /// `count()`
    Count,
    /// `avg`, `min`, `max` or `sum` of a field.
    Aggregate(Aggregate, Field),
    /// Two of them.
    Binary {
        /// The left side.
        left: Box<Scalar>,
        /// What is done with them.
        op: Math,
        /// The right side.
        right: Box<Scalar>,
    },
}

/// What makes one number of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
}

/// What a metrics query counts over its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// What is counted.
    pub function: Function,
    /// By what the spans are parted into series.
    pub by: Vec<Field>,
    /// What is done with the series.
    pub second: Vec<Second>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// Spans a second.
    Rate,
    /// Spans.
    CountOverTime,
    /// One number of a field's values.
    OverTime(Aggregate, Field),
    /// Quantiles of a field's values.
    Quantile(Field, Vec<f64>),
    /// How many values lie in each power of two.
    Histogram(Field),
    /// How the values of all attributes of the spans that satisfy a condition differ from
    /// those of the others.
    Compare {
        /// What the one side satisfies.
        selection: Box<Spansets>,
        /// How many values of each attribute are told.
        top: usize,
        /// From when on, in nanoseconds, and until when spans belong to the one side.
        period: Option<(i64, i64)>,
    },
}

/// What is done with series.
#[derive(Clone, Debug, PartialEq)]
pub enum Second {
    /// The largest few at each time.
    TopK(usize),
    /// The smallest few at each time.
    BottomK(usize),
    /// Values that compare so.
    Filter(Compare, Static),
}

impl Query {
    /// Reads a query. Blank text means all spans.
    ///
    /// # Errors
    /// [`ParseError`] names the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        crate::parse::query(text)
    }

    /// How many exemplars the query itself asks for, as in `with(exemplars=10)`; none are asked
    /// for with `false`. The other hints that Tempo has change nothing here: the newest traces
    /// come first without `most_recent`, and counts are exact, whatever `sample` allows.
    #[must_use]
    pub fn exemplars(&self) -> Option<usize> {
        let mut values = self.hints.iter().filter(|(name, _)| name == "exemplars");
        values.find_map(|(_, value)| match value {
            Static::Int(count) => usize::try_from(*count).ok(),
            Static::Bool(false) => Some(0),
            _ => None,
        })
    }
}

impl Scope {
    /// The scopes that have a name.
    pub const NAMED: [Self; 5] = [
        Self::Resource,
        Self::Span,
        Self::Event,
        Self::Link,
        Self::Instrumentation,
    ];

    /// Its name; none for [`Scope::Any`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Span => "span",
            Self::Resource => "resource",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|scope| scope.name() == name)
    }
}

impl Intrinsic {
    /// All of them, each with its name and with its old name where it has one.
    pub const ALL: [(Self, &'static str, &'static str); 22] = [
        (Self::Duration, "span:duration", "duration"),
        (Self::Name, "span:name", "name"),
        (Self::Status, "span:status", "status"),
        (Self::StatusMessage, "span:statusMessage", "statusMessage"),
        (Self::Kind, "span:kind", "kind"),
        (Self::Id, "span:id", ""),
        (Self::ParentId, "span:parentID", ""),
        (Self::ChildCount, "span:childCount", "childCount"),
        (Self::Parent, "", "parent"),
        (Self::NestedSetLeft, "", "nestedSetLeft"),
        (Self::NestedSetRight, "", "nestedSetRight"),
        (Self::NestedSetParent, "", "nestedSetParent"),
        (Self::TraceDuration, "trace:duration", "traceDuration"),
        (Self::RootName, "trace:rootName", "rootName"),
        (Self::RootService, "trace:rootService", "rootServiceName"),
        (Self::TraceId, "trace:id", ""),
        (Self::EventName, "event:name", ""),
        (Self::EventTimeSinceStart, "event:timeSinceStart", ""),
        (Self::LinkTraceId, "link:traceID", ""),
        (Self::LinkSpanId, "link:spanID", ""),
        (Self::InstrumentationName, "instrumentation:name", ""),
        (Self::InstrumentationVersion, "instrumentation:version", ""),
    ];

    /// The intrinsic of a name, old or new.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(_, new, old)| !name.is_empty() && [*new, *old].contains(&name));
        found.map(|(intrinsic, ..)| intrinsic)
    }

    /// Its name; the old one where there is no other.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(intrinsic, ..)| *intrinsic == self);
        found.map_or("", |(_, new, old)| if new.is_empty() { old } else { new })
    }

    /// What it is called in answers: the old name where there is one.
    #[must_use]
    pub fn label(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(intrinsic, ..)| *intrinsic == self);
        found.map_or("", |(_, new, old)| if old.is_empty() { new } else { old })
    }
}

impl Attribute {
    /// An attribute of a scope.
    #[must_use]
    pub fn new(scope: Scope, name: &str) -> Self {
        Self {
            scope,
            of_parent: false,
            name: name.to_owned(),
        }
    }
}
