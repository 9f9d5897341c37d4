//! Parts of an answer, each of which may lack something and says so.

use std::collections::BTreeMap;
use std::fmt::Display;

/// A part of an answer, and why it is not everything.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) found: Vec<T>,
    pub(super) cut: Option<String>,
    /// Whether something that should have been read could not be.
    pub(super) is_failed: bool,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

impl<T> Part<T> {
    pub(super) fn new(found: Vec<T>, cut: Option<String>) -> Self {
        Self {
            found,
            cut,
            is_failed: false,
        }
    }

    pub(super) fn failed(error: impl Display) -> Self {
        let mut part = Self::default();
        part.fail(error);
        part
    }

    /// Says why it is not everything, unless that is said already.
    pub(super) fn cut(&mut self, why: String) {
        self.cut.get_or_insert(why);
    }

    /// Says that something could not be read, which counts more than any limit.
    pub(super) fn fail(&mut self, error: impl Display) {
        if !self.is_failed {
            self.is_failed = true;
            self.cut = Some(error.to_string());
        }
    }
}

/// Why parts are not everything.
#[derive(Default)]
pub(super) struct Cuts {
    pub(super) first: Option<String>,
    pub(super) by_part: BTreeMap<&'static str, String>,
    /// What could not be read.
    pub(super) failure: Option<String>,
}

impl Cuts {
    /// What was found of a part.
    pub(super) fn take<T>(&mut self, name: &'static str, part: Part<T>) -> Vec<T> {
        if part.is_failed && self.failure.is_none() {
            self.failure.clone_from(&part.cut);
        }
        self.note(name, part.cut);
        part.found
    }

    pub(super) fn note(&mut self, name: &'static str, cut: Option<String>) {
        if let Some(cut) = cut {
            self.first.get_or_insert_with(|| cut.clone());
            self.by_part.entry(name).or_insert(cut);
        }
    }
}

/// Two parts at once. The first has a thread of its own.
pub(super) fn both<A: Send, B>(
    first: impl FnOnce() -> Part<A> + Send,
    second: impl FnOnce() -> B,
) -> (Part<A>, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join();
        let failed =
            |_| Part::failed("this part failed inside; this is a defect, please report it");
        (first.unwrap_or_else(failed), second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cut_leads_and_a_failure_counts_more_than_a_limit() {
        let mut part = Part::new(vec![1], None);
        part.cut("one of many".into());
        part.cut("later".into());
        assert_eq!(part.cut.as_deref(), Some("one of many"));
        part.fail("no disk");
        part.fail("later");
        let mut cuts = Cuts::default();
        assert!(cuts.take("logs", Part::<u8>::default()).is_empty());
        assert!(cuts.failure.is_none() && cuts.first.is_none());
        assert_eq!(cuts.take("traces", part), [1]);
        cuts.note("logs", Some("too many".into()));
        cuts.note("traces", Some("again".into()));
        assert_eq!(cuts.failure.as_deref(), Some("no disk"));
        assert_eq!(cuts.first.as_deref(), Some("no disk"));
        assert_eq!(cuts.by_part["traces"], "no disk");
    }

    #[test]
    fn a_part_that_panics_leaves_the_other() {
        let (first, second) = both(|| -> Part<u8> { panic!("on purpose") }, || 7);
        assert!(first.is_failed && first.cut.is_some());
        assert_eq!(second, 7);
    }
}
