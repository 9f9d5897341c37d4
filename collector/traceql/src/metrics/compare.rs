//! `compare`: how often each value of each attribute stands on a span of the one side, and how
//! often on one of the other.

use crate::ast::{Intrinsic, Scope};
use crate::source::Trace;
use crate::value::{Static, Value};
use ahash::AHashMap;
use std::collections::BTreeMap;

/// How many attributes are compared.
const ATTRIBUTES_MAX: usize = 500;
/// An attribute of more values is compared by those that came first.
const VALUES_MAX: usize = 1_000;

/// How many counts are kept of all values and intervals together.
const COUNTS_MAX: usize = 1_000_000;

/// How many bytes all attributes and values have at most.
const BYTES_MAX: usize = 32 << 20;

/// Counts by interval.
pub(super) type Counts = BTreeMap<u64, u64>;

/// Both sides: of each attribute its values by type and text, each with both its counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    pub(super) attributes: BTreeMap<String, Values>,
    pub(super) dropped: bool,
    counts: usize,
    bytes: usize,
}

/// The values of one attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) values: AHashMap<String, (Static, [Counts; 2])>,
    pub(super) totals: [Counts; 2],
}

impl Sides {
    /// Counts a span on the side of the selection or on the other.
    pub(super) fn add(&mut self, trace: &dyn Trace, at: usize, is_selected: bool, interval: u64) {
        let span = trace.span(at);
        let side = usize::from(is_selected);
        let intrinsics = [
            (Intrinsic::Name, Value::text(span.name)),
            (Intrinsic::Kind, Value::Kind(span.kind)),
            (Intrinsic::Status, Value::Status(span.status)),
        ];
        for (intrinsic, value) in intrinsics {
            self.count(intrinsic.label().to_owned(), &value, side, interval);
        }
        trace.each_attribute(at, &mut |scope, name, value| {
            if [Scope::Span, Scope::Resource].contains(&scope) {
                self.count(format!("{}.{name}", scope.name()), &value, side, interval);
            }
        });
    }

    fn count(&mut self, attribute: String, value: &Value<'_>, side: usize, interval: u64) {
        if !self.attributes.contains_key(&attribute) {
            let is_full = self.attributes.len() >= ATTRIBUTES_MAX;
            if is_full || self.bytes + attribute.len() > BYTES_MAX {
                self.dropped = true;
                return;
            }
            self.bytes += attribute.len();
        }
        let values = self.attributes.entry(attribute).or_default();
        *values.totals[side].entry(interval).or_default() += 1;
        let key = format!("{} {value}", value.type_name());
        if !values.values.contains_key(&key) {
            let bytes = key.len() + value.bytes();
            if values.values.len() >= VALUES_MAX || self.bytes + bytes > BYTES_MAX {
                self.dropped = true;
                return;
            }
            self.bytes += bytes;
        }
        if self.counts >= COUNTS_MAX {
            self.dropped = true;
            return;
        }
        let (_, counts) = values
            .values
            .entry(key)
            .or_insert_with(|| (value.clone().into_static(), Default::default()));
        let before = counts[side].len();
        *counts[side].entry(interval).or_default() += 1;
        self.counts += counts[side].len() - before;
    }
}
