//! The functions that templates may call beside the language's own.

use super::{data, humanize, json, url};
use regex::{Regex, RegexBuilder};
use sonde_proto::UnixNanos;
use sonde_template::{Funcs, Host, Time, Value};
use std::collections::BTreeMap;

/// How large a compiled pattern may be.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// All functions. `slackEscape` and `include` are ours, the rest is Alertmanager's.
pub(super) fn all() -> Funcs {
    let mut funcs = Funcs::new();
    add_texts(&mut funcs);
    add_lists(&mut funcs);
    add_times(&mut funcs);
    funcs.add_template_call("include");
    funcs
}

fn add_texts(funcs: &mut Funcs) {
    let mut of_text = |name: &'static str, change: fn(&str) -> Result<Value, String>| {
        funcs.add(name, move |args| {
            let [text] = texts(name, args)?;
            change(text)
        });
    };
    of_text("toUpper", |text| Ok(text.to_uppercase().into()));
    of_text("toLower", |text| Ok(text.to_lowercase().into()));
    of_text("title", |text| Ok(humanize::title(text).into()));
    of_text("trimSpace", |text| Ok(text.trim().into()));
    of_text("safeHtml", |text| Ok(Value::Html(text.into())));
    of_text("safeUrl", |text| Ok(Value::Url(text.into())));
    of_text("urlUnescape", |text| url::unescape(text).map(Value::from));
    of_text("base64encode", |text| Ok(url::base64_encode(text).into()));
    of_text("base64decode", |text| {
        url::base64_decode(text).map(Value::from)
    });
    of_text("slackEscape", |text| Ok(slack_escape(text).into()));
    funcs.add("match", |args| {
        let [pattern, text] = texts("match", args)?;
        Ok(compile(pattern)?.is_match(text).into())
    });
    funcs.add("reReplaceAll", |args| {
        let [pattern, replacement, text] = texts("reReplaceAll", args)?;
        let replaced = compile(pattern)?
            .replace_all(text, replacement)
            .into_owned();
        Ok(replaced.into())
    });
    funcs.add("toJson", |args| {
        let [value] = exactly("toJson", args)?;
        Ok(json::text(value).into())
    });
}

fn add_lists(funcs: &mut Funcs) {
    funcs.add("join", |args| {
        let [separator, list] = exactly("join", args)?;
        let separator = text("join", separator)?;
        let items = items("join", list)?;
        let items: Result<Vec<&str>, String> =
            items.iter().map(|item| text("join", item)).collect();
        Ok(items?.join(separator).into())
    });
    funcs.add("stringSlice", |args| {
        let all: Result<Vec<&str>, String> =
            args.iter().map(|arg| text("stringSlice", arg)).collect();
        Ok(all?.into())
    });
    funcs.add("list", |args| Ok(Value::List(args.into())));
    funcs.add("append", |args| {
        let (list, more) = args
            .split_first()
            .ok_or("wrong number of args for append: want at least 1 got 0")?;
        let items = items("append", list)?;
        Ok(Value::List(items.iter().chain(more).cloned().collect()))
    });
    funcs.add("dict", |args| {
        let (pairs, rest) = args.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("dict: expected keys and values, an even number of arguments".into());
        }
        let mut map = BTreeMap::new();
        for [key, value] in pairs {
            map.insert(text("dict", key)?.to_owned(), value.clone());
        }
        Ok(map.into())
    });
}

fn add_times(funcs: &mut Funcs) {
    funcs.add("date", |args| {
        let [layout, time] = exactly("date", args)?;
        Ok(as_time("date", time)?.format(text("date", layout)?).into())
    });
    funcs.add("tz", |args| {
        let [name, time] = exactly("tz", args)?;
        let zone = zone(text("tz", name)?)?;
        Ok(as_time("tz", time)?.in_zone(&zone).into())
    });
    funcs.add("humanizeDuration", |args| {
        let [span] = exactly("humanizeDuration", args)?;
        seconds(span).map(|seconds| humanize::duration(seconds).into())
    });
    funcs.declare("now").declare("since");
}

/// The time at which a template is executed.
pub(super) struct Moment(pub(super) UnixNanos);

impl Host for Moment {
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        let now = data::time(Some(self.0));
        if function == "now" {
            let [] = exactly("now", args)?;
            return Ok(now.into());
        }
        let [earlier] = exactly("since", args)?;
        Ok(Value::Duration(now.since(as_time("since", earlier)?)))
    }
}

/// `&`, `<` and `>` in the way Slack wants them, so that a label cannot call everybody.
pub(crate) fn slack_escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("{pattern:?} is no pattern: {error}"))
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    match name {
        "" | "UTC" => Ok(jiff::tz::TimeZone::UTC),
        "Local" => Ok(jiff::tz::TimeZone::system()),
        name => jiff::tz::TimeZone::get(name).map_err(|_| format!("unknown time zone {name}")),
    }
}

/// Seconds: a number, a number in a text, or a span.
fn seconds(value: &Value) -> Result<f64, String> {
    let bad = || {
        format!(
            "humanizeDuration: expected a number or a span; found {}",
            value.type_name()
        )
    };
    match value {
        Value::Duration(_) => value.as_float().map(|nanos| nanos / 1e9).ok_or_else(bad),
        _ => match value.as_str() {
            Some(text) => text.trim().parse().map_err(|_| bad()),
            None => value.as_float().ok_or_else(bad),
        },
    }
}

fn exactly<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<&'a [Value; N], String> {
    args.try_into().map_err(|_| {
        format!(
            "wrong number of args for {name}: want {N} got {}",
            args.len()
        )
    })
}

fn texts<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<[&'a str; N], String> {
    let mut found = [""; N];
    for (place, arg) in found.iter_mut().zip(exactly::<N>(name, args)?) {
        *place = text(name, arg)?;
    }
    Ok(found)
}

/// A string, or a label that is missing.
fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{name}: expected string; found {}", value.type_name()))
}

fn items(name: &str, value: &Value) -> Result<std::sync::Arc<[Value]>, String> {
    match value.underlying() {
        Value::List(items) => Ok(items),
        _ => Err(format!(
            "{name}: expected a list; found {}",
            value.type_name()
        )),
    }
}

fn as_time<'a>(name: &str, value: &'a Value) -> Result<&'a Time, String> {
    match value {
        Value::Time(time) => Ok(time),
        _ => Err(format!(
            "{name}: expected time.Time; found {}",
            value.type_name()
        )),
    }
}
