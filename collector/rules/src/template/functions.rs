//! Texts and links in templates: `title`, `toUpper`, `match`, `stripPort`, `graphLink`, …

use sonde_template::{Funcs, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A number of a template.
pub(super) type Number = f64;

/// The longest compiled pattern, so that none exhausts memory.
const PATTERN_BYTES_MAX: usize = 1 << 20;

pub(super) fn add(funcs: &mut Funcs) {
    type Change = fn(&str) -> String;
    let texts: [(&'static str, Change); 8] = [
        ("title", title),
        ("toUpper", str::to_uppercase),
        ("toLower", str::to_lowercase),
        ("stripPort", strip_port),
        ("stripDomain", strip_domain),
        ("graphLink", |expr| link(expr, "0")),
        ("tableLink", |expr| link(expr, "1")),
        ("urlQueryEscape", query_escape),
    ];
    for (name, text) in texts {
        funcs.add(name, move |args| match args {
            [value] => Ok(Value::from(text(string(name, value)?))),
            _ => Err(wrong_args(name, "a string", args)),
        });
    }
    funcs.add("safeHtml", |args| match args {
        [text] => Ok(Value::Html(string("safeHtml", text)?.into())),
        _ => Err(wrong_args("safeHtml", "a string", args)),
    });
    funcs.add("match", |args| match args {
        [pattern, text] => {
            let pattern = pattern_of("match", pattern)?;
            Ok(Value::Bool(pattern.is_match(string("match", text)?)))
        }
        _ => Err(wrong_args("match", "a pattern and a string", args)),
    });
    funcs.add("reReplaceAll", |args| match args {
        [pattern, by, text] => {
            let name = "reReplaceAll";
            let pattern = pattern_of(name, pattern)?;
            let replaced = pattern.replace_all(string(name, text)?, string(name, by)?);
            Ok(Value::from(&*replaced))
        }
        _ => Err(wrong_args(
            "reReplaceAll",
            "a pattern and two strings",
            args,
        )),
    });
    funcs.add("join", |args| match args {
        [by, Value::List(parts)] => {
            let parts: Result<Vec<_>, _> = parts.iter().map(|part| string("join", part)).collect();
            Ok(Value::from(parts?.join(string("join", by)?)))
        }
        _ => Err(wrong_args("join", "a string and a list of strings", args)),
    });
    funcs.add("args", |args| {
        let named = args.iter().enumerate();
        let named: BTreeMap<String, Value> = named
            .map(|(at, value)| (format!("arg{at}"), value.clone()))
            .collect();
        Ok(Value::from(named))
    });
}

pub(super) fn string<'v>(function: &str, value: &'v Value) -> Result<&'v str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{function}: expected string; found {}", value.type_name()))
}

/// A number, also one that is written as a text.
pub(super) fn number(function: &str, value: &Value) -> Result<Number, String> {
    let wrong = || format!("{function}: can't convert {value} to a number");
    match value {
        Value::Duration(nanos) => Ok(*nanos as Number / 1e9),
        Value::Str(text) | Value::Html(text) => {
            text.trim_start_matches('+').parse().map_err(|_| wrong())
        }
        other => other.as_float().ok_or_else(wrong),
    }
}

pub(super) fn wrong_args(function: &str, wanted: &str, args: &[Value]) -> String {
    let found: Vec<&str> = args.iter().map(Value::type_name).collect();
    format!(
        "{function}: expected {wanted}; found {}",
        match &found[..] {
            [] => "nothing".into(),
            found => found.join(", "),
        }
    )
}

/// The path under which an expression can be seen: tab 0 is a graph, 1 a table.
pub(crate) fn link(expr: &str, tab: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", query_escape(expr))
}

/// As Go's `url.QueryEscape`.
fn query_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(byte.into());
            }
            b' ' => escaped.push('+'),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

fn pattern_of(function: &str, pattern: &Value) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(string(function, pattern)?)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("{function}: {error}"))
}

/// As Go's `strings.Title`: what follows neither a letter, a digit nor `_` is capital.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            titled.push(c);
        } else {
            titled.extend(c.to_uppercase());
        }
        in_word = c.is_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace());
    }
    titled
}

fn strip_port(host_port: &str) -> String {
    split_host_port(host_port)
        .map_or(host_port, |(host, _)| host)
        .into()
}

/// The first part of a host's name; addresses and the port stay.
fn strip_domain(host_port: &str) -> String {
    let (host, port) = match split_host_port(host_port) {
        Some((host, port)) => (host, Some(port)),
        None => (host_port, None),
    };
    if host.parse::<IpAddr>().is_ok() {
        return host_port.into();
    }
    let name = host.split('.').next().unwrap_or_default();
    match port {
        Some(port) if !port.is_empty() => format!("{name}:{port}"),
        _ => name.into(),
    }
}

/// As Go's `net.SplitHostPort`: `host:port` or `[host]:port`.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let stray = |part: &str| part.contains(['[', ']']);
    (!stray(bare) && !stray(port)).then_some((bare, port))
}
