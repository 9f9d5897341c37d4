//! Operators between two operands, and over series.

use super::Type;

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
    TrimUpper,
    TrimLower,
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
            | Self::LessEqual
            | Self::TrimUpper
            | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }

    /// The operator of a sign.
    pub(crate) fn from_sign(sign: &str) -> Option<Self> {
        Some(match sign {
            "+" => Self::Add,
            "-" => Self::Sub,
            "*" => Self::Mul,
            "/" => Self::Div,
            "%" => Self::Mod,
            "^" => Self::Pow,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" => Self::GreaterEqual,
            "<=" => Self::LessEqual,
            "</" => Self::TrimUpper,
            ">/" => Self::TrimLower,
            _ => return None,
        })
    }

    /// Whether it is `and`, `or` or `unless`.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether it is a comparison.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        self.power() == Self::Equal.power() && !self.is_trim()
    }

    /// Whether it leaves out observations of a histogram.
    #[must_use]
    pub fn is_trim(self) -> bool {
        matches!(self, Self::TrimUpper | Self::TrimLower)
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
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
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
    LimitK,
    LimitRatio,
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
            "limitk" => Self::LimitK,
            "limit_ratio" => Self::LimitRatio,
            _ => return None,
        })
    }

    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Group => "group",
            Self::StdDev => "stddev",
            Self::StdVar => "stdvar",
            Self::TopK => "topk",
            Self::BottomK => "bottomk",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
            Self::LimitK => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// Whether it must be enabled.
    pub(crate) fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }

    /// The type of the argument before the vector.
    pub(crate) fn param(self) -> Option<Type> {
        match self {
            Self::TopK | Self::BottomK | Self::Quantile | Self::LimitK | Self::LimitRatio => {
                Some(Type::Scalar)
            }
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
