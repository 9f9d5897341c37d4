//! Functions on texts.

use super::{BYTES_MAX, exactly, numbers, strings, text, too_long};
use crate::filter::compile_regex;
use regex::bytes::Regex;
use sonde_template::{Funcs, Value};
use std::cell::RefCell;
use std::collections::HashMap;

pub(super) fn add(funcs: &mut Funcs) {
    add_of_one(funcs);
    add_of_two(funcs);
    add_with_count(funcs);
    add_regexes(funcs);
    for (name, text_at) in [("replace", 2), ("Replace", 0)] {
        funcs.add(name, move |args| replace(name, text_at, args));
    }
    funcs.add("default", |args| {
        let [default, value] = exactly("default", args)?;
        Ok(if value.truth() { value } else { default }.clone())
    });
    funcs.add("fromJson", |args| {
        let [text] = strings("fromJson", args)?;
        // As in sprig, what is no JSON is no value.
        let parsed: Option<serde_json::Value> = serde_json::from_str(text).ok();
        Ok(parsed.map_or(Value::Nil, Value::from))
    });
}

/// Functions of one text.
fn add_of_one(funcs: &mut Funcs) {
    let mut of = |name: &'static str, change: fn(&str) -> Result<String, String>| {
        funcs.add(name, move |args| {
            let [text] = strings(name, args)?;
            change(text).map(Value::from)
        });
    };
    for name in ["lower", "ToLower"] {
        of(name, |text| Ok(text.chars().map(lower).collect()));
    }
    for name in ["upper", "ToUpper"] {
        of(name, |text| Ok(text.chars().map(upper).collect()));
    }
    for name in ["trim", "TrimSpace"] {
        of(name, |text| Ok(text.trim().to_owned()));
    }
    of("title", |text| Ok(title(text)));
    of("b64enc", |text| Ok(base64_encode(text.as_bytes())));
    of("b64dec", base64_decode);
    of("urlencode", |text| Ok(url_encode(text)));
    of("urldecode", url_decode);
}

/// Functions of a text and another, which sprig takes first and Go's `strings` last.
fn add_of_two(funcs: &mut Funcs) {
    type Change = fn(&str, &str) -> Value;
    let suffix: Change = |cut, text| text.strip_suffix(cut).unwrap_or(text).into();
    let prefix: Change = |cut, text| text.strip_prefix(cut).unwrap_or(text).into();
    let both: Change = |cut, text| text.trim_matches(|c| cut.contains(c)).into();
    let left: Change = |cut, text| text.trim_start_matches(|c| cut.contains(c)).into();
    let right: Change = |cut, text| text.trim_end_matches(|c| cut.contains(c)).into();
    let text_last: [(&str, Change); 6] = [
        ("trimSuffix", suffix),
        ("trimPrefix", prefix),
        ("trimAll", both),
        ("contains", |part, text| text.contains(part).into()),
        ("hasPrefix", |part, text| text.starts_with(part).into()),
        ("hasSuffix", |part, text| text.ends_with(part).into()),
    ];
    for (name, change) in text_last {
        funcs.add(name, move |args| {
            let [other, text] = strings(name, args)?;
            Ok(change(other, text))
        });
    }
    let text_first: [(&str, Change); 5] = [
        ("TrimSuffix", suffix),
        ("TrimPrefix", prefix),
        ("Trim", both),
        ("TrimLeft", left),
        ("TrimRight", right),
    ];
    for (name, change) in text_first {
        funcs.add(name, move |args| {
            let [text, other] = strings(name, args)?;
            Ok(change(other, text))
        });
    }
}

/// Functions of a number and a text.
fn add_with_count(funcs: &mut Funcs) {
    type Change = fn(&str, i64, &str) -> Result<String, String>;
    let all: [(&str, Change); 6] = [
        ("trunc", |_, count, text| Ok(trunc(count, text))),
        ("indent", indent),
        ("nindent", |name, count, text| {
            indent(name, count, text).map(|text| format!("\n{text}"))
        }),
        ("repeat", repeat),
        ("alignLeft", |name, width, text| {
            align(name, width, text, true)
        }),
        ("alignRight", |name, width, text| {
            align(name, width, text, false)
        }),
    ];
    for (name, change) in all {
        funcs.add(name, move |args| {
            let [count, value] = exactly(name, args)?;
            change(name, numbers::integer(count), text(name, value)?).map(Value::from)
        });
    }
    funcs.add("substr", |args| {
        let [start, end, value] = exactly("substr", args)?;
        let (start, end) = (numbers::integer(start), numbers::integer(end));
        Ok(substring(start, end, text("substr", value)?).into())
    });
}

fn add_regexes(funcs: &mut Funcs) {
    for name in ["regexReplaceAll", "regexReplaceAllLiteral"] {
        funcs.add_costly(name, REGEX_STEPS, move |args| {
            let [pattern, text, replacement] = strings(name, args)?;
            let is_literal = name == "regexReplaceAllLiteral";
            with_regex(pattern, |regex| {
                replace_all(name, regex, text, replacement, is_literal)
            })?
        });
    }
    funcs.add_costly("count", REGEX_STEPS, |args| {
        let [pattern, text] = strings("count", args)?;
        with_regex(pattern, |regex| {
            regex.find_iter(text.as_bytes()).count().into()
        })
    });
}

/// What a call with a pattern costs: it may have to be compiled.
const REGEX_STEPS: u64 = 100;

/// How many compiled patterns a thread remembers.
const REGEXES_MAX: usize = 32;

thread_local! {
    /// A template compiles the same pattern for each record.
    static REGEXES: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn with_regex<T>(pattern: &str, then: impl FnOnce(&Regex) -> T) -> Result<T, String> {
    let known = REGEXES.with_borrow(|regexes| regexes.get(pattern).cloned());
    let regex = match known {
        Some(regex) => regex,
        None => {
            let regex = compile_regex(pattern, REGEXES_MAX)?;
            REGEXES.with_borrow_mut(|regexes| {
                if regexes.len() >= REGEXES_MAX {
                    regexes.clear();
                }
                regexes.insert(pattern.to_owned(), regex.clone());
            });
            regex
        }
    };
    Ok(then(&regex))
}

fn replace_all(
    name: &str,
    regex: &Regex,
    text: &str,
    replacement: &str,
    is_literal: bool,
) -> Result<Value, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut end = 0;
    for captures in regex.captures_iter(text.as_bytes()) {
        let Some(found) = captures.get(0) else {
            continue;
        };
        out.extend_from_slice(&text.as_bytes()[end..found.start()]);
        if is_literal {
            out.extend_from_slice(replacement.as_bytes());
        } else {
            captures.expand(replacement.as_bytes(), &mut out);
        }
        end = found.end();
        if out.len() > BYTES_MAX {
            return Err(too_long(name));
        }
    }
    out.extend_from_slice(&text.as_bytes()[end..]);
    Ok(String::from_utf8_lossy(&out).into_owned().into())
}

/// `replace old new text`, `Replace text old new count`.
fn replace(name: &str, text_at: usize, args: &[Value]) -> Result<Value, String> {
    let (text, old, new, count) = if text_at == 0 {
        let [value, old, new, count] = exactly(name, args)?;
        let count = usize::try_from(numbers::integer(count)).unwrap_or(usize::MAX);
        (
            text(name, value)?,
            text(name, old)?,
            text(name, new)?,
            count,
        )
    } else {
        let [old, new, text] = strings(name, args)?;
        (text, old, new, usize::MAX)
    };
    let found = text.matches(old).count().min(count);
    if text.len().saturating_add(found.saturating_mul(new.len())) > BYTES_MAX {
        return Err(too_long(name));
    }
    Ok(text.replacen(old, new, count).into())
}

/// A character in upper case. As in Go, one stays one: `ß` has no upper case.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// A character in lower case; of `İ`, which has two, the first.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut is_within = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_within {
            out.push(c);
        } else {
            out.push(upper(c));
        }
        is_within = c.is_alphanumeric() || c == '_' || c == '\'';
    }
    out
}

/// The first characters, or the last where `count` is negative.
fn trunc(count: i64, text: &str) -> String {
    let length = text.chars().count();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if length <= wanted {
        return text.to_owned();
    }
    if count < 0 {
        text.chars().skip(length - wanted).collect()
    } else {
        text.chars().take(wanted).collect()
    }
}

/// The characters from `start` to `end`; a negative start is 0, a negative end the end.
fn substring(start: i64, end: i64, text: &str) -> String {
    if start < 0 && end < 0 {
        return String::new();
    }
    let start = usize::try_from(start).unwrap_or(0);
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    text.chars()
        .skip(start)
        .take(end.saturating_sub(start))
        .collect()
}

fn indent(name: &str, count: i64, text: &str) -> Result<String, String> {
    let count = usize::try_from(count).unwrap_or(0);
    let lines = text.matches('\n').count() + 1;
    if count.saturating_mul(lines).saturating_add(text.len()) > BYTES_MAX {
        return Err(too_long(name));
    }
    let pad = " ".repeat(count);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

fn repeat(name: &str, count: i64, text: &str) -> Result<String, String> {
    let count = usize::try_from(count).unwrap_or(0);
    if count.saturating_mul(text.len()) > BYTES_MAX {
        return Err(too_long(name));
    }
    Ok(text.repeat(count))
}

fn align(name: &str, width: i64, text: &str, is_left: bool) -> Result<String, String> {
    let Ok(width) = usize::try_from(width) else {
        return Ok(text.to_owned());
    };
    let length = text.chars().count();
    if width > BYTES_MAX {
        return Err(too_long(name));
    }
    Ok(match (length > width, is_left) {
        (true, true) => text.chars().take(width).collect(),
        (true, false) => text.chars().skip(length - width).collect(),
        (false, true) => format!("{text}{}", " ".repeat(width - length)),
        (false, false) => format!("{}{text}", " ".repeat(width - length)),
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn base64_decode(text: &str) -> Result<String, String> {
    let refused = || "b64dec: this is no base64".to_owned();
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return Err(refused());
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in digits.as_bytes().chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            let value = ALPHABET.iter().position(|known| known == byte);
            let value = u32::try_from(value.ok_or_else(refused)?).map_err(|_| refused())?;
            group = group << 6 | value;
        }
        group <<= 6 * (4 - chunk.len());
        let bytes = group.to_be_bytes();
        out.extend_from_slice(&bytes[1..chunk.len()]);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn url_decode(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = after
                    .get(..2)
                    .filter(|d| d.iter().all(u8::is_ascii_hexdigit));
                let byte = digits
                    .and_then(|digits| std::str::from_utf8(digits).ok())
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .ok_or("urldecode: two hexadecimal digits must follow %")?;
                out.push(byte);
                rest = &after[2..];
            }
            byte => out.push(*byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
