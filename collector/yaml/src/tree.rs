//! A YAML document as a tree that knows where each value stands.

/// Where something was written. Ordered as a person reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// 0 is the text, n the n-th override.
    pub(crate) source: u32,
    /// From 1.
    pub(crate) line: u32,
    /// From 1, in characters.
    pub(crate) column: u32,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

impl Node {
    /// The tree without the keys that stand at these places.
    pub(crate) fn without_keys(mut self, places: &[Place]) -> Self {
        if !places.is_empty() {
            self.drop_keys(places);
        }
        self
    }

    fn drop_keys(&mut self, places: &[Place]) {
        match &mut self.content {
            Content::Scalar(_) => {}
            Content::List(items) => items.iter_mut().for_each(|item| item.drop_keys(places)),
            Content::Map(entries) => {
                entries.retain(|entry| !places.contains(&entry.place));
                for entry in entries {
                    entry.value.drop_keys(places);
                }
            }
        }
    }
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value. Keys of a mapping are distinct.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// A value without parts.
#[derive(Clone)]
pub(crate) struct Scalar {
    /// The text as it was meant: unquoted, unfolded.
    pub(crate) text: String,
    pub(crate) kind: Kind,
    pub(crate) plain: bool,
    /// The index of its first character in the source.
    pub(crate) start: usize,
    /// Whether a part of it came from the environment: never quoted in a message.
    pub(crate) substituted: bool,
}

/// A debugging aid must not become a way for secrets to reach a log.
impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())
    }
}

/// What a scalar stands for, by YAML's core schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text,
    /// A variable that has no value; told when it was looked up, then left alone.
    Unset,
}

impl Kind {
    /// What a plain scalar stands for.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                return Self::Float(f64::INFINITY);
            }
            "-.inf" | "-.Inf" | "-.INF" => return Self::Float(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            _ => {}
        }
        Self::of_number(text).unwrap_or(Self::Text)
    }

    fn of_number(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16)
                .ok()
                .map(|n| Self::Int(n.into()));
        }
        if let Some(digits) = text.strip_prefix("0o") {
            return u64::from_str_radix(digits, 8)
                .ok()
                .map(|n| Self::Int(n.into()));
        }
        if let Ok(int) = text.parse::<i128>() {
            return Some(Self::Int(int));
        }
        // Rust also reads "inf" and "infinity" as numbers; YAML does not.
        let numeric = text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        if numeric && text.bytes().any(|b| b.is_ascii_digit()) {
            return text.parse().ok().map(Self::Float);
        }
        None
    }

    /// With its article, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null | Self::Unset => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text => "a string",
        }
    }
}

impl Node {
    /// A value that was never written.
    pub(crate) fn null(place: Place) -> Self {
        let scalar = Scalar {
            text: String::new(),
            kind: Kind::Null,
            plain: true,
            start: 0,
            substituted: false,
        };
        Self {
            place,
            content: Content::Scalar(scalar),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(
            &self.content,
            Content::Scalar(Scalar {
                kind: Kind::Null,
                ..
            })
        )
    }

    /// How many values this is, itself included.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => items.iter().map(Self::count).sum(),
            Content::Map(entries) => entries.iter().map(|e| e.value.count()).sum(),
        }
    }

    /// How deep this nests; a scalar is 0 deep.
    pub(crate) fn depth(&self) -> usize {
        let inner = match &self.content {
            Content::Scalar(_) => return 0,
            Content::List(items) => items.iter().map(Self::depth).max(),
            Content::Map(entries) => entries.iter().map(|e| e.value.depth()).max(),
        };
        1 + inner.unwrap_or(0)
    }
}

/// Whether values under a key of this name are kept out of messages.
pub(crate) fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 12] = [
        "pass",
        "secret",
        "token",
        "key",
        "url",
        "uri",
        "credential",
        "auth",
        "bearer",
        "cookie",
        "dsn",
        "header",
    ];
    let key = key.to_ascii_lowercase();
    WORDS.iter().any(|word| key.contains(word))
}
