//! Numbers and words for people.

/// The prefixes of units below one second.
const PREFIXES: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// A span in seconds: `1d 2h 3m 4s`, `12.5ms`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return general(seconds);
    }
    if seconds == 0.0 {
        return "0s".into();
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let mut value = seconds.abs();
    if value >= 60.0 {
        return format!("{sign}{}", whole(value));
    }
    let mut prefix = "";
    for smaller in PREFIXES {
        if value >= 1.0 {
            break;
        }
        prefix = smaller;
        value *= 1000.0;
    }
    format!("{sign}{}{prefix}s", general(value))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and what is beyond u64 is its maximum"
)]
fn whole(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {rest}s"),
        (0, _) => format!("{hours}h {minutes}m {rest}s"),
        (_, _) => format!("{days}d {hours}h {minutes}m {rest}s"),
    }
}

/// Four significant digits, as C's `%.4g` writes them.
fn general(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{value:.3e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..4).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        return without_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs())
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Every word with one capital letter, its first.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let continues = chars.peek().is_some_and(|next| next.is_alphanumeric());
        let joins = matches!(c, '\'' | '\u{2019}' | '.' | ':') && in_word && continues;
        if c.is_numeric() {
            out.push(c);
        } else if c.is_alphabetic() {
            if in_word {
                out.extend(c.to_lowercase());
            } else {
                out.extend(c.to_uppercase());
            }
            in_word = true;
        } else {
            out.push(c);
            in_word = in_word && (c == '_' || joins);
        }
    }
    out
}
