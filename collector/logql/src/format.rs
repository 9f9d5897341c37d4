//! Queries as text: on one line that reads back as the same query, with parentheses only where
//! they are needed; and over several lines, as an editor shows them.

pub(crate) mod words;
mod stage;
mod labels;
mod metric;
mod pretty;

pub use pretty::pretty;

use crate::ast::{Expr, LogExpr};
use sonde_lex::quoted;
use sonde_proto::Matcher;
use std::fmt::{Display, Formatter, Result};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Log(log) => log.fmt(f),
            Self::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        selector(f, &self.matchers)?;
        let mut before = None;
        for stage in &self.stages {
            f.write_str(stage::separator(before, stage))?;
            stage.fmt(f)?;
            before = Some(stage);
        }
        Ok(())
    }
}

fn selector(f: &mut Formatter<'_>, matchers: &[Matcher]) -> Result {
    f.write_str("{")?;
    joined(f, matchers, matcher)?;
    f.write_str("}")
}

/// `name="value"`, with escapes that every language here reads.
fn matcher(f: &mut Formatter<'_>, matcher: &Matcher) -> Result {
    let Matcher {
        name, op, value, ..
    } = matcher;
    write!(f, "{name}{}{}", op.as_str(), quoted(value))
}

/// What `write` writes of each, with commas between.
fn joined<T>(
    f: &mut Formatter<'_>,
    all: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> Result,
) -> Result {
    for (at, one) in all.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        write(f, one)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
