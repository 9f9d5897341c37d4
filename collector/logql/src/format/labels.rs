//! Label filters on one line.

use super::matcher;
use super::words::is_bare_stage;
use crate::ast::{CompareOp, Comparison, LabelFilter};
use sonde_lex::{byte_size_text, duration_text, number_text, quoted};
use sonde_proto::MatchOp;
use std::fmt::{Display, Formatter, Result};

/// How tight a filter binds.
fn power(filter: &LabelFilter) -> u8 {
    match filter {
        LabelFilter::Or(..) => 1,
        LabelFilter::And(..) => 2,
        _ => 3,
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let side = |f: &mut Formatter<'_>, one: &LabelFilter| {
            if power(one) < power(self) {
                write!(f, "({one})")
            } else {
                one.fmt(f)
            }
        };
        match self {
            Self::And(left, right) => {
                side(f, left)?;
                f.write_str(" and ")?;
                side(f, right)
            }
            Self::Or(left, right) => {
                side(f, left)?;
                f.write_str(" or ")?;
                side(f, right)
            }
            Self::Text(one) => matcher(f, one),
            Self::Number(one) => comparison(f, one, &number_text(one.value)),
            Self::Duration(one) => comparison(f, one, &duration_text(one.value as i64)),
            Self::Bytes(one) => comparison(f, one, &byte_size_text(one.value)),
            Self::Ip {
                name,
                is_negated,
                range,
            } => {
                let op = if *is_negated { "!=" } else { "=" };
                write!(f, "{name}{op}ip({})", quoted(range))
            }
        }
    }
}

fn comparison(f: &mut Formatter<'_>, one: &Comparison<f64>, value: &str) -> Result {
    write!(f, "{}{}{value}", one.name, one.op.as_filter_str())
}

/// A filter behind its `|`: `json!="a"` would be a parser and a line filter there.
pub(super) fn whole(f: &mut Formatter<'_>, filter: &LabelFilter) -> Result {
    if begins_like_a_stage(filter) {
        write!(f, "({filter})")
    } else {
        filter.fmt(f)
    }
}

fn begins_like_a_stage(filter: &LabelFilter) -> bool {
    let name = match filter {
        LabelFilter::And(left, _) | LabelFilter::Or(left, _) => {
            return power(left) >= power(filter) && begins_like_a_stage(left);
        }
        LabelFilter::Text(one) => {
            let is_negated = matches!(one.op, MatchOp::NotEqual | MatchOp::NotRegex);
            is_negated.then_some(&one.name)
        }
        LabelFilter::Number(one) | LabelFilter::Duration(one) | LabelFilter::Bytes(one) => {
            (one.op == CompareOp::NotEqual).then_some(&one.name)
        }
        LabelFilter::Ip {
            name, is_negated, ..
        } => is_negated.then_some(name),
    };
    name.is_some_and(|name| is_bare_stage(name))
}
