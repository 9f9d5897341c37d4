//! Reads a query.
//!
//! There are no tokens beforehand: whether `!~` parts two conditions or two spansets, and
//! whether `+` belongs to an attribute's name, depends on where it stands.

mod field;
mod metrics;
mod old;
mod scalar;
mod spansets;

use crate::ast::{Field, Pipeline, Query, Stage};
use crate::value::Static;
use sonde_lex::ParseError;
use sonde_proto::re2::PatternBudget;

/// The longest query.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// How deep parentheses and signs may nest.
const DEPTH_MAX: usize = 64;
/// How many conditions, values and operators a query may have: chains of operators are as
/// deep as they are long.
const PARTS_MAX: usize = 512;
/// How many stages a pipeline may have.
const STAGES_MAX: usize = 32;
/// How many fields `select` and `by` take.
const FIELDS_MAX: usize = 32;

/// Reads a whole query.
pub(crate) fn query(text: &str) -> Result<Query, ParseError> {
    let mut parser = Parser::new(text);
    if text.len() > TEXT_BYTES_MAX {
        return Err(parser.error_at(0, format!("a query is at most {TEXT_BYTES_MAX} bytes long")));
    }
    parser.skip_blank();
    if parser.rest().is_empty() {
        return Ok(Query {
            pipeline: Pipeline {
                stages: vec![Stage::Spansets(crate::ast::Spansets::Filter(None))],
            },
            metrics: None,
            hints: Vec::new(),
        });
    }
    if !parser.starts_pipeline() {
        return Err(old::error(text, parser.at));
    }
    let pipeline = match parser.compared_pipeline()? {
        Some(compared) => parser.more_stages(compared.stages)?,
        None => parser.pipeline()?,
    };
    let metrics = parser.metrics()?;
    let hints = parser.hints()?;
    if !parser.rest().is_empty() {
        return Err(parser.error("expected | and a stage, && or ||, or the end of the query"));
    }
    Ok(Query {
        pipeline,
        metrics,
        hints,
    })
}

/// Reads one field.
pub(crate) fn single_field(text: &str) -> Result<Field, ParseError> {
    let mut parser = Parser::new(text);
    if text.len() > TEXT_BYTES_MAX {
        return Err(parser.error_at(0, format!("a field is at most {TEXT_BYTES_MAX} bytes long")));
    }
    parser.skip_blank();
    let field = parser.field()?;
    if !parser.rest().is_empty() {
        return Err(parser.error("expected the end of the field"));
    }
    Ok(field)
}

/// A place in the text.
pub(crate) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    parts: usize,
    patterns: PatternBudget,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            parts: 0,
            patterns: PatternBudget::default(),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.at, message)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    /// Skips white space and comments, `//` to the end of a line.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// Takes `sign` where it stands here.
    fn eat(&mut self, sign: &str) -> bool {
        let is_here = self.rest().starts_with(sign);
        if is_here {
            self.at += sign.len();
            self.skip_blank();
        }
        is_here
    }

    fn expect(&mut self, sign: &str, why: &str) -> Result<(), ParseError> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(self.error(format!("expected {sign} {why}")))
    }

    /// The word here, which may be empty.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    }

    /// Takes the word `wanted` where it stands here as a whole.
    fn eat_word(&mut self, wanted: &str) -> bool {
        self.word() == wanted && self.eat(wanted)
    }

    /// Whether a word stands here that `(` follows.
    fn is_call(&self, word: &str) -> bool {
        self.word() == word && self.rest()[word.len()..].trim_start().starts_with('(')
    }

    /// One more part of the query.
    fn count_part(&mut self) -> Result<(), ParseError> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(self.error(format!(
                "a query has at most {PARTS_MAX} conditions and values; use regular expressions such as =~\"a|b\""
            )));
        }
        Ok(())
    }

    /// What `inner` reads, one level deeper.
    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("parentheses nest at most {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let read = inner(self);
        self.depth -= 1;
        read
    }

    /// Whether a pipeline can begin here.
    fn starts_pipeline(&self) -> bool {
        let begins_stage = ["by", "select"].iter().any(|word| self.is_call(word));
        self.rest().starts_with(['{', '(']) || self.starts_scalar() || begins_stage
    }

    /// Stages up to what is no stage.
    pub(crate) fn pipeline(&mut self) -> Result<Pipeline, ParseError> {
        let first = self.stage()?;
        self.more_stages(vec![first])
    }

    /// The same, after the first ones.
    fn more_stages(&mut self, mut stages: Vec<Stage>) -> Result<Pipeline, ParseError> {
        while self.rest().starts_with('|') && !self.rest().starts_with("||") {
            let before = self.at;
            self.eat("|");
            if self.is_metrics() {
                self.at = before;
                break;
            }
            if stages.len() == STAGES_MAX {
                return Err(self.error(format!("a pipeline has at most {STAGES_MAX} stages")));
            }
            stages.push(self.stage()?);
        }
        Ok(Pipeline { stages })
    }

    fn stage(&mut self) -> Result<Stage, ParseError> {
        if self.is_call("by") {
            self.eat_word("by");
            let fields = self.fields("by")?;
            let mut fields = fields.into_iter();
            return match (fields.next(), fields.next()) {
                (Some(field), None) => Ok(Stage::By(field)),
                _ => Err(self.error("by(...) takes one field here; group twice for two")),
            };
        }
        if self.is_call("select") {
            self.eat_word("select");
            return self.fields("select").map(Stage::Select);
        }
        if self.is_call("coalesce") {
            self.eat_word("coalesce");
            self.expect("(", "after coalesce")?;
            self.expect(")", "since coalesce takes nothing")?;
            return Ok(Stage::Coalesce);
        }
        if self.starts_scalar() {
            return self.scalar_stage();
        }
        if self.rest().starts_with(['{', '(']) {
            return self.spansets().map(Stage::Spansets);
        }
        Err(self.error(
            "expected { conditions }, count(), avg(field), min, max, sum, by(field), select(field), coalesce() or a metrics function such as rate()",
        ))
    }

    /// What `with(...)` says, where it stands here.
    fn hints(&mut self) -> Result<Vec<(String, Static)>, ParseError> {
        let mut hints = Vec::new();
        if !self.eat_word("with") {
            return Ok(hints);
        }
        self.expect("(", "after with")?;
        loop {
            let name = self.word();
            if name.is_empty() || hints.len() == FIELDS_MAX {
                return Err(self.error("expected a hint such as most_recent=true"));
            }
            self.eat(name);
            self.expect("=", "after the hint's name")?;
            let at = self.at;
            let value = self.literal()?;
            let value = value.ok_or_else(|| self.error_at(at, "expected the hint's value"))?;
            hints.push((name.to_owned(), value));
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")", "after the hints")?;
        Ok(hints)
    }
}
