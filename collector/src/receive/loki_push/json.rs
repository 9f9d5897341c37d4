//! Loki's push request in JSON, and the older form of it.
//!
//! ```text
//! {"streams": [{"stream": {"job": "x"}, "values": [["1700000000000000000", "line", {"pod": "p"}], …]}, …]}
//! {"streams": [{"labels": "{job=\"x\"}", "entries": [{"ts": "2023-11-14T22:13:20Z", "line": "line"}, …]}, …]}
//! ```
//!
//! Entries are taken one by one as they are read, so that memory does not depend on how many
//! small ones a request has.

use super::request::Entry;
use super::{METADATA_MAX, Pushed, Stop};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The most labels that are read of a stream, whatever is allowed.
const LABELS_READ_MAX: usize = 1000;

/// Takes all streams of a request.
pub(super) fn read(bytes: &[u8], pushed: &mut Pushed) -> Result<(), Stop> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut stop = None;
    let request = InRequest {
        pushed,
        stop: &mut stop,
    };
    let read = request.deserialize(&mut reader).and_then(|()| reader.end());
    match (stop, read) {
        (Some(stop), _) => Err(stop),
        (None, Err(error)) => Err(Stop::Malformed(format!(
            "it is no push request in JSON: {error}"
        ))),
        (None, Ok(())) => Ok(()),
    }
}

/// A piece of JSON that is read later.
#[derive(serde::Deserialize)]
struct Stream<'a> {
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(borrow, default)]
    labels: Option<Text<'a>>,
    #[serde(borrow)]
    entries: Option<&'a RawValue>,
}

/// A text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct InRequest<'p, 's> {
    pushed: &'p mut Pushed,
    stop: &'s mut Option<Stop>,
}

impl<'de> DeserializeSeed<'de> for InRequest<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InRequest<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"streams\"")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Text<'_>>()? {
            if key.0 == "streams" {
                let streams = InStreams {
                    pushed: &mut *self.pushed,
                    stop: &mut *self.stop,
                };
                map.next_value_seed(streams)?;
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct InStreams<'p, 's> {
    pushed: &'p mut Pushed,
    stop: &'s mut Option<Stop>,
}

impl<'de> DeserializeSeed<'de> for InStreams<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for InStreams<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of streams")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while let Some(stream) = seq.next_element::<Stream<'de>>()? {
            if let Err(stop) = take(&stream, self.pushed) {
                *self.stop = Some(stop);
                return Err(S::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

fn take(stream: &Stream<'_>, pushed: &mut Pushed) -> Result<(), Stop> {
    let begun = match (stream.stream, &stream.labels) {
        (Some(labels), _) => {
            let labels: Pairs<'_> = inside(pushed, "its labels", labels)?;
            let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
                (name.into_owned(), value.into_owned())
            };
            pushed.begin_stream(labels.0.into_iter().map(owned).collect())
        }
        (None, Some(text)) => pushed.begin_stream_of_text(&text.0),
        (None, None) => pushed.begin_stream(Vec::new()),
    };
    if !begun {
        return Ok(());
    }
    if let Some(values) = stream.values {
        each::<Value<'_>>(values, pushed)?;
    }
    if let Some(entries) = stream.entries {
        each::<OldEntry<'_>>(entries, pushed)?;
    }
    pushed.end_stream()
}

/// Reads a part of the current stream.
fn inside<'a, T: Deserialize<'a>>(
    pushed: &Pushed,
    what: &str,
    part: &'a RawValue,
) -> Result<T, Stop> {
    serde_json::from_str(part.get()).map_err(|error| {
        Stop::Malformed(format!(
            "{}: {what} cannot be read: {error}",
            pushed.place()
        ))
    })
}

/// Takes every entry of a list.
fn each<'a, T: Deserialize<'a> + Into<Result<Entry<'a>, String>>>(
    list: &'a RawValue,
    pushed: &mut Pushed,
) -> Result<(), Stop> {
    struct Each<'p, 's, T> {
        pushed: &'p mut Pushed,
        stop: &'s mut Option<Stop>,
        entry: std::marker::PhantomData<T>,
    }
    impl<'de, T: Deserialize<'de> + Into<Result<Entry<'de>, String>>> Visitor<'de> for Each<'_, '_, T> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of entries")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
            // As in Loki, one that is null is none.
            while let Some(entry) = seq.next_element::<Option<T>>()? {
                let Some(entry) = entry else { continue };
                if let Err(stop) = self.pushed.entry(entry.into()) {
                    *self.stop = Some(stop);
                    return Err(S::Error::custom("stopped"));
                }
            }
            Ok(())
        }
    }
    let mut stop = None;
    let each = Each::<T> {
        pushed: &mut *pushed,
        stop: &mut stop,
        entry: std::marker::PhantomData,
    };
    let mut reader = serde_json::Deserializer::from_str(list.get());
    let read = reader.deserialize_seq(each);
    match (stop, read) {
        (Some(stop), _) => Err(stop),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(Stop::Malformed(format!("{}: {error}", pushed.place()))),
    }
}

/// `["time", "line", {structured metadata}]`
struct Value<'a>(Result<Entry<'a>, String>);

impl<'a> From<Value<'a>> for Result<Entry<'a>, String> {
    fn from(value: Value<'a>) -> Self {
        value.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[\"nanoseconds since 1970\", \"line\", {structured metadata}]")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Value<'de>, S::Error> {
                let missing = |what: &str| S::Error::custom(format!("an entry has no {what}"));
                let time = seq
                    .next_element::<Text<'de>>()?
                    .ok_or_else(|| missing("time"))?;
                let line = seq
                    .next_element::<Text<'de>>()?
                    .ok_or_else(|| missing("line"))?;
                let metadata = seq.next_element::<Pairs<'de>>()?.unwrap_or_default().0;
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                let entry = time.0.trim().parse::<u64>();
                let entry = entry
                    .map_err(|_| super::no_time(&time.0))
                    .map(|time| Entry {
                        time,
                        line: bytes(line.0),
                        metadata,
                    });
                Ok(Value(entry.and_then(bounded)))
            }
        }
        d.deserialize_seq(Entries)
    }
}

/// `{"ts": "…", "line": "…"}`
#[derive(serde::Deserialize)]
struct OldEntry<'a> {
    #[serde(borrow)]
    ts: Text<'a>,
    #[serde(borrow)]
    line: Text<'a>,
    #[serde(borrow, default, rename = "structuredMetadata")]
    metadata: Pairs<'a>,
}

impl<'a> From<OldEntry<'a>> for Result<Entry<'a>, String> {
    fn from(old: OldEntry<'a>) -> Self {
        let stamp = old.ts.0.trim().parse::<jiff::Timestamp>().ok();
        let time = stamp.and_then(|stamp| u64::try_from(stamp.as_nanosecond()).ok());
        bounded(Entry {
            time: time.ok_or_else(|| super::no_time(&old.ts.0))?,
            line: bytes(old.line.0),
            metadata: old.metadata.0,
        })
    }
}

fn bounded(entry: Entry<'_>) -> Result<Entry<'_>, String> {
    if entry.metadata.len() > METADATA_MAX {
        return Err(super::too_much_metadata());
    }
    Ok(entry)
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// An object of texts; the last of several values of one name counts.
#[derive(Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    let known = pairs.iter_mut().find(|(own, _)| *own == name.0);
                    match known {
                        Some(pair) => pair.1 = value.0,
                        None => pairs.push((name.0, value.0)),
                    }
                    if pairs.len() > LABELS_READ_MAX {
                        return Err(M::Error::custom(format!(
                            "an object has more than {LABELS_READ_MAX} texts"
                        )));
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        d.deserialize_map(Texts)
    }
}
