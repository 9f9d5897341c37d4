//! Flags, width, precision and argument indexes of a `printf` directive.

use super::out::Out;
use crate::value::Value;

/// Go's own bound on widths and precisions.
const WIDTH_MAX: i64 = 1_000_000;

/// What stands between `%` and the verb.
#[derive(Clone, Debug, Default)]
pub(super) struct Spec {
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%#v`: as it would stand in a program.
    pub(super) program: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Spec {
    /// Adds `text`, padded to the width.
    pub(super) fn pad(&self, out: &mut Out, text: &str) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        let fill = if self.zero && !self.minus { '0' } else { ' ' };
        if self.minus {
            out.push_str(text);
        }
        out.fill(fill, missing);
        if !self.minus {
            out.push_str(text);
        }
    }

    /// Adds a number: zeros come between the sign and the digits.
    pub(super) fn pad_number(&self, out: &mut Out, text: &str) {
        if !self.zero || self.minus {
            let spec = Self {
                zero: false,
                ..self.clone()
            };
            return spec.pad(out, text);
        }
        let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        out.push_str(sign);
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        out.fill('0', missing);
        out.push_str(digits);
    }
}

/// The arguments of a format, taken in order or by `[n]`.
pub(super) struct Args<'a> {
    values: &'a [Value],
    at: usize,
    reordered: bool,
    pub(super) bad_index: bool,
}

impl<'a> Args<'a> {
    pub(super) fn new(values: &'a [Value]) -> Self {
        Self {
            values,
            at: 0,
            reordered: false,
            bad_index: false,
        }
    }

    pub(super) fn next(&mut self) -> Option<&'a Value> {
        let value = self.values.get(self.at);
        self.at += usize::from(value.is_some());
        value
    }

    /// `[n]` at the start of `rest`: the next argument is number `n`.
    fn index<'t>(&mut self, rest: &'t str) -> &'t str {
        let Some(inner) = rest.strip_prefix('[') else {
            return rest;
        };
        self.reordered = true;
        let Some((number, after)) = inner.split_once(']') else {
            self.bad_index = true;
            return inner;
        };
        match number.parse::<usize>() {
            Ok(n) if (1..=self.values.len()).contains(&n) => self.at = n - 1,
            _ => self.bad_index = true,
        }
        after
    }

    /// Says which arguments nothing asked for.
    pub(super) fn report_extra(&self, out: &mut Out) {
        if self.reordered || self.at >= self.values.len() {
            return;
        }
        out.push_str("%!(EXTRA ");
        for (at, value) in self.values[self.at..].iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            match value {
                Value::Nil => out.push_str("<nil>"),
                value => {
                    out.push_str(value.type_name());
                    out.push('=');
                    super::verb::value(out, value, 'v', &Spec::default());
                }
            }
        }
        out.push(')');
    }
}

/// Reads a directive after its `%`: what it asks, its verb, and the text after it.
pub(super) fn read<'t>(
    text: &'t str,
    args: &mut Args<'_>,
    out: &mut Out,
) -> (Spec, Option<char>, &'t str) {
    let mut spec = Spec::default();
    args.bad_index = false;
    let mut rest = flags(text, &mut spec);
    rest = args.index(rest);
    let (width, after) = amount(rest, args);
    rest = after;
    match width {
        Amount::None => {}
        Amount::Bad => out.push_str("%!(BADWIDTH)"),
        Amount::Given(number) => {
            spec.minus |= number < 0;
            spec.width = usize::try_from(number.unsigned_abs()).ok();
        }
    }
    // A point at the end is a verb.
    if let Some(after) = rest.strip_prefix('.').filter(|after| !after.is_empty()) {
        let (precision, after) = amount(args.index(after), args);
        rest = after;
        match precision {
            Amount::None => spec.precision = Some(0),
            Amount::Bad => out.push_str("%!(BADPREC)"),
            Amount::Given(number) => {
                spec.precision = usize::try_from(number).ok();
                if spec.precision.is_none() {
                    out.push_str("%!(BADPREC)");
                }
            }
        }
    }
    rest = args.index(rest);
    let mut chars = rest.chars();
    let verb = chars.next();
    if verb == Some('v') {
        spec.program = std::mem::take(&mut spec.sharp);
        spec.plus = false;
    }
    (spec, verb, chars.as_str())
}

fn flags<'t>(text: &'t str, spec: &mut Spec) -> &'t str {
    for (at, c) in text.char_indices() {
        match c {
            '#' => spec.sharp = true,
            '0' => spec.zero = true,
            '+' => spec.plus = true,
            '-' => spec.minus = true,
            ' ' => spec.space = true,
            _ => return &text[at..],
        }
    }
    ""
}

enum Amount {
    None,
    Bad,
    Given(i64),
}

/// A number, or `*` for one from the arguments.
fn amount<'t>(text: &'t str, args: &mut Args<'_>) -> (Amount, &'t str) {
    if let Some(after) = text.strip_prefix('*') {
        return match args.next() {
            Some(Value::Int(number)) if number.abs() <= WIDTH_MAX => {
                (Amount::Given(*number), after)
            }
            _ => (Amount::Bad, after),
        };
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, after) = text.split_at(digits);
    match number.parse::<i64>() {
        Ok(number) if number <= WIDTH_MAX => (Amount::Given(number), after),
        Err(_) if number.is_empty() => (Amount::None, after),
        Ok(_) | Err(_) => (Amount::Bad, after),
    }
}
