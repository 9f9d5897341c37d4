//! Queries as text, in the many ways one can write the same.

use rand::Rng;
use sonde_logql::ast::{
    CompareOp, Comparison, Extraction, LabelFilter, LabelFormatValue, LabelSelector, LineFilter,
    LineOp, LogExpr, Stage,
};
use sonde_proto::Matcher;

mod metric;

pub use metric::metric;

/// A query for lines.
pub fn log(rng: &mut impl Rng, expr: &LogExpr) -> String {
    format!(
        "{}{}",
        selector(rng, &expr.matchers),
        stages(rng, &expr.stages)
    )
}

/// A text in quotes or in backquotes.
fn quoted(rng: &mut impl Rng, text: &str) -> String {
    let is_plain = !text.contains(|c: char| c == '`' || c.is_control());
    if is_plain && rng.random_bool(0.5) {
        return format!("`{text}`");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A blank, or more, or none where that is the same.
fn gap(rng: &mut impl Rng) -> &'static str {
    ["", " ", " ", "  ", "\n"][rng.random_range(0..5)]
}

fn matcher(rng: &mut impl Rng, matcher: &Matcher) -> String {
    let value = quoted(rng, &matcher.value);
    let (before, after) = (gap(rng), gap(rng));
    format!(
        "{}{before}{}{after}{value}",
        matcher.name,
        matcher.op.as_str()
    )
}

fn selector(rng: &mut impl Rng, matchers: &[Matcher]) -> String {
    let matchers: Vec<String> = matchers.iter().map(|m| matcher(rng, m)).collect();
    let gap = gap(rng);
    format!("{{{gap}{}}}", matchers.join(", "))
}

fn stages(rng: &mut impl Rng, stages: &[Stage]) -> String {
    let mut out = String::new();
    for one in stages {
        out.push_str(if rng.random_bool(0.1) { "\n  " } else { " " });
        out.push_str(&stage(rng, one));
    }
    out
}

fn stage(rng: &mut impl Rng, stage: &Stage) -> String {
    match stage {
        Stage::Line(filter) => line_filter(rng, filter),
        Stage::Json(e) => format!("| json{}", extractions(rng, e)),
        Stage::Logfmt {
            strict,
            keep_empty,
            extractions: e,
        } => {
            let strict = if *strict { " --strict" } else { "" };
            let keep = if *keep_empty { " --keep-empty" } else { "" };
            let flags = if rng.random() {
                format!("{strict}{keep}")
            } else {
                format!("{keep}{strict}")
            };
            format!("| logfmt{flags}{}", extractions(rng, e))
        }
        Stage::Regexp(pattern) => format!("| regexp {}", quoted(rng, pattern)),
        Stage::Pattern(pattern) => format!("| pattern {}", quoted(rng, pattern)),
        Stage::Unpack => "| unpack".into(),
        Stage::Decolorize => "| decolorize".into(),
        Stage::Label(filter) => format!("|{}{}", gap(rng), label_filter(rng, filter, true)),
        Stage::LineFormat(template) => format!("| line_format {}", quoted(rng, template)),
        Stage::LabelFormat(formats) => {
            let mut parts = Vec::new();
            for format in formats {
                parts.push(match &format.value {
                    LabelFormatValue::Rename(from) => format!("{}={from}", format.name),
                    LabelFormatValue::Template(t) => format!("{}={}", format.name, quoted(rng, t)),
                });
            }
            format!("| label_format {}", parts.join(", "))
        }
        Stage::Drop(selectors) => format!("| drop {}", label_selectors(rng, selectors)),
        Stage::Keep(selectors) => format!("| keep {}", label_selectors(rng, selectors)),
        Stage::Distinct(names) => format!("| distinct {}", names.join(", ")),
    }
}

fn line_filter(rng: &mut impl Rng, filter: &LineFilter) -> String {
    let op = match filter.op {
        LineOp::Contains => "|=",
        LineOp::NotContains => "!=",
        LineOp::Matches => "|~",
        LineOp::NotMatches => "!~",
        LineOp::Pattern => "|>",
        LineOp::NotPattern => "!>",
    };
    let mut texts = Vec::new();
    for text in &filter.alternatives {
        let quoted = quoted(rng, &text.text);
        texts.push(if text.is_ip {
            format!("ip({quoted})")
        } else {
            quoted
        });
    }
    format!("{op}{}{}", gap(rng), texts.join(" or "))
}

fn extractions(rng: &mut impl Rng, extractions: &[Extraction]) -> String {
    let mut parts = Vec::new();
    for extraction in extractions {
        let same = extraction.label == extraction.path && rng.random();
        parts.push(if same {
            extraction.label.clone()
        } else {
            format!("{}={}", extraction.label, quoted(rng, &extraction.path))
        });
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" {}", parts.join(", "))
    }
}

fn label_filter(rng: &mut impl Rng, filter: &LabelFilter, is_outer: bool) -> String {
    let both = |rng: &mut _, left: &LabelFilter, between: &str, right: &LabelFilter| {
        let both = format!(
            "{}{between}{}",
            label_filter(rng, left, false),
            label_filter(rng, right, false)
        );
        if is_outer { both } else { format!("({both})") }
    };
    match filter {
        LabelFilter::And(left, right) => {
            let between = [" and ", ", ", " "][rng.random_range(0..3)];
            both(rng, left, between, right)
        }
        LabelFilter::Or(left, right) => both(rng, left, " or ", right),
        LabelFilter::Text(text) => matcher(rng, text),
        LabelFilter::Number(c) => comparison(rng, c, &c.value.to_string()),
        LabelFilter::Duration(c) => {
            let text = duration(rng, c.value as i64);
            comparison(rng, c, &text)
        }
        LabelFilter::Bytes(c) => {
            let text = bytes(rng, c.value as u64);
            comparison(rng, c, &text)
        }
        LabelFilter::Ip {
            name,
            is_negated,
            range,
        } => {
            let op = if *is_negated { "!=" } else { "=" };
            format!("{name}{op}ip({})", quoted(rng, range))
        }
    }
}

fn comparison(rng: &mut impl Rng, comparison: &Comparison<f64>, value: &str) -> String {
    let op = match comparison.op {
        CompareOp::Equal if rng.random() => "=",
        op => compare_op(op),
    };
    format!("{}{}{op}{}{value}", comparison.name, gap(rng), gap(rng))
}

fn compare_op(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "==",
        CompareOp::NotEqual => "!=",
        CompareOp::Greater => ">",
        CompareOp::GreaterOrEqual => ">=",
        CompareOp::Less => "<",
        CompareOp::LessOrEqual => "<=",
    }
}

fn label_selectors(rng: &mut impl Rng, selectors: &[LabelSelector]) -> String {
    let mut parts = Vec::new();
    for selector in selectors {
        parts.push(match selector {
            LabelSelector::Name(name) => name.clone(),
            LabelSelector::Matching(m) => matcher(rng, m),
        });
    }
    parts.join(", ")
}

/// A duration of whole nanoseconds, in one unit or in several.
fn duration(rng: &mut impl Rng, nanos: i64) -> String {
    const UNITS: [(i64, &str); 4] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
    ];
    if nanos % 1_000_000 != 0 || nanos == 0 {
        return format!("{nanos}ns");
    }
    if rng.random() {
        let fits: Vec<_> = UNITS.iter().filter(|(size, _)| nanos % size == 0).collect();
        let (size, unit) = fits[rng.random_range(0..fits.len())];
        return format!("{}{unit}", nanos / size);
    }
    let mut rest = nanos;
    let mut out = String::new();
    for (size, unit) in UNITS {
        if rest >= size {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    out
}

fn bytes(rng: &mut impl Rng, bytes: u64) -> String {
    if bytes > 0 && bytes.is_multiple_of(1000) && rng.random() {
        return format!(
            "{}{}",
            bytes / 1000,
            ["KB", "kB", "kb"][rng.random_range(0..3)]
        );
    }
    if bytes > 0 && bytes.is_multiple_of(1024) && rng.random() {
        return format!("{}KiB", bytes / 1024);
    }
    format!("{bytes}B")
}
