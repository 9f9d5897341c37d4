//! The two text formats, line by line.
//!
//! ```text
//! # HELP name text        # TYPE name kind        # UNIT name unit (OpenMetrics)
//! name{label="value",…} value [time] [st@start] [# {label="value",…} value [time]]…
//! # EOF                                              (OpenMetrics, the last line)
//! ```
//!
//! As Prometheus reads them: in the text format blanks may stand anywhere between words and
//! other comments are passed over; OpenMetrics wants one space, no other comments, no empty
//! lines and the end said.

use super::Out;
use super::announce::Announcer;
use super::created::Created;
use super::cursor::{Cursor, Fault, unescape_help};
use super::series::{self, Rules};
use crate::bounds::Options;
use crate::error::{Halt, Malformed, Place};
use crate::family::{Exemplar, Kind, Label, Sample};
use crate::number;
use memchr::memchr;
use sonde_proto::SampleValue;
use std::borrow::Cow;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

pub(super) fn read(
    body: &[u8],
    dialect: Dialect,
    options: Options,
    out: Out<'_>,
) -> Result<(), Halt> {
    let mut reader = Reader {
        dialect,
        options,
        rules: Rules {
            loose: dialect == Dialect::Prometheus,
            bounds: options.bounds,
        },
        out,
        families: Announcer::default(),
        created: Created::new(body),
        created_is_known: false,
        labels: Vec::new(),
        exemplars: Vec::new(),
        has_ended: false,
    };
    let (mut at, mut number) = (0, 0);
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        number += 1;
        let len = memchr(b'\n', rest);
        let is_whole = len.is_some();
        let line = &rest[..len.unwrap_or(rest.len())];
        let done = reader.line(line, at, is_whole, number);
        done.map_err(|wrong| wrong.placed(line, number))?;
        at += line.len() + 1;
    }
    reader.finish(number)
}

/// Why a line ends the reading.
enum Wrong {
    Line(Fault),
    Halt(Halt),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Line(fault)
    }
}

impl From<Halt> for Wrong {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Wrong {
    #[cold]
    fn placed(self, line: &[u8], number: usize) -> Halt {
        match self {
            Self::Halt(halt) => halt,
            Self::Line(fault) => {
                let before = &line[..fault.at.min(line.len())];
                let column = String::from_utf8_lossy(before).chars().count() + 1;
                Halt::Malformed(Malformed {
                    place: Place::Line {
                        line: number,
                        column,
                    },
                    message: fault.message,
                })
            }
        }
    }
}

struct Reader<'a, 's> {
    dialect: Dialect,
    options: Options,
    rules: Rules,
    out: Out<'s>,
    families: Announcer<'a>,
    created: Created<'a>,
    /// Whether the declared family was searched for starts.
    created_is_known: bool,
    labels: Vec<Label<'a>>,
    /// Kept to be filled again; those of a sample are the first ones.
    exemplars: Vec<Exemplar<'a>>,
    /// Whether `# EOF` was read.
    has_ended: bool,
}

impl<'a> Reader<'a, '_> {
    #[inline]
    fn line(
        &mut self,
        line: &'a [u8],
        offset: usize,
        is_whole: bool,
        number: usize,
    ) -> Result<(), Wrong> {
        let max = self.options.bounds.line_bytes;
        if line.len() > max {
            let message = format!(
                "the line has {} bytes and at most {max} are read",
                line.len()
            );
            return Err(Wrong::Line(Fault { at: 0, message }));
        }
        let line = std::str::from_utf8(line).map_err(|error| Fault {
            at: error.valid_up_to(),
            message: "the text is not UTF-8 here".to_owned(),
        })?;
        let mut cursor = Cursor::new(line);
        if self.dialect == Dialect::OpenMetrics {
            if self.has_ended {
                return Err(cursor.fault("nothing may follow '# EOF'").into());
            }
            if line == "# EOF" {
                self.has_ended = true;
                return Ok(());
            }
            if !is_whole {
                return Err(cursor.fault(CUT).into());
            }
        } else {
            cursor.blanks();
            if cursor.is_at_end() {
                return Ok(());
            }
        }
        if cursor.peek() == Some(b'#') {
            self.comment(cursor)
        } else {
            self.sample(cursor, offset, number)
        }
    }

    fn finish(mut self, lines: usize) -> Result<(), Halt> {
        self.families.finish(&mut self.out)?;
        if self.dialect == Dialect::OpenMetrics && !self.has_ended {
            let place = Place::Line {
                line: lines + 1,
                column: 1,
            };
            let message = CUT.to_owned();
            return Err(Halt::Malformed(Malformed { place, message }));
        }
        Ok(())
    }

    fn comment(&mut self, mut cursor: Cursor<'a>) -> Result<(), Wrong> {
        cursor.take(b'#');
        let gap = self.rules.gap(&mut cursor);
        let at_word = cursor;
        let word = cursor.token();
        let units = self.dialect == Dialect::OpenMetrics;
        let known = matches!(word, "HELP" | "TYPE") || (units && word == "UNIT");
        let known = known && gap && self.rules.gap(&mut cursor);
        match self.dialect {
            Dialect::Prometheus if !known => return Ok(()),
            Dialect::OpenMetrics if !known => {
                return Err(at_word.expected("HELP, TYPE, UNIT or EOF").into());
            }
            _ => {}
        }
        let at_name = cursor;
        let name = match cursor.peek() {
            Some(b'"') => cursor.quoted(self.options.bounds.label_bytes)?,
            _ => Cow::Borrowed(cursor.metric_name()),
        };
        if name.is_empty() {
            return Err(at_name.expected("the name of a metric").into());
        }
        if !cursor.is_at_end() && !matches!(cursor.peek(), Some(b' ' | b'\t')) {
            return Err(cursor.expected("a space after the name").into());
        }
        cursor.take(b' ');
        self.describe(word, name, cursor)
    }

    fn describe(
        &mut self,
        word: &str,
        name: Cow<'a, str>,
        cursor: Cursor<'a>,
    ) -> Result<(), Wrong> {
        let is_new = self.families.declared().is_none_or(|old| old.name != name);
        if is_new {
            self.created.clear();
        }
        self.created_is_known = false;
        let family = self.families.describe(name, &mut self.out)?;
        let text = cursor.rest();
        match word {
            "HELP" => family.help = unescape_help(text, self.dialect == Dialect::OpenMetrics),
            "UNIT" => {
                let stem = family.name.strip_suffix(text);
                if !text.is_empty() && stem.is_none_or(|stem| !stem.ends_with('_')) {
                    let message =
                        format!("the name must end with the unit: {}_{text}", family.name);
                    return Err(cursor.fault(message).into());
                }
                family.unit = Cow::Borrowed(text);
            }
            _ => family.kind = kind(self.dialect, text, &cursor)?,
        }
        Ok(())
    }

    #[inline]
    fn sample(
        &mut self,
        mut cursor: Cursor<'a>,
        offset: usize,
        number: usize,
    ) -> Result<(), Wrong> {
        let name = series::read(&mut cursor, self.rules, &mut self.labels)?;
        if !self.rules.gap(&mut cursor) {
            // In the text format a value may follow a brace at once.
            let after_brace = self.rules.loose && cursor.follows(b'}');
            if !after_brace || cursor.is_at_end() {
                return Err(cursor.expected("a space and the value").into());
            }
        }
        let value = value(&mut cursor)?;
        let (time, own_start, exemplars) = self.after_value(&mut cursor)?;
        let family = self.families.family_of(&name, &mut self.out)?;
        let mut start = own_start;
        if let Some(family) = family {
            if let Some(bound) = family.kind.bound_label() {
                normalise(&mut self.labels, bound);
            }
            if self.dialect == Dialect::OpenMetrics {
                if !self.created_is_known {
                    self.created.look(offset, family, self.rules);
                    self.created_is_known = true;
                }
                if family.created_name_is(&name) {
                    if !self.options.created_as_samples {
                        return Ok(());
                    }
                } else {
                    start = start.or_else(|| self.created.of(&self.labels, family));
                }
            }
        }
        let sample = Sample {
            name: &name,
            labels: &self.labels,
            time,
            start,
            value: SampleValue::Float(value),
            exemplars: &self.exemplars[..exemplars],
        };
        let place = || Place::Line {
            line: number,
            column: 1,
        };
        Ok(self.out.sample(&sample, place)?)
    }

    /// Reads what may follow the value: time, start, and how many exemplars there are.
    #[inline]
    fn after_value(
        &mut self,
        cursor: &mut Cursor<'a>,
    ) -> Result<(Option<i64>, Option<i64>, usize), Wrong> {
        if cursor.is_at_end() {
            return Ok((None, None, 0));
        }
        if self.dialect == Dialect::Prometheus {
            cursor.blanks();
            if cursor.is_at_end() {
                return Ok((None, None, 0));
            }
            let start = *cursor;
            let token = cursor.token();
            let time = token.parse().map_err(|_| {
                start.fault(format!(
                    "the time must be whole milliseconds since 1970, not {:?}",
                    shown(token)
                ))
            })?;
            cursor.blanks();
            if !cursor.is_at_end() {
                return Err(cursor.expected("the end of the line").into());
            }
            return Ok((Some(time), None, 0));
        }
        self.after_value_strict(cursor)
    }

    fn after_value_strict(
        &mut self,
        cursor: &mut Cursor<'a>,
    ) -> Result<(Option<i64>, Option<i64>, usize), Wrong> {
        let (mut time, mut start, mut exemplars) = (None, None, 0);
        while !cursor.is_at_end() {
            if !cursor.take(b' ') {
                return Err(cursor.expected("a space").into());
            }
            if cursor.take_word("# {") {
                self.exemplar(cursor, exemplars)?;
                exemplars += 1;
            } else if exemplars > 0 {
                return Err(cursor.expected("'# {'").into());
            } else if cursor.take_word("st@") && start.is_none() {
                start = Some(seconds(cursor)?);
            } else if time.is_none() && start.is_none() {
                time = Some(seconds(cursor)?);
            } else {
                return Err(cursor.expected("the end of the line").into());
            }
        }
        Ok((time, start, exemplars))
    }

    /// Reads an exemplar from after its brace on.
    fn exemplar(&mut self, cursor: &mut Cursor<'a>, at: usize) -> Result<(), Wrong> {
        if at == self.options.bounds.exemplars {
            return Err(cursor
                .fault(format!("there are more than {at} exemplars"))
                .into());
        }
        if at == self.exemplars.len() {
            self.exemplars.push(Exemplar::default());
        }
        let exemplar = &mut self.exemplars[at];
        series::exemplar_labels(cursor, self.rules, &mut exemplar.labels)?;
        if !cursor.take(b' ') {
            return Err(cursor
                .expected("a space and the value of the exemplar")
                .into());
        }
        exemplar.value = value(cursor)?;
        exemplar.time = None;
        let before = *cursor;
        if cursor.take(b' ') {
            if cursor.peek() == Some(b'#') {
                *cursor = before;
            } else {
                exemplar.time = Some(seconds(cursor)?);
            }
        }
        Ok(())
    }
}

const CUT: &str = "the body is cut: its last line must be '# EOF'";

fn kind(dialect: Dialect, text: &str, cursor: &Cursor<'_>) -> Result<Kind, Fault> {
    let plain = dialect == Dialect::Prometheus;
    let word = if plain {
        text.trim_matches([' ', '\t'])
    } else {
        text
    };
    Ok(match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        "untyped" if plain => Kind::Unknown,
        "unknown" if !plain => Kind::Unknown,
        "gaugehistogram" if !plain => Kind::GaugeHistogram,
        "info" if !plain => Kind::Info,
        "stateset" if !plain => Kind::StateSet,
        _ => {
            let known = if plain {
                "counter, gauge, histogram, summary or untyped"
            } else {
                "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown"
            };
            let message = format!("{:?} is no type of metric: write {known}", shown(word));
            return Err(cursor.fault(message));
        }
    })
}

#[inline]
fn value(cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
    let start = *cursor;
    let token = cursor.token();
    number::read(token).ok_or_else(|| {
        if token.is_empty() {
            start.expected("the value")
        } else {
            start.fault(format!("the value {:?} is not a number", shown(token)))
        }
    })
}

fn seconds(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    let start = *cursor;
    let token = cursor.token();
    number::read_seconds(token).ok_or_else(|| {
        start.fault(format!(
            "the time must be seconds since 1970, not {:?}",
            shown(token)
        ))
    })
}

/// Writes the bound of a bucket or quantile as OpenMetrics does.
fn normalise(labels: &mut [Label<'_>], bound: &str) {
    let Some(label) = labels.iter_mut().find(|label| label.name == bound) else {
        return;
    };
    match &label.value {
        Cow::Borrowed(text) => label.value = number::bound(text),
        Cow::Owned(text) => {
            if let Cow::Owned(written) = number::bound(text) {
                label.value = Cow::Owned(written);
            }
        }
    }
}

/// The start of a word, for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
