//! Integers: `%d %b %o %O %x %X %c %q %U`, and `%v`.

use super::out::Out;
use super::quote;
use super::spec::Spec;

/// Adds a number; false when the verb does not fit integers.
pub(super) fn number(out: &mut Out, number: i64, verb: char, spec: &Spec) -> bool {
    let digits = number.unsigned_abs();
    match verb {
        'v' | 'd' => based(out, number, &digits.to_string(), "", spec),
        'b' => based(
            out,
            number,
            &format!("{digits:b}"),
            if spec.sharp { "0b" } else { "" },
            spec,
        ),
        'o' => based(
            out,
            number,
            &format!("{digits:o}"),
            if spec.sharp { "0" } else { "" },
            spec,
        ),
        'O' if spec.sharp => based(out, number, &format!("{digits:o}"), "0o0", spec),
        'O' => based(out, number, &format!("{digits:o}"), "0o", spec),
        'x' => based(
            out,
            number,
            &format!("{digits:x}"),
            if spec.sharp { "0x" } else { "" },
            spec,
        ),
        'X' => based(
            out,
            number,
            &format!("{digits:X}"),
            if spec.sharp { "0X" } else { "" },
            spec,
        ),
        'c' => spec.pad(out, &character(number).to_string()),
        'q' => spec.pad(out, &quote::character(character(number), spec.plus)),
        'U' => unicode(out, number, spec),
        _ => return false,
    }
    true
}

/// `U+2603`, and with `#` the character as well.
fn unicode(out: &mut Out, number: i64, spec: &Spec) {
    let least = spec.precision.unwrap_or(0).max(4);
    let digits = format!("{number:X}");
    let zeros = "0".repeat(least.saturating_sub(digits.len()));
    let shown = u32::try_from(number)
        .ok()
        .and_then(char::from_u32)
        .filter(|c| spec.sharp && quote::printable(*c));
    let shown = shown.map_or(String::new(), |c| format!(" '{c}'"));
    let spaces = Spec {
        zero: false,
        ..spec.clone()
    };
    spaces.pad(out, &format!("U+{zeros}{digits}{shown}"));
}

fn character(number: i64) -> char {
    u32::try_from(number)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}')
}

fn based(out: &mut Out, number: i64, digits: &str, prefix: &str, spec: &Spec) {
    let sign = match (number < 0, spec.plus, spec.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    if spec.precision == Some(0) && number == 0 {
        let spaces = Spec {
            zero: false,
            ..spec.clone()
        };
        return spaces.pad(out, "");
    }
    // As in Go, zeros asked for by the width come after the prefix, and count it.
    let wanted = match (spec.precision, spec.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero && !spec.minus => width.saturating_sub(sign.len()),
        (None, _) => 0,
    };
    let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
    // A zero that is there already says octal.
    let prefix = match prefix {
        "0" if zeros.starts_with('0') || digits == "0" => "",
        "0o0" if zeros.starts_with('0') || digits == "0" => "0o",
        prefix => prefix,
    };
    let spaces = Spec {
        zero: false,
        ..spec.clone()
    };
    spaces.pad(out, &format!("{sign}{prefix}{zeros}{digits}"));
}
