//! `| logfmt`: pairs `key=value` parted by blanks, values in quotes where they have blanks.
//!
//! A key without a value is left out unless empty ones are kept. A pair that is not
//! well-formed is left out too, or, where the stage is strict, ends the reading with
//! `__error__="LogfmtParserErr"`.

mod pairs;

use super::labels::Mistake;
use super::take::{Taker, push_name, push_value};
use crate::ast::Extraction;
use pairs::{Pairs, Value};

/// Which pairs are taken out of a line, and how.
#[derive(Clone, Debug)]
pub(super) struct Logfmt {
    pub(super) strict: bool,
    pub(super) keep_empty: bool,
    /// All keys where empty.
    pub(super) extractions: Vec<Extraction>,
}

impl Logfmt {
    pub(super) fn run(&self, line: &str, name: &mut String, taker: &mut Taker<'_>) {
        for extraction in &self.extractions {
            taker.begin_asked(&extraction.label);
        }
        let mut pairs = Pairs::new(line);
        while let Some(pair) = pairs.next() {
            match pair {
                Ok((key, value)) => {
                    name.clear();
                    push_name(name, key);
                    let goes_on = if self.extractions.is_empty() {
                        self.take(name, value, taker)
                    } else {
                        self.take_asked(name, key, value, taker);
                        true
                    };
                    if !goes_on {
                        return;
                    }
                }
                Err(bad) if self.strict => {
                    taker.fail(Mistake::Logfmt, &bad.to_string());
                    return;
                }
                Err(_) => {}
            }
        }
    }

    fn take(&self, name: &str, value: Value<'_>, taker: &mut Taker<'_>) -> bool {
        if value.is_empty() && !self.keep_empty {
            return true;
        }
        taker.take(name, |out| write(value, out))
    }

    fn take_asked(&self, name: &str, key: &str, value: Value<'_>, taker: &mut Taker<'_>) {
        for extraction in &self.extractions {
            if extraction.path == name || extraction.path == key {
                taker.take_asked(&extraction.label, |out| write(value, out));
            }
        }
    }
}

fn write(value: Value<'_>, out: &mut String) {
    match value {
        Value::Plain(text) => push_value(out, text),
        Value::Escaped(text) => pairs::push_unescaped(out, text),
    }
}
