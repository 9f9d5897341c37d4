//! The tree of an expression.

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
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it begins, in bytes.
    pub at: usize,
    /// How deep the tree below is.
    pub(crate) depth: usize,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A number, or a duration in seconds.
    Number(f64),
    /// A text.
    String(String),
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// `-expr`
    Negate(Box<Expr>),
    /// `name{matchers}`
    Selector(Selector),
    /// `selector[range]`
    Matrix(Selector, i64),
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
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// The time it is moved to.
    pub when: When,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct When {
    /// Milliseconds to look back.
    pub offset: Option<i64>,
    /// The time to start from instead of the evaluation's.
    pub at: Option<At>,
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
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back, in milliseconds.
    pub range: i64,
    /// How often, in milliseconds; the default if missing.
    pub step: Option<i64>,
    /// As of when.
    pub when: When,
}

/// Two operands.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// The labels after `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `labels` are the only ones compared, not the ones left out.
    pub on: bool,
    /// Which side may have many for one.
    pub many: Option<Many>,
    /// Labels taken over from the one side.
    pub include: Vec<String>,
}

/// Which side may have many for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// Operators between two operands.
#[expect(missing_docs, reason = "the names are the operators")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// Binds tighter the higher.
    pub(crate) fn power(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Greater
            | Self::Less
            | Self::GreaterEqual
            | Self::LessEqual => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }

    /// Whether it is `and`, `or` or `unless`.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether it is a comparison.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        self.power() == Self::Equal.power()
    }

    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
}

/// An aggregation over series.
#[derive(Clone, Debug)]
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

/// Operators over series.
#[expect(missing_docs, reason = "the names are the operators")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    StdDev,
    StdVar,
    TopK,
    BottomK,
    Quantile,
    CountValues,
}

impl AggregateOp {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            "stddev" => Self::StdDev,
            "stdvar" => Self::StdVar,
            "topk" => Self::TopK,
            "bottomk" => Self::BottomK,
            "quantile" => Self::Quantile,
            "count_values" => Self::CountValues,
            _ => return None,
        })
    }

    /// The type of the argument before the vector.
    pub(crate) fn param(self) -> Option<Type> {
        match self {
            Self::TopK | Self::BottomK | Self::Quantile => Some(Type::Scalar),
            Self::CountValues => Some(Type::String),
            Self::Sum
            | Self::Avg
            | Self::Min
            | Self::Max
            | Self::Count
            | Self::Group
            | Self::StdDev
            | Self::StdVar => None,
        }
    }
}

impl Expr {
    /// What the expression is.
    #[must_use]
    pub fn returns(&self) -> Type {
        match &self.kind {
            ExprKind::Number(_) => Type::Scalar,
            ExprKind::String(_) => Type::String,
            ExprKind::Paren(inner) | ExprKind::Negate(inner) => inner.returns(),
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
            ExprKind::Number(_) | ExprKind::String(_) => {}
            ExprKind::Paren(inner) | ExprKind::Negate(inner) => inner.each_selector(visit),
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
