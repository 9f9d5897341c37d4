//! What a tag is called: an attribute of one scope or of any, or an intrinsic.

use sonde_proto::otlp::trace::{ScopeSpans, Span};

/// Where attributes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Resource,
    Span,
    Event,
    Link,
    Instrumentation,
}

impl Place {
    pub(super) const ALL: [Self; 5] = [
        Self::Resource,
        Self::Span,
        Self::Event,
        Self::Link,
        Self::Instrumentation,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Span => "span",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.name() == name)
    }
}

/// The intrinsics that are suggested.
pub(super) const INTRINSICS: [&str; 14] = [
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "name",
    "rootName",
    "rootServiceName",
    "span:id",
    "status",
    "statusMessage",
    "trace:id",
    "traceDuration",
];

/// What every span has, as far as it has values to suggest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intrinsic {
    Name,
    RootService,
    Status,
    StatusMessage,
    Kind,
    EventName,
    InstrumentationName,
    InstrumentationVersion,
    /// Numbers and IDs, of which there are too many to suggest any.
    Other,
}

impl Intrinsic {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            // Of a root the name of any span is suggested.
            "name" | "span:name" | "rootName" | "trace:rootName" => Self::Name,
            "rootServiceName" | "trace:rootService" => Self::RootService,
            "status" | "span:status" => Self::Status,
            "statusMessage" | "span:statusMessage" => Self::StatusMessage,
            "kind" | "span:kind" => Self::Kind,
            "event:name" => Self::EventName,
            "instrumentation:name" => Self::InstrumentationName,
            "instrumentation:version" => Self::InstrumentationVersion,
            "duration"
            | "span:duration"
            | "span:id"
            | "span:parentID"
            | "span:childCount"
            | "traceDuration"
            | "trace:duration"
            | "trace:id"
            | "event:timeSinceStart"
            | "link:traceID"
            | "link:spanID"
            | "parent"
            | "nestedSetLeft"
            | "nestedSetRight"
            | "nestedSetParent" => Self::Other,
            _ => return None,
        })
    }

    /// All values there may be, where they are words of the language.
    pub(super) fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Status => Some(&["error", "ok", "unset"]),
            Self::Kind => Some(&[
                "client",
                "consumer",
                "internal",
                "producer",
                "server",
                "unspecified",
            ]),
            _ => None,
        }
    }

    /// The texts of a span.
    pub(super) fn each_text<'a>(
        self,
        scope: &'a ScopeSpans,
        span: &'a Span,
        mut each: impl FnMut(&'a str),
    ) {
        let mut told = |text: &'a str| {
            if !text.is_empty() {
                each(text);
            }
        };
        match self {
            Self::Name => told(&span.name),
            Self::StatusMessage => span.status.iter().for_each(|status| told(&status.message)),
            Self::EventName => span.events.iter().for_each(|event| told(&event.name)),
            Self::InstrumentationName => scope.scope.iter().for_each(|scope| told(&scope.name)),
            Self::InstrumentationVersion => {
                scope.scope.iter().for_each(|scope| told(&scope.version));
            }
            Self::RootService | Self::Status | Self::Kind | Self::Other => {}
        }
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Attribute(Place, String),
    /// Of the span or its resource.
    Any(String),
    /// The same without the point before it, as it was written before there were scopes.
    Bare(String),
    Intrinsic(Intrinsic),
}

impl Tag {
    /// Reads a tag, which may be escaped once more than the URL demands. `None` where nothing
    /// is named.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = unescaped(text);
        if let Some(intrinsic) = Intrinsic::named(&text) {
            return Some(Self::Intrinsic(intrinsic));
        }
        let (scope, name) = text.split_once('.').unwrap_or(("?", &text));
        let read = match (scope, Place::named(scope)) {
            ("", _) => Self::Any(unquoted(name)),
            (_, Some(place)) => Self::Attribute(place, unquoted(name)),
            _ => Self::Bare(text.clone()),
        };
        let is_named = match &read {
            Self::Attribute(_, name) | Self::Any(name) | Self::Bare(name) => !name.is_empty(),
            Self::Intrinsic(_) => true,
        };
        is_named.then_some(read)
    }
}

fn unquoted(name: &str) -> String {
    match sonde_lex::string(name, 0) {
        Ok((inside, end)) if end == name.len() => inside.into_owned(),
        _ => name.to_owned(),
    }
}

/// Undoes one escaping; what is no escape stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                &after[2..]
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_with_its_scope_however_it_is_escaped() {
        let check =
            |text: &str, expected: Option<Tag>| assert_eq!(Tag::read(text), expected, "{text}");
        let of = |place, name: &str| Some(Tag::Attribute(place, name.into()));
        check("resource.service.name", of(Place::Resource, "service.name"));
        check("resource.k8s%2Fpod", of(Place::Resource, "k8s/pod"));
        check("span.\"a b\"", of(Place::Span, "a b"));
        check("span.%22a%20b%22", of(Place::Span, "a b"));
        check(".http.method", Some(Tag::Any("http.method".into())));
        check("http.method", Some(Tag::Bare("http.method".into())));
        check("name", Some(Tag::Intrinsic(Intrinsic::Name)));
        check("span:status", Some(Tag::Intrinsic(Intrinsic::Status)));
        check("100%", Some(Tag::Bare("100%".into())));
        check("%zz%f", Some(Tag::Bare("%zz%f".into())));
        check("span.é%", of(Place::Span, "é%"));
        for nothing in ["", ".", "span."] {
            check(nothing, None);
        }
    }
}
