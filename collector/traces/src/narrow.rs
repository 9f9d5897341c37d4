//! What a query surely needs: from it alone the store finds the few traces that have to be read.
//!
//! ```text
//! {A && B} >> ({C} || {D})     needs a span that is A and B, and a span that is C or D:
//!                              clause [A B], clause [C, D]
//! ```
//!
//! Each clause must be satisfied, in one of its alternatives, by some span of a matching trace
//! that runs in the time searched; everything that one alternative asks for must hold of the
//! same span. What cannot be said
//! this way is left out: a narrowing may let through what does not match, and never keeps out
//! what does.

use crate::codes::{self, CodeNeeds};
use crate::token::{self, Kind, kind_name, status_name};

/// Conditions that every matching trace satisfies.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    clauses: Vec<Vec<SpanNeeds>>,
}

/// Conditions on one span, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanNeeds {
    /// Its service: the resource's `service.name`, as [`crate::Span::service`].
    pub service: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its status by number, as in OTLP.
    pub status: Option<u64>,
    /// Its kind by number, as in OTLP.
    pub kind: Option<u64>,
    /// How long it took: from, and up to, both inclusive.
    pub nanos: (u64, u64),
    /// Attributes of the span or of its resource, and their values as text. An empty value
    /// cannot be asked for and must be left out.
    pub attributes: Vec<(String, String)>,
    /// Tokens of other kinds.
    pub(crate) tokens: Vec<u64>,
}

impl Default for SpanNeeds {
    fn default() -> Self {
        Self {
            service: None,
            name: None,
            status: None,
            kind: None,
            nanos: (0, u64::MAX),
            attributes: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

/// The same, as it can be asked of an index.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    /// A trace's part that has such a span has all of these.
    pub(crate) tokens: Vec<u64>,
    /// What the span's code must be; nothing where the tokens say it all.
    pub(crate) code: CodeNeeds,
}

impl Narrowing {
    /// The same query needs a span that is one of `alternatives`. No alternative at all can
    /// hold of no span, and nothing is found.
    #[must_use]
    pub fn and(mut self, alternatives: Vec<SpanNeeds>) -> Self {
        self.clauses.push(alternatives);
        self
    }

    /// The clauses as they are asked of an index, without those that every span satisfies.
    pub(crate) fn clauses(&self) -> Vec<Vec<Needs>> {
        let all = self.clauses.iter();
        let clauses = all.map(|clause| clause.iter().map(SpanNeeds::needs).collect::<Vec<_>>());
        clauses
            .filter(|clause| !clause.iter().any(Needs::is_nothing))
            .collect()
    }
}

impl SpanNeeds {
    pub(crate) fn of_token(token: u64) -> Self {
        Self {
            tokens: vec![token],
            ..Self::default()
        }
    }

    fn needs(&self) -> Needs {
        let mut tokens = self.tokens.clone();
        let text = |kind, text: &Option<String>| {
            let text = text.as_ref()?;
            token::token(kind, "", text.as_bytes())
        };
        tokens.extend(text(Kind::Service, &self.service));
        tokens.extend(text(Kind::Operation, &self.name));
        let named = |name: &str, kind| token::token(kind, "", name.as_bytes());
        tokens.extend(
            self.status
                .and_then(|n| named(status_name(n), Kind::Status)),
        );
        tokens.extend(self.kind.and_then(|n| named(kind_name(n), Kind::Role)));
        let attributes = self.attributes.iter();
        tokens.extend(attributes.filter_map(|(key, value)| {
            let is_asked = !value.is_empty();
            is_asked
                .then(|| token::token(Kind::Attribute, key, value.as_bytes()))
                .flatten()
        }));
        Needs {
            code: self.code(&tokens),
            tokens,
        }
    }

    /// The code brings nothing where one token is all there is.
    fn code(&self, tokens: &[u64]) -> CodeNeeds {
        let is_timed = self.nanos != (0, u64::MAX);
        let mut code = CodeNeeds::default();
        if tokens.len() <= 1 && !is_timed {
            return code;
        }
        code.service = self.service.as_deref().and_then(codes::service);
        code.name = self.name.as_deref().and_then(codes::name);
        code.nanos = (codes::nanos(self.nanos.0), codes::nanos(self.nanos.1));
        if !is_timed {
            code.nanos = CodeNeeds::default().nanos;
        }
        self.status.into_iter().for_each(|n| code.need_status(n));
        self.kind.into_iter().for_each(|n| code.need_kind(n));
        code
    }
}

impl Needs {
    fn is_nothing(&self) -> bool {
        self.tokens.is_empty() && self.code.is_nothing()
    }
}
