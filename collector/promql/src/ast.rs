//! The tree of an expression.

mod operators;

pub use operators::{AggregateOp, BinaryOp};

use super::functions::Function;
use sonde_proto::Matcher;

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number.
    Scalar,
    /// One value per series.
    Vector,
    /// Values over a time range per series.
    Matrix,
    /// A text.
    String,
}

impl Type {
    /// The words Prometheus uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// The words of Prometheus' API.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// A stretch of the text: bytes from `start` to before `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte behind the last.
    pub end: u32,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
    /// How deep the tree below is.
    pub(crate) depth: u16,
}

/// Wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number.
    Number(f64),
    /// A duration in milliseconds, which is a number of seconds.
    Duration(i64),
    /// A text.
    String(String),
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// `+expr`
    Plus(Box<Expr>),
    /// `-expr`
    Negate(Box<Expr>),
    /// `name{matchers}`
    Selector(Selector),
    /// `selector[range]`
    Matrix(Selector, Length),
    /// `expr[range:step]`
    Subquery(Box<Subquery>),
    /// `lhs op rhs`
    Binary(Box<Binary>),
    /// `op by (labels) (param, expr)`
    Aggregate(Box<Aggregate>),
    /// `function(args)`
    Call {
        /// Which function.
        function: &'static Function,
        /// Its arguments, checked.
        args: Vec<Expr>,
    },
}

/// Which series, and as of when.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The metric's name, where it stands before the braces. It is the first of the matchers.
    pub name: Option<String>,
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// The time it is moved to.
    pub when: When,
    /// What counts at the edges of a range.
    pub edges: Edges,
}

/// The order of the matchers means nothing.
impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |selector: &Self| {
            let mut all: Vec<String> = selector.matchers.iter().map(Matcher::to_string).collect();
            all.sort();
            all
        };
        (&self.name, &self.when, self.edges) == (&other.name, &other.when, other.edges)
            && sorted(self) == sorted(other)
    }
}

/// What counts at the edges of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// The samples in the range.
    #[default]
    Plain,
    /// `anchored`: at the start, the newest sample before it.
    Anchored,
    /// `smoothed`: at both, what lies on the line between the samples around it.
    Smoothed,
}

impl Edges {
    /// The word that says so; `None` where nothing needs to be said.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Anchored => Some("anchored"),
            Self::Smoothed => Some("smoothed"),
        }
    }
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// How far to look back.
    pub offset: Option<Length>,
    /// The time to start from instead of the evaluation's.
    pub at: Option<At>,
}

/// A length of time.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Milliseconds.
    Fixed(i64),
    /// What depends on the query; [`super::resolve`] replaces it.
    Computed(Computed),
}

impl Length {
    /// Milliseconds; 0 where it was not resolved.
    #[must_use]
    pub fn millis(&self) -> i64 {
        match self {
            Self::Fixed(millis) => *millis,
            Self::Computed(_) => 0,
        }
    }
}

/// A computed length and where it stands.
#[derive(Clone, Debug)]
pub struct Computed {
    /// How it is computed.
    pub expr: DurationExpr,
    /// Where it stands.
    pub span: Span,
}

/// Wherever they stand.
impl PartialEq for Computed {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

/// Arithmetic in durations. All of it is in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// A number of seconds.
    Number(f64),
    /// A duration in milliseconds.
    Duration(i64),
    /// `step()`: the query's.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `-expr`
    Negate(Box<Self>),
    /// An expression in parentheses.
    Paren(Box<Self>),
    /// One of `+ - * / % ^`.
    Binary(BinaryOp, Box<Self>, Box<Self>),
    /// `min_of(a, b)`
    Least(Box<Self>, Box<Self>),
    /// `max_of(a, b)`
    Most(Box<Self>, Box<Self>),
}

/// A fixed time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// Milliseconds since 1970.
    Time(i64),
    /// The query's start.
    Start,
    /// The query's end.
    End,
}

/// An expression evaluated over a range of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back.
    pub range: Length,
    /// How often; the default if missing.
    pub step: Option<Length>,
    /// As of when.
    pub when: When,
}

/// Two operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// What is done.
    pub op: BinaryOp,
    /// The left operand.
    pub lhs: Expr,
    /// The right operand.
    pub rhs: Expr,
    /// Whether a comparison gives 0 or 1 instead of filtering.
    pub is_bool: bool,
    /// How series are paired.
    pub matching: Matching,
}

/// How series of two vectors are paired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// The labels after `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `labels` are the only ones compared, not the ones left out.
    pub on: bool,
    /// Which side may have many for one.
    pub many: Option<Many>,
    /// Labels taken over from the one side.
    pub include: Vec<String>,
    /// What stands for series that a side does not have.
    pub fill: Fill,
}

/// `fill`, `fill_left`, `fill_right`: a value for a side on which nothing matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fill {
    /// Of the left operand.
    pub left: Option<f64>,
    /// Of the right operand.
    pub right: Option<f64>,
}

impl Fill {
    /// Whether nothing is filled in.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.left.is_none() && self.right.is_none()
    }
}

/// By their bits: two that are no number are the same.
impl PartialEq for Fill {
    fn eq(&self, other: &Self) -> bool {
        let bits = |fill: &Self| [fill.left, fill.right].map(|value| value.map(f64::to_bits));
        bits(self) == bits(other)
    }
}

/// Which side may have many for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// An aggregation over series.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub op: AggregateOp,
    /// The argument before the vector, if the operator has one.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// The labels after `by` or `without`.
    pub labels: Vec<String>,
    /// Whether `labels` are left out, not kept.
    pub without: bool,
}

impl Expr {
    /// What the expression is.
    #[must_use]
    pub fn returns(&self) -> Type {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) => Type::Scalar,
            ExprKind::String(_) => Type::String,
            ExprKind::Paren(inner) | ExprKind::Plus(inner) | ExprKind::Negate(inner) => {
                inner.returns()
            }
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => Type::Vector,
            ExprKind::Matrix(..) | ExprKind::Subquery(_) => Type::Matrix,
            ExprKind::Binary(b) => match (b.lhs.returns(), b.rhs.returns()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
            ExprKind::Call { function, .. } => function.returns,
        }
    }

    /// The expression without parentheses around it.
    #[must_use]
    pub fn bare(&self) -> &Self {
        match &self.kind {
            ExprKind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }

    /// Visits every selector, in the order of the text.
    pub fn each_selector<'a>(&'a self, visit: &mut dyn FnMut(&'a Selector)) {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::String(_) => {}
            ExprKind::Paren(inner) | ExprKind::Plus(inner) | ExprKind::Negate(inner) => {
                inner.each_selector(visit);
            }
            ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => visit(selector),
            ExprKind::Subquery(subquery) => subquery.expr.each_selector(visit),
            ExprKind::Binary(b) => {
                b.lhs.each_selector(visit);
                b.rhs.each_selector(visit);
            }
            ExprKind::Aggregate(a) => {
                a.param.iter().for_each(|param| param.each_selector(visit));
                a.expr.each_selector(visit);
            }
            ExprKind::Call { args, .. } => args.iter().for_each(|arg| arg.each_selector(visit)),
        }
    }
}
