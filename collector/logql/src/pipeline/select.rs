//! `| drop` and `| keep`.
//!
//! `keep` never removes `__error__`, so that no mistake gets lost by the way; `drop` does
//! where it is named.

use super::labels::{ERROR, ERROR_DETAILS, LabelSet, LabelsView};
use crate::ast::LabelSelector;
use crate::source::Record;

/// The names that selectors look at the values of.
pub(super) fn names_of_matchers(selectors: &[LabelSelector]) -> impl Iterator<Item = &str> {
    selectors.iter().filter_map(|selector| match selector {
        LabelSelector::Name(_) => None,
        LabelSelector::Matching(matcher) => Some(matcher.name.as_str()),
    })
}

/// All names of selectors.
pub(super) fn names(selectors: &[LabelSelector]) -> impl Iterator<Item = &str> {
    selectors.iter().map(|selector| match selector {
        LabelSelector::Name(name) => name.as_str(),
        LabelSelector::Matching(matcher) => matcher.name.as_str(),
    })
}

pub(super) fn drop(selectors: &[LabelSelector], record: &Record<'_>, labels: &mut LabelSet) {
    for selector in selectors {
        let view = LabelsView {
            record: *record,
            set: labels,
        };
        let (name, goes) = match selector {
            LabelSelector::Name(name) => (name, view.get(name).is_some()),
            LabelSelector::Matching(matcher) => {
                let value = view.get(&matcher.name).unwrap_or_default();
                (&matcher.name, matcher.matches(value))
            }
        };
        if goes {
            match name.as_str() {
                ERROR => labels.forget_mistake(),
                ERROR_DETAILS => labels.forget_details(),
                name => labels.remove(name),
            }
        }
    }
}

pub(super) fn keep(selectors: &[LabelSelector], record: &Record<'_>, labels: &mut LabelSet) {
    if selectors.is_empty() {
        return;
    }
    let stays = |name: &str, value: &str| {
        selectors.iter().any(|selector| match selector {
            LabelSelector::Name(kept) => kept == name,
            LabelSelector::Matching(matcher) => matcher.name == name && matcher.matches(value),
        })
    };
    for name in names(selectors) {
        let view = LabelsView {
            record: *record,
            set: labels,
        };
        // What is covered goes with what covers it.
        let below = view.below(name).filter(|_| labels.parsed(name).is_none());
        if below.is_some_and(|value| stays(name, value)) {
            labels.mark_kept(name);
        }
    }
    labels.keep_marked();
    labels.retain_parsed(stays);
}
