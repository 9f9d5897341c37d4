//! What the older Prometheus answers otherwise than version 3, which Sonde follows; or what
//! Sonde says otherwise on purpose. Each with its reason, and questions that show it and must
//! go on differing for this reason.

use super::compare::Reply;
use super::generate::Question;

/// A question with two answers that are not alike.
pub(super) struct Pair<'a> {
    pub(super) question: &'a Question,
    pub(super) ours: &'a Reply,
    pub(super) theirs: &'a Reply,
}

/// A known difference.
pub(super) struct Explained {
    pub(super) why: &'static str,
    pub(super) explains: fn(&Pair<'_>) -> bool,
    pub(super) shown_by: &'static [&'static str],
}

impl Pair<'_> {
    fn asks(&self, word: &str) -> bool {
        self.question.expr.contains(word)
    }

    /// What we and they say of a failure; nothing where there is none.
    fn errors(&self) -> (&str, &str) {
        (
            self.ours.error().unwrap_or_default(),
            self.theirs.error().unwrap_or_default(),
        )
    }
}

/// All of them.
pub(super) const EXPLAINED: &[Explained] = &[];
