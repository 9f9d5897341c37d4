//! Stages on one line.

use super::labels::whole;
use super::{joined, matcher};
use crate::ast::{
    Extraction, LabelFormat, LabelFormatValue, LabelSelector, LineFilter, LineOp, LineText, Stage,
    Unwrap,
};
use sonde_lex::quoted;
use std::fmt::{Display, Formatter, Result};

/// What parts a stage from the one before it.
///
/// `| drop a != "b"` drops the label `a` where it is not `b`; so where a line filter is meant,
/// one that every line satisfies stands between.
pub(super) fn separator(before: Option<&Stage>, stage: &Stage) -> &'static str {
    let is_open = match before {
        Some(Stage::Drop(selectors) | Stage::Keep(selectors)) => {
            matches!(selectors.last(), Some(LabelSelector::Name(_)))
        }
        _ => false,
    };
    match stage {
        Stage::Line(filter)
            if is_open && matches!(filter.op, LineOp::NotContains | LineOp::NotMatches) =>
        {
            " |= \"\" "
        }
        _ => " ",
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Line(filter) => filter.fmt(f),
            Self::Json(extractions) => {
                f.write_str("| json")?;
                extracted(f, extractions)
            }
            Self::Logfmt {
                strict,
                keep_empty,
                extractions,
            } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                extracted(f, extractions)
            }
            Self::Regexp(regex) => write!(f, "| regexp {}", quoted(regex)),
            Self::Pattern(pattern) => write!(f, "| pattern {}", quoted(pattern)),
            Self::Unpack => f.write_str("| unpack"),
            Self::Decolorize => f.write_str("| decolorize"),
            Self::Label(filter) => {
                f.write_str("| ")?;
                whole(f, filter)
            }
            Self::LineFormat(template) => write!(f, "| line_format {}", quoted(template)),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                joined(f, formats, |f, format| format.fmt(f))
            }
            Self::Drop(selectors) => {
                f.write_str("| drop ")?;
                joined(f, selectors, |f, selector| selector.fmt(f))
            }
            Self::Keep(selectors) => {
                f.write_str("| keep ")?;
                joined(f, selectors, |f, selector| selector.fmt(f))
            }
            Self::Distinct(names) => write!(f, "| distinct {}", names.join(", ")),
        }
    }
}

fn extracted(f: &mut Formatter<'_>, extractions: &[Extraction]) -> Result {
    f.write_str(if extractions.is_empty() { "" } else { " " })?;
    joined(f, extractions, |f, one| one.fmt(f))
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { label, path } = self;
        f.write_str(label)?;
        if label == path {
            return Ok(());
        }
        write!(f, "={}", quoted(path))
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.op.as_str())?;
        for (at, alternative) in self.alternatives.iter().enumerate() {
            let or = if at == 0 { "" } else { " or" };
            write!(f, "{or} {alternative}")?;
        }
        Ok(())
    }
}

impl Display for LineText {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let text = quoted(&self.text);
        if self.is_ip {
            write!(f, "ip({text})")
        } else {
            f.write_str(&text)
        }
    }
}

impl Display for LabelFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            LabelFormatValue::Rename(from) => write!(f, "{}={from}", self.name),
            LabelFormatValue::Template(template) => {
                write!(f, "{}={}", self.name, quoted(template))
            }
        }
    }
}

impl Display for LabelSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Matching(one) => matcher(f, one),
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        unwrap_only(f, self)?;
        self.filters.iter().try_for_each(|filter| {
            f.write_str(" | ")?;
            whole(f, filter)
        })
    }
}

/// `| unwrap label` without the filters behind it.
pub(super) fn unwrap_only(f: &mut Formatter<'_>, unwrap: &Unwrap) -> Result {
    match unwrap.conversion.as_str() {
        "" => write!(f, "| unwrap {}", unwrap.label),
        conversion => write!(f, "| unwrap {conversion}({})", unwrap.label),
    }
}
