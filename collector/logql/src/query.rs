//! A query for lines, compiled: selector, leading line filters, pipeline.

use crate::ast::{Expr, LogExpr, Stage};
use crate::filter::{CompileError, LineFilter};
use crate::pipeline::{Pipeline, PipelineLimits};
use crate::{ParseError, parse};
use sonde_proto::{Labels, Matcher};

/// A query for lines, ready to be carried out.
#[derive(Clone, Debug)]
pub struct LogQuery {
    expr: LogExpr,
    filters: Vec<LineFilter>,
    pipeline: Pipeline,
}

/// Why a text is no query for lines.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryError {
    /// It is not LogQL.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A stage cannot be carried out.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It asks for numbers.
    #[error(
        "this query asks for numbers over time; here goes one for lines, as in {{app=\"web\"}} |= \"error\""
    )]
    Metric,
}

impl LogQuery {
    /// Reads and compiles a query.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        match parse(text)? {
            Expr::Log(expr) => Ok(Self::compile(&expr)?),
            Expr::Metric(_) => Err(QueryError::Metric),
        }
    }

    /// Compiles a query, within the usual limits.
    ///
    /// # Errors
    /// Which stage cannot be carried out, and why.
    pub fn compile(expr: &LogExpr) -> Result<Self, CompileError> {
        let leading = expr
            .stages
            .iter()
            .position(|stage| !matches!(stage, Stage::Line(_)))
            .unwrap_or(expr.stages.len());
        let (first, rest) = expr.stages.split_at(leading);
        let patterns = crate::filter::patterns(&expr.stages);
        let filters = first.iter().filter_map(|stage| match stage {
            Stage::Line(filter) => Some(LineFilter::compile_beside(filter, patterns)),
            _ => None,
        });
        Ok(Self {
            filters: filters.collect::<Result<_, _>>()?,
            pipeline: Pipeline::compile(rest, &PipelineLimits::default())?,
            expr: expr.clone(),
        })
    }

    /// What a stream's labels must satisfy.
    #[must_use]
    pub fn matchers(&self) -> &[Matcher] {
        &self.expr.matchers
    }

    /// The line filters that see the line as it came.
    #[must_use]
    pub fn filters(&self) -> &[LineFilter] {
        &self.filters
    }

    /// The stages behind those filters.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Whether a stream is asked for.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        let mut matchers = self.expr.matchers.iter();
        matchers.all(|matcher| matcher.matches_labels(labels))
    }

    /// Whether a line satisfies the leading line filters.
    #[must_use]
    pub fn matches_line(&self, line: &[u8]) -> bool {
        self.filters.iter().all(|filter| filter.matches(line))
    }

    /// The query as it was parsed.
    #[must_use]
    pub fn expr(&self) -> &LogExpr {
        &self.expr
    }
}

/// The query as it is written.
impl std::fmt::Display for LogQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_line_filters_are_apart() {
        let text = r#"{app="web"} |= "a" !~ "b" | json |= "c" | status >= 500"#;
        let query = LogQuery::parse(text).unwrap();
        let filters: Vec<String> = query.filters().iter().map(ToString::to_string).collect();
        assert_eq!(filters, [r#"|= "a""#, r#"!~ "b""#]);
        assert!(!query.pipeline().is_empty());
        assert_eq!(query.matchers().len(), 1);
        assert!(query.matches_line(b"xa") && !query.matches_line(b"ab"));
        let labels = |app| [("app", app)].into_iter().collect::<Labels>();
        assert!(query.matches_labels(&labels("web")) && !query.matches_labels(&labels("db")));
        assert_eq!(
            LogQuery::parse(&query.to_string()).unwrap().to_string(),
            query.to_string()
        );
    }

    #[test]
    fn filters_alone_leave_nothing_for_the_pipeline() {
        let query = LogQuery::parse(r#"{} |= "a""#).unwrap();
        assert!(query.pipeline().is_empty());
        assert_eq!(query.expr().stages.len(), 1);
    }

    #[test]
    fn what_is_no_query_for_lines_is_refused() {
        let check = |text: &str, message: &str| {
            let error = LogQuery::parse(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        };
        check("{", "1:2: expected a label");
        check("rate({}[1m])", "asks for numbers");
        check(r#"{} |~ "(?x)a""#, "no flag");
        check(r#"{} | pattern "<_>""#, "takes nothing out");
    }
}
