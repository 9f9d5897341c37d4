//! The tree against the JSON schema of the wanted type.
//!
//! Understands what `schemars` writes: `type`, `properties`, `required`,
//! `additionalProperties`, `items`, `enum`, `const`, `oneOf`/`anyOf`/`allOf`, `$ref`, bounds.
//! Anything else in a schema is left to serde.
//!
//! Checking also settles what YAML leaves open, so that a file is read as its writer meant
//! it and as Go's YAML reads it: `1` is a string where a string is wanted, `yes` a boolean
//! where a boolean is wanted, a key without a value is a key that is not there.

use serde_json::{Map, Value};

use crate::NODES_MAX;
use crate::alternatives;
use crate::problem::Report;
use crate::tree::{Content, Entry, Kind, Node, Place, Scalar, is_secret};

/// How often `$ref` may lead to `$ref`.
const REFS_MAX: usize = 32;
/// How many known keys a hint lists.
const KEYS_LISTED_MAX: usize = 16;

/// Checks and settles a tree.
pub(crate) fn check(root: &mut Node, schema: &Value, report: &mut Report) {
    let mut checker = Checker {
        root: schema,
        path: Vec::new(),
        steps_left: 4 * NODES_MAX,
    };
    if root.is_null() && !checker.accepts_null(schema) {
        root.content = Content::Map(Vec::new());
    }
    checker.node(root, schema, report);
}

/// One step down the tree, for messages.
enum Step {
    Key(String),
    Index(usize),
}

pub(crate) struct Checker<'s> {
    root: &'s Value,
    path: Vec<Step>,
    steps_left: usize,
}

impl<'s> Checker<'s> {
    /// Checks one value; problems go to `report`.
    pub(crate) fn node(&mut self, node: &mut Node, schema: &'s Value, report: &mut Report) {
        let Some(left) = self.steps_left.checked_sub(1) else {
            if report.is_empty() {
                report.add(
                    node.place,
                    "too many choices to check; simplify the text",
                    None,
                );
            }
            return;
        };
        self.steps_left = left;
        if matches!(
            &node.content,
            Content::Scalar(Scalar {
                kind: Kind::Unset,
                ..
            })
        ) {
            return;
        }
        let Some(schema) = self.resolve(schema).as_object() else {
            return;
        };
        self.combined(node, schema, report);
        if !self.kind(node, schema, report) {
            return;
        }
        self.choice(node, schema, report);
        match &mut node.content {
            Content::Scalar(_) => self.bounds(node, schema, report),
            Content::List(items) => self.items(items, schema, report),
            Content::Map(_) => self.map(node, schema, report),
        }
    }

    /// Follows `$ref`.
    pub(crate) fn resolve(&self, mut schema: &'s Value) -> &'s Value {
        for _ in 0..REFS_MAX {
            let Some(pointer) = schema.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let target = pointer
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            let Some(target) = target else { break };
            schema = target;
        }
        schema
    }

    fn combined(&mut self, node: &mut Node, schema: &'s Map<String, Value>, report: &mut Report) {
        for part in array(schema, "allOf") {
            self.node(node, part, report);
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(Value::Array(all)) = schema.get(word) {
                alternatives::check(self, node, all, report);
            }
        }
    }

    /// Checks `type`; settles the value when the type asks for it.
    fn kind(&self, node: &mut Node, schema: &Map<String, Value>, report: &mut Report) -> bool {
        let wanted: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        if settle(node, &wanted) {
            return true;
        }
        let wanted: Vec<&str> = wanted
            .into_iter()
            .filter(|w| *w != "null")
            .map(with_article)
            .collect();
        let message = format!(
            "{}expected {}, found {}",
            self.at(),
            wanted.join(" or "),
            self.describe(node)
        );
        let number = wanted
            .iter()
            .any(|w| w.contains("integer") || w.contains("number"));
        let quoted = matches!(&node.content, Content::Scalar(Scalar { plain: false, .. }));
        let hint = (number && quoted).then(|| "numbers stand without quotes".to_owned());
        report.add(node.place, message, hint);
        false
    }

    /// `enum` and `const`.
    fn choice(&self, node: &Node, schema: &Map<String, Value>, report: &mut Report) {
        let allowed: Vec<&Value> = match (schema.get("const"), schema.get("enum")) {
            (Some(one), _) => vec![one],
            (None, Some(Value::Array(many))) => many.iter().collect(),
            _ => return,
        };
        if !allowed.iter().any(|value| equals(node, value)) {
            self.not_one_of(node, &allowed, report);
        }
    }

    /// Reports a value that is not among the allowed ones.
    pub(crate) fn not_one_of(&self, node: &Node, allowed: &[&Value], report: &mut Report) {
        let words: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
        let hint = match &node.content {
            Content::Scalar(scalar) => nearest(&scalar.text, &words),
            Content::List(_) | Content::Map(_) => None,
        };
        let message = format!(
            "{}expected one of {}, found {}",
            self.at(),
            words.join(", "),
            self.describe(node)
        );
        report.add(node.place, message, hint);
    }

    fn bounds(&self, node: &Node, schema: &Map<String, Value>, report: &mut Report) {
        let Content::Scalar(scalar) = &node.content else {
            return;
        };
        let value = match scalar.kind {
            Kind::Int(int) => int as f64,
            Kind::Float(float) => float,
            Kind::Null | Kind::Bool(_) | Kind::Text | Kind::Unset => return,
        };
        let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
        let low = bound("minimum")
            .filter(|low| value < *low)
            .map(|low| format!("at least {low}"));
        let high = bound("maximum")
            .filter(|high| value > *high)
            .map(|high| format!("at most {high}"));
        if let Some(bound) = low.or(high) {
            let message = format!(
                "{}must be {bound}, found {}",
                self.at(),
                self.describe(node)
            );
            report.add(node.place, message, None);
        }
    }

    fn items(&mut self, items: &mut [Node], schema: &'s Map<String, Value>, report: &mut Report) {
        let prefix: Vec<&Value> = array(schema, "prefixItems").collect();
        for (index, item) in items.iter_mut().enumerate() {
            let Some(schema) = prefix.get(index).copied().or_else(|| schema.get("items")) else {
                continue;
            };
            self.path.push(Step::Index(index));
            self.node(item, schema, report);
            self.path.pop();
        }
    }

    fn map(&mut self, node: &mut Node, schema: &'s Map<String, Value>, report: &mut Report) {
        let place = node.place;
        let Content::Map(entries) = &mut node.content else {
            return;
        };
        self.drop_empty(entries, schema);
        for name in array(schema, "required").filter_map(Value::as_str) {
            if !entries.iter().any(|entry| entry.key == name) {
                report.add(
                    place,
                    format!("missing key `{name}`{}", self.inside()),
                    None,
                );
            }
        }
        for entry in entries {
            self.entry(entry, schema, report);
        }
    }

    /// Removes keys without a value where the schema does not want to see the emptiness.
    fn drop_empty(&self, entries: &mut Vec<Entry>, schema: &'s Map<String, Value>) {
        entries.retain(|entry| {
            let known = property(schema, &entry.key);
            !entry.value.is_null() || known.is_none_or(|schema| self.accepts_null(schema))
        });
    }

    fn entry(&mut self, entry: &mut Entry, schema: &'s Map<String, Value>, report: &mut Report) {
        let rest = schema
            .get("additionalProperties")
            .or_else(|| schema.get("unevaluatedProperties"));
        match property(schema, &entry.key).or(rest) {
            Some(Value::Bool(false)) => self.unknown_key(&entry.key, entry.place, schema, report),
            Some(schema) => {
                self.path.push(Step::Key(entry.key.clone()));
                self.node(&mut entry.value, schema, report);
                self.path.pop();
            }
            None => {}
        }
    }

    fn unknown_key(
        &self,
        key: &str,
        place: Place,
        schema: &'s Map<String, Value>,
        report: &mut Report,
    ) {
        let mut known = Vec::new();
        self.known_keys(schema, 0, &mut known);
        // With parts, a key that any part knows is checked there.
        if known.contains(&key) {
            return;
        }
        let hint = nearest(key, &known).or_else(|| listed(&known));
        report.add_unknown_key(place, format!("unknown key `{key}`{}", self.inside()), hint);
    }

    /// The keys that a schema and its parts name.
    fn known_keys(&self, schema: &'s Map<String, Value>, depth: usize, known: &mut Vec<&'s str>) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            known.extend(properties.keys().map(String::as_str));
        }
        if depth >= REFS_MAX {
            return;
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            for part in array(schema, word) {
                if let Some(part) = self.resolve(part).as_object() {
                    self.known_keys(part, depth + 1, known);
                }
            }
        }
    }

    /// Whether a schema has a use for an explicit nothing.
    pub(crate) fn accepts_null(&self, schema: &'s Value) -> bool {
        let Some(object) = self.resolve(schema).as_object() else {
            return true;
        };
        let typed = match object.get("type") {
            Some(Value::String(one)) => Some(one == "null"),
            Some(Value::Array(many)) => Some(many.iter().any(|kind| kind == "null")),
            _ => None,
        };
        let mut parts = array(object, "anyOf")
            .chain(array(object, "oneOf"))
            .peekable();
        match (typed, parts.peek().is_some()) {
            (Some(typed), _) => typed,
            (None, true) => {
                parts.any(|part| self.resolve(part).get("type").is_some_and(|t| t == "null"))
            }
            (None, false) => !object.contains_key("enum") && !object.contains_key("const"),
        }
    }

    /// "`a.b[0]`: " for the start of a message; empty at the root.
    fn at(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!("`{}`: ", self.path())
        }
    }

    /// " in `a.b[0]`" for the end of a message; empty at the root.
    fn inside(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in `{}`", self.path())
        }
    }

    fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => text = format!("{text}.{key}"),
                Step::Index(index) => text = format!("{text}[{index}]"),
            }
        }
        text
    }

    /// A value for a message; only its type when it may be a secret.
    pub(crate) fn describe(&self, node: &Node) -> String {
        let secret = self
            .path
            .iter()
            .any(|step| matches!(step, Step::Key(key) if is_secret(key)));
        match &node.content {
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a mapping".into(),
            Content::Scalar(scalar) if scalar.kind == Kind::Null => "nothing".into(),
            Content::Scalar(scalar) if secret || scalar.substituted => scalar.kind.name().into(),
            Content::Scalar(scalar) => {
                let shown: String = scalar.text.chars().take(40).collect();
                let cut = if shown.len() < scalar.text.len() {
                    "…"
                } else {
                    ""
                };
                format!("{} `{}{cut}`", scalar.kind.name(), shown.escape_debug())
            }
        }
    }
}

fn property<'s>(schema: &'s Map<String, Value>, key: &str) -> Option<&'s Value> {
    schema.get("properties")?.get(key)
}

pub(crate) fn array<'s>(
    schema: &'s Map<String, Value>,
    word: &str,
) -> impl Iterator<Item = &'s Value> {
    schema
        .get(word)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Makes a value one of the wanted types, if it can be read as one.
fn settle(node: &mut Node, wanted: &[&str]) -> bool {
    let wants = |kind: &str| wanted.contains(&kind);
    let scalar = match &mut node.content {
        Content::List(_) => return wants("array"),
        Content::Map(_) => return wants("object"),
        Content::Scalar(scalar) => scalar,
    };
    let fits = match scalar.kind {
        Kind::Null => wants("null"),
        Kind::Unset => true,
        Kind::Bool(_) => wants("boolean"),
        Kind::Int(_) => wants("integer") || wants("number"),
        Kind::Float(_) => wants("number"),
        Kind::Text => wants("string"),
    };
    if fits {
        return true;
    }
    if scalar.kind == Kind::Null {
        return settle_nothing(node, wanted);
    }
    let word = match scalar.text.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some(true),
        "no" | "off" => Some(false),
        _ => None,
    };
    if let Some(value) = word.filter(|_| scalar.plain && wants("boolean")) {
        scalar.kind = Kind::Bool(value);
        return true;
    }
    if scalar.plain && wants("string") {
        scalar.kind = Kind::Text;
        return true;
    }
    false
}

/// A value that was left out: an empty mapping, list or string, whichever is wanted.
fn settle_nothing(node: &mut Node, wanted: &[&str]) -> bool {
    if wanted.contains(&"object") {
        node.content = Content::Map(Vec::new());
    } else if wanted.contains(&"array") {
        node.content = Content::List(Vec::new());
    } else if let Content::Scalar(scalar) = &mut node.content
        && wanted.contains(&"string")
    {
        scalar.kind = Kind::Text;
        scalar.text.clear();
    } else {
        return false;
    }
    true
}

/// Whether a scalar is the value that the schema names.
pub(crate) fn equals(node: &Node, value: &Value) -> bool {
    let Content::Scalar(scalar) = &node.content else {
        return false;
    };
    match value {
        Value::Null => scalar.kind == Kind::Null,
        Value::Bool(value) => scalar.kind == Kind::Bool(*value),
        Value::Number(value) => match scalar.kind {
            Kind::Int(int) => value.as_i64().map(i128::from) == Some(int),
            Kind::Float(float) => value.as_f64() == Some(float),
            Kind::Null | Kind::Bool(_) | Kind::Text | Kind::Unset => false,
        },
        Value::String(value) => scalar.text == *value && scalar.kind != Kind::Null,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn with_article(kind: &str) -> &str {
    match kind {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

/// "did you mean `x`?" when something known is close enough.
fn nearest(word: &str, known: &[&str]) -> Option<String> {
    // The distance is quadratic in the lengths; a key is a word, not a page.
    if word.len() > 100 {
        return None;
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let nearest = known.iter().min_by_key(|candidate| distance(candidate))?;
    let close = distance(nearest) <= (word.chars().count().max(3) / 3).max(1);
    let part = word.len() >= 3 && (nearest.contains(word) || word.contains(*nearest));
    (close || part).then(|| format!("did you mean `{nearest}`?"))
}

fn listed(known: &[&str]) -> Option<String> {
    let first: Vec<&str> = known.iter().copied().take(KEYS_LISTED_MAX).collect();
    let more = if known.len() > first.len() {
        ", …"
    } else {
        ""
    };
    (!first.is_empty()).then(|| format!("known here: {}{more}", first.join(", ")))
}
