//! Conditions and values of a span.
//!
//! ```text
//! lowest   && ||             from left to right, one precedence
//!          = != < <= > >= =~ !~
//!          + -
//!          - !               before what they apply to
//!          * / %
//! highest  ^                 from right to left
//! ```

use super::{FIELDS_MAX, Parser};
use crate::ast::{Attribute, Compare, Field, FieldOp, Intrinsic, Math, Scope};
use crate::pattern::Pattern;
use crate::value::{Kind, Static, Status, Value};
use sonde_lex::ParseError;

/// The longest name of an attribute.
const NAME_BYTES_MAX: usize = 1024;

/// What a field may be, as far as the query alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Unknown,
    Nil,
    Text,
    Number,
    Bool,
    Status,
    Kind,
}

impl Parser<'_> {
    /// A field that is a condition.
    pub(super) fn condition(&mut self) -> Result<Field, ParseError> {
        let at = self.at;
        let field = self.field()?;
        if ![Type::Bool, Type::Unknown].contains(&type_of(&field)) {
            return Err(self.error_at(
                at,
                "this is a value and no condition; compare it with another, as in duration > 1s",
            ));
        }
        Ok(field)
    }

    /// A field in parentheses that must be a number.
    pub(super) fn number_field(&mut self) -> Result<Field, ParseError> {
        let at = self.at;
        let field = self.field()?;
        if ![Type::Number, Type::Unknown].contains(&type_of(&field)) {
            return Err(self.error_at(at, "expected a number, such as duration or an attribute"));
        }
        Ok(field)
    }

    /// `(field, ...)`
    pub(super) fn fields(&mut self, of: &str) -> Result<Vec<Field>, ParseError> {
        self.expect("(", &format!("after {of}"))?;
        let mut fields = Vec::new();
        loop {
            if fields.len() == FIELDS_MAX {
                return Err(self.error(format!("{of} takes at most {FIELDS_MAX} fields")));
            }
            fields.push(self.field()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")", &format!("after the fields of {of}"))?;
        Ok(fields)
    }

    pub(super) fn field(&mut self) -> Result<Field, ParseError> {
        let mut left = self.comparison()?;
        loop {
            let at = self.at;
            let op = if self.eat("&&") {
                FieldOp::And
            } else if self.eat("||") {
                FieldOp::Or
            } else {
                return Ok(left);
            };
            let right = self.comparison()?;
            left = self.binary(left, op, right, at)?;
        }
    }

    fn comparison(&mut self) -> Result<Field, ParseError> {
        let mut left = self.sum()?;
        loop {
            let at = self.at;
            if self.rest().starts_with("=~") || self.rest().starts_with("!~") {
                left = self.pattern(left)?;
            } else if let Some(op) = self.compare() {
                let right = self.sum()?;
                left = self.binary(left, FieldOp::Compare(op), right, at)?;
            } else {
                return Ok(left);
            }
        }
    }

    pub(super) fn compare(&mut self) -> Option<Compare> {
        let all = [
            ("!=", Compare::NotEqual),
            ("<=", Compare::LessEqual),
            (">=", Compare::GreaterEqual),
            ("=", Compare::Equal),
            ("<", Compare::Less),
            (">", Compare::Greater),
        ];
        all.into_iter()
            .find_map(|(sign, op)| self.eat(sign).then_some(op))
    }

    fn pattern(&mut self, left: Field) -> Result<Field, ParseError> {
        let negated = self.rest().starts_with('!');
        if ![Type::Text, Type::Unknown].contains(&type_of(&left)) {
            return Err(self.error(format!(
                "a regular expression is for text, and this is {}",
                describe(type_of(&left))
            )));
        }
        self.at += 2;
        self.skip_blank();
        let at = self.at;
        self.count_part()?;
        let Some(Value::Str(text)) = self.literal()? else {
            return Err(self.error_at(at, "expected a regular expression in quotes"));
        };
        let pattern = Pattern::new(&text, &mut self.patterns)
            .map_err(|error| self.error_at(at, format!("bad regular expression: {error}")))?;
        Ok(Field::Match {
            field: Box::new(left),
            pattern,
            negated,
        })
    }

    fn sum(&mut self) -> Result<Field, ParseError> {
        let mut left = self.product()?;
        loop {
            let at = self.at;
            let op = if self.eat("+") {
                Math::Add
            } else if self.eat("-") {
                Math::Sub
            } else {
                return Ok(left);
            };
            let right = self.product()?;
            left = self.binary(left, FieldOp::Math(op), right, at)?;
        }
    }

    fn product(&mut self) -> Result<Field, ParseError> {
        let mut left = self.power()?;
        loop {
            let at = self.at;
            let op = match self.rest().chars().next() {
                Some('*') => Math::Mul,
                Some('/') => Math::Div,
                Some('%') => Math::Mod,
                _ => return Ok(left),
            };
            self.at += 1;
            self.skip_blank();
            let right = self.power()?;
            left = self.binary(left, FieldOp::Math(op), right, at)?;
        }
    }

    fn power(&mut self) -> Result<Field, ParseError> {
        let left = self.operand()?;
        let at = self.at;
        if !self.eat("^") {
            return Ok(left);
        }
        let right = self.nested(Self::power)?;
        self.binary(left, FieldOp::Math(Math::Pow), right, at)
    }

    fn binary(
        &mut self,
        left: Field,
        op: FieldOp,
        right: Field,
        at: usize,
    ) -> Result<Field, ParseError> {
        if let Err(why) = check(type_of(&left), op, type_of(&right)) {
            return Err(self.error_at(at, why));
        }
        Ok(Field::Binary {
            left: Box::new(left),
            op,
            right: Box::new(right),
        })
    }

    fn operand(&mut self) -> Result<Field, ParseError> {
        self.count_part()?;
        let at = self.at;
        if self.eat("(") {
            let inner = self.nested(Self::field)?;
            self.expect(")", "after what stands in these parentheses")?;
            return Ok(inner);
        }
        if self.eat("-") {
            let inner = self.nested(Self::product)?;
            return match (type_of(&inner), inner) {
                (_, Field::Literal(Value::Int(n))) => Ok(int(n.wrapping_neg())),
                (_, Field::Literal(Value::Float(n))) => Ok(Field::Literal(Value::Float(-n))),
                (_, Field::Literal(Value::Duration(n))) => {
                    Ok(Field::Literal(Value::Duration(n.wrapping_neg())))
                }
                (Type::Number | Type::Unknown, inner) => Ok(Field::Minus(Box::new(inner))),
                _ => Err(self.error_at(at, "- stands before a number")),
            };
        }
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.eat("!");
            let inner = self.nested(Self::product)?;
            if ![Type::Bool, Type::Unknown].contains(&type_of(&inner)) {
                return Err(self.error_at(
                    at,
                    "! stands before a condition; put a comparison in parentheses, as in !(a = b)",
                ));
            }
            return Ok(Field::Not(Box::new(inner)));
        }
        if let Some(value) = self.literal()? {
            return Ok(Field::Literal(value));
        }
        self.name()
    }

    /// A value, where one stands here.
    pub(super) fn literal(&mut self) -> Result<Option<Static>, ParseError> {
        let rest = self.rest();
        if rest.starts_with(['"', '`']) {
            let (text, end) = sonde_lex::string(self.text, self.at)?;
            self.at = end;
            self.skip_blank();
            return Ok(Some(Value::Str(text.into_owned().into())));
        }
        let is_number = rest.starts_with(|c: char| c.is_ascii_digit())
            || rest
                .strip_prefix('.')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if is_number {
            return self.number().map(Some);
        }
        let word = self.word();
        let behind = &rest[word.len()..];
        if behind.starts_with(['.', ':']) {
            return Ok(None);
        }
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "nil" => Value::Nil,
            _ => {
                let status = Status::ALL.into_iter().find(|s| s.name() == word);
                let kind = Kind::ALL.into_iter().find(|k| k.name() == word);
                match (status, kind) {
                    (Some(status), _) => Value::Status(status),
                    (_, Some(kind)) => Value::Kind(kind),
                    _ => return Ok(None),
                }
            }
        };
        self.eat(word);
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Static, ParseError> {
        let at = self.at;
        let rest = self.rest();
        let too_large = || ParseError::new(self.text, at, "this number is too large");
        let (end, value) = if let Some((end, nanos)) = sonde_lex::duration(rest) {
            (end, Value::Duration(nanos.ok_or_else(too_large)?))
        } else {
            let (end, number) = sonde_lex::number(rest);
            let number = number.filter(|n| n.is_finite()).ok_or_else(too_large)?;
            let digits = &rest[..end];
            if digits.bytes().all(|b| b.is_ascii_digit()) {
                (end, Value::Int(digits.parse().map_err(|_| too_large())?))
            } else {
                (end, Value::Float(number))
            }
        };
        if rest[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
            let message = "this is neither a number nor a duration; write for example 5, 1.5, 100ms or 2m, and text in quotes";
            return Err(self.error_at(at, message));
        }
        self.at += end;
        self.skip_blank();
        Ok(value)
    }

    /// An attribute or an intrinsic.
    fn name(&mut self) -> Result<Field, ParseError> {
        let at = self.at;
        if self.rest().starts_with('.') {
            self.at += 1;
            return self.attribute(Scope::Any, false);
        }
        let word = self.word();
        let behind = &self.rest()[word.len()..];
        if let Some(inner) = behind.strip_prefix(':') {
            let is_word = |c: char| c.is_ascii_alphanumeric();
            let len = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
            let full = &self.rest()[..word.len() + 1 + len];
            let Some(intrinsic) = Intrinsic::named(full) else {
                return Err(self.error(unknown_intrinsic(word)));
            };
            self.eat(full);
            return Ok(Field::Intrinsic(intrinsic));
        }
        if behind.starts_with('.') {
            let scope = Scope::named(word);
            let of_parent = word == "parent";
            if scope.is_none() && !of_parent {
                return Err(self.error_at(
                    at,
                    format!(
                        "{word:?} is no scope; write .{word} for an attribute of the span or its resource, or begin with span. resource. event. link. instrumentation. or parent."
                    ),
                ));
            }
            self.at += word.len() + 1;
            if of_parent {
                for scope in [Scope::Span, Scope::Resource] {
                    let rest = self.rest();
                    if let Some(rest) = rest.strip_prefix(scope.name())
                        && rest.starts_with('.')
                    {
                        self.at += scope.name().len() + 1;
                        return self.attribute(scope, true);
                    }
                }
            }
            return self.attribute(scope.unwrap_or(Scope::Any), of_parent);
        }
        let intrinsic = Intrinsic::named(word).ok_or_else(|| {
            let message = if word.is_empty() {
                "expected a value, an attribute such as span.http.route, or name, status, kind or duration".to_owned()
            } else {
                format!("{word:?} is unknown; write .{word} for an attribute, or \"{word}\" for text")
            };
            self.error(message)
        })?;
        self.eat(word);
        Ok(Field::Intrinsic(intrinsic))
    }

    /// The name of an attribute, quoted in parts or as a whole.
    fn attribute(&mut self, scope: Scope, of_parent: bool) -> Result<Field, ParseError> {
        let (at, mut name) = (self.at, String::new());
        while let Some(c) = self.rest().chars().next() {
            if c == '"' {
                let (part, end) = sonde_lex::string(self.text, self.at)?;
                name.push_str(&part);
                self.at = end;
            } else if c.is_whitespace() || "{}()=~!<>&|^,`".contains(c) {
                break;
            } else {
                name.push(c);
                self.at += c.len_utf8();
            }
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(self.error_at(
                at,
                format!("expected the name of an attribute, of at most {NAME_BYTES_MAX} bytes"),
            ));
        }
        self.skip_blank();
        Ok(Field::Attribute(Attribute {
            scope,
            of_parent,
            name,
        }))
    }
}

fn int(n: i64) -> Field {
    Field::Literal(Value::Int(n))
}

fn unknown_intrinsic(scope: &str) -> String {
    let prefix = format!("{scope}:");
    let all = Intrinsic::ALL.into_iter().map(|(_, name, _)| name);
    let known: Vec<&str> = all.filter(|name| name.starts_with(&prefix)).collect();
    if known.is_empty() {
        format!("{prefix} has nothing; there are span: trace: event: link: and instrumentation:")
    } else {
        format!("expected one of {}", known.join(", "))
    }
}

/// What a field may be.
pub(super) fn type_of(field: &Field) -> Type {
    match field {
        Field::Attribute(_) => Type::Unknown,
        Field::Literal(value) => match value {
            Value::Nil => Type::Nil,
            Value::Str(_) => Type::Text,
            Value::Int(_) | Value::Float(_) | Value::Duration(_) => Type::Number,
            Value::Bool(_) => Type::Bool,
            Value::Status(_) => Type::Status,
            Value::Kind(_) => Type::Kind,
            Value::List(_) => Type::Unknown,
        },
        Field::Intrinsic(intrinsic) => match intrinsic {
            Intrinsic::Duration
            | Intrinsic::ChildCount
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent
            | Intrinsic::TraceDuration
            | Intrinsic::EventTimeSinceStart => Type::Number,
            Intrinsic::Status => Type::Status,
            Intrinsic::Kind => Type::Kind,
            Intrinsic::Parent => Type::Nil,
            Intrinsic::Name
            | Intrinsic::StatusMessage
            | Intrinsic::Id
            | Intrinsic::ParentId
            | Intrinsic::RootName
            | Intrinsic::RootService
            | Intrinsic::TraceId
            | Intrinsic::EventName
            | Intrinsic::LinkTraceId
            | Intrinsic::LinkSpanId
            | Intrinsic::InstrumentationName
            | Intrinsic::InstrumentationVersion => Type::Text,
        },
        Field::Binary { op, .. } => match op {
            FieldOp::Math(_) => Type::Number,
            FieldOp::And | FieldOp::Or | FieldOp::Compare(_) => Type::Bool,
        },
        Field::Match { .. } | Field::Not(_) => Type::Bool,
        Field::Minus(_) => Type::Number,
    }
}

fn describe(kind: Type) -> &'static str {
    match kind {
        Type::Unknown => "anything",
        Type::Nil => "nil",
        Type::Text => "text",
        Type::Number => "a number",
        Type::Bool => "a condition",
        Type::Status => "a status (error, ok or unset, without quotes)",
        Type::Kind => {
            "a kind (server, client, internal, producer, consumer or unspecified, without quotes)"
        }
    }
}

/// Whether an operator can do something with two types.
fn check(left: Type, op: FieldOp, right: Type) -> Result<(), String> {
    let fits = |wanted: Type| {
        [left, right]
            .into_iter()
            .all(|found| [wanted, Type::Unknown].contains(&found))
    };
    match op {
        FieldOp::And | FieldOp::Or if fits(Type::Bool) => Ok(()),
        FieldOp::And | FieldOp::Or => Err(
            "&& and || stand between conditions, and one side is a value; compare it with another"
                .to_owned(),
        ),
        FieldOp::Math(_) if fits(Type::Number) => Ok(()),
        FieldOp::Math(_) => Err(format!(
            "numbers are needed on both sides, and there stand {} and {}",
            describe(left),
            describe(right)
        )),
        FieldOp::Compare(op) => {
            let is_equality = [Compare::Equal, Compare::NotEqual].contains(&op);
            let has_nil = left == Type::Nil || right == Type::Nil;
            let unknown = left == Type::Unknown || right == Type::Unknown;
            if !is_equality {
                let ordered = |found| [Type::Number, Type::Text, Type::Unknown].contains(&found);
                if let Some(found) = [left, right].into_iter().find(|found| !ordered(*found)) {
                    return Err(format!("only = and != compare {}", describe(found)));
                }
            }
            if left == right || unknown || has_nil {
                return Ok(());
            }
            Err(format!(
                "{} is never equal to {}",
                describe(left),
                describe(right)
            ))
        }
    }
}
