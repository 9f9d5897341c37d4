//! The stages of a pipeline.

use super::{Parser, Token};
use crate::ast::{
    Extraction, LabelFormat, LabelFormatValue, LabelSelector, LogExpr, Stage, Unwrap,
};
use crate::format::words;
use sonde_lex::ParseError;

const STAGES: &str = "json, logfmt, regexp, pattern, unpack, decolorize, line_format, label_format, drop, keep, distinct";

impl Parser<'_> {
    pub(super) fn is_stage(&self) -> bool {
        self.is_sign("|") || self.line_op().is_some()
    }

    /// `{…} stage…`
    pub(super) fn log_expr(&mut self) -> Result<LogExpr, ParseError> {
        Ok(LogExpr {
            matchers: self.selector()?,
            stages: self.log_stages()?,
        })
    }

    /// The stages of a query for lines.
    pub(super) fn log_stages(&mut self) -> Result<Vec<Stage>, ParseError> {
        let mut stages = Vec::new();
        match self.stages(&mut stages)? {
            None => Ok(stages),
            Some((_, at)) => Err(self.error_at(
                at,
                "unwrap makes numbers; write it inside of a function, such as sum_over_time({…} | unwrap bytes [5m])",
            )),
        }
    }

    /// Stages while there are any; `unwrap` ends them. Where it stands is told too.
    pub(super) fn stages(
        &mut self,
        stages: &mut Vec<Stage>,
    ) -> Result<Option<(Unwrap, usize)>, ParseError> {
        while self.is_stage() {
            self.check_count(stages.len(), "stages")?;
            let from = self.next;
            if let Some(op) = self.line_op() {
                let stage = Stage::Line(self.line_filter(op)?);
                stages.push(self.compiled(stage, from)?);
                continue;
            }
            self.next += 1;
            let at = self.at();
            if self.is_word("unwrap") && !self.is_label_filter() {
                self.next += 1;
                return Ok(Some((self.unwrap()?, at)));
            }
            let stage = self.piped()?;
            stages.push(self.compiled(stage, from)?);
        }
        Ok(None)
    }

    /// Whether what stands behind a `|` is a label filter: a parenthesis, or a name and a
    /// comparison. `| json != "a"` is a parser and a line filter, as it is in Loki.
    pub(super) fn is_label_filter(&self) -> bool {
        let Token::Word(word) = self.peek() else {
            return self.is_sign("(");
        };
        match self.peek_at(1) {
            Token::Sign("!=" | "!~") => !words::is_bare_stage(word),
            Token::Sign("=" | "==" | "=~" | ">" | ">=" | "<" | "<=") => true,
            _ => false,
        }
    }

    /// A stage behind its `|`.
    fn piped(&mut self) -> Result<Stage, ParseError> {
        if self.is_label_filter() {
            return Ok(Stage::Label(self.label_filters()?));
        }
        let at = self.at();
        let Token::Word(word) = self.peek() else {
            return Err(match self.peek() {
                Token::Text(_) => self.error("expected a stage behind |, found a text in quotes; a line filter is written |= \"text\""),
                _ => self.unexpected("a stage behind |, such as json or level=\"error\""),
            });
        };
        let word = *word;
        self.next += 1;
        match word.to_ascii_lowercase().as_str() {
            "json" => Ok(Stage::Json(self.extractions("json")?)),
            "logfmt" => self.logfmt(),
            "regexp" => {
                let what =
                    "a regular expression in quotes with named groups, such as \"(?P<ip>\\\\S+)\"";
                let at = self.at();
                let text = self.quoted(what)?;
                self.check_pattern(at, &text)?;
                Ok(Stage::Regexp(text))
            }
            "pattern" => {
                let what = "a pattern in quotes, such as \"<ip> - <_>\"";
                Ok(Stage::Pattern(self.quoted(what)?))
            }
            "unpack" => Ok(Stage::Unpack),
            "decolorize" => Ok(Stage::Decolorize),
            "line_format" => {
                let what = "a template in quotes, such as \"{{.level}}\"";
                Ok(Stage::LineFormat(self.quoted(what)?))
            }
            "label_format" => Ok(Stage::LabelFormat(self.label_formats()?)),
            "drop" => Ok(Stage::Drop(self.label_selectors("drop")?)),
            "keep" => Ok(Stage::Keep(self.label_selectors("keep")?)),
            "distinct" => Ok(Stage::Distinct(self.names_of("distinct")?)),
            _ => {
                let shown = Token::Word(word);
                Err(self.error_at(
                    at,
                    format!(
                        "unknown stage {shown}; stages are {STAGES} and label filters such as level=\"error\""
                    ),
                ))
            }
        }
    }

    fn logfmt(&mut self) -> Result<Stage, ParseError> {
        let (mut strict, mut keep_empty) = (false, false);
        while let Token::Flag(flag) = self.peek() {
            match *flag {
                "--strict" => strict = true,
                "--keep-empty" => keep_empty = true,
                _ => {
                    let message = format!(
                        "unknown option {}; logfmt has --strict and --keep-empty",
                        self.peek()
                    );
                    return Err(self.error(message));
                }
            }
            self.next += 1;
        }
        Ok(Stage::Logfmt {
            strict,
            keep_empty,
            extractions: self.extractions("logfmt")?,
        })
    }

    /// `label, label="path", …`, or nothing.
    fn extractions(&mut self, stage: &str) -> Result<Vec<Extraction>, ParseError> {
        let mut extractions = Vec::new();
        if !matches!(self.peek(), Token::Word(_)) {
            return match self.peek() {
                Token::Text(_) => Err(self.error(format!(
                    "{stage} takes labels, found a text; write | {stage} label=\"path\""
                ))),
                Token::Flag(_) => Err(self.error(format!(
                    "{stage} has no options; write | logfmt --strict for those of logfmt"
                ))),
                _ => Ok(extractions),
            };
        }
        loop {
            self.check_count(extractions.len(), "labels")?;
            let label = self.name("a label's name behind \",\"")?;
            let path = if self.take_sign("=") {
                self.quoted("a key or a path in quotes, such as \"request.id\"")?
            } else {
                label.clone()
            };
            extractions.push(Extraction { label, path });
            if !self.take_sign(",") {
                return Ok(extractions);
            }
        }
    }

    fn label_formats(&mut self) -> Result<Vec<LabelFormat>, ParseError> {
        let mut formats: Vec<LabelFormat> = Vec::new();
        loop {
            self.check_count(formats.len(), "labels")?;
            let at = self.at();
            let name = self.name("a label's name, as in label_format level=severity")?;
            if name == "__error__" || name == "__error_details__" {
                return Err(self.error_at(
                    at,
                    format!("{name} is set by the stages; give the label another name"),
                ));
            }
            if formats.iter().any(|format| format.name == name) {
                return Err(self.error_at(
                    at,
                    format!(
                        "label {name:?} is set twice; write a second label_format for the second time"
                    ),
                ));
            }
            self.expect_sign("=", "behind the label that is set")?;
            let value = match self.peek() {
                Token::Text(_) => LabelFormatValue::Template(self.quoted("a template")?),
                _ => LabelFormatValue::Rename(
                    self.name("another label's name, or a template in quotes")?,
                ),
            };
            formats.push(LabelFormat { name, value });
            if !self.take_sign(",") {
                return Ok(formats);
            }
        }
    }

    fn label_selectors(&mut self, stage: &str) -> Result<Vec<LabelSelector>, ParseError> {
        let mut selectors = Vec::new();
        loop {
            self.check_count(selectors.len(), "labels")?;
            let name = self.name(&format!("a label's name, as in {stage} trace_id"))?;
            selectors.push(match self.match_op() {
                Some(op) => LabelSelector::Matching(self.matcher(&name, op)?),
                None => LabelSelector::Name(name),
            });
            if !self.take_sign(",") {
                return Ok(selectors);
            }
        }
    }

    /// `name, …` behind the word of a stage.
    fn names_of(&mut self, stage: &str) -> Result<Vec<String>, ParseError> {
        let mut names = Vec::new();
        loop {
            self.check_count(names.len(), "labels")?;
            names.push(self.name(&format!("a label's name, as in {stage} trace_id"))?);
            if !self.take_sign(",") {
                return Ok(names);
            }
        }
    }
}
