//! The buckets of one side as indexes and counts, and back.

use sonde_proto::{BucketSpan, Buckets};

/// Indexes and counts, lowest index first.
pub(super) fn entries(buckets: &Buckets) -> impl Iterator<Item = (i64, f64)> + '_ {
    buckets.indexes().zip(buckets.counts.iter().copied())
}

/// Buckets of indexes that rise; those that are empty are left out.
pub(super) fn collect(entries: impl Iterator<Item = (i64, f64)>) -> Buckets {
    collect_all(entries.filter(|(_, count)| *count != 0.0))
}

/// The same with those that are empty.
pub(super) fn collect_all(entries: impl Iterator<Item = (i64, f64)>) -> Buckets {
    let mut buckets = Buckets::default();
    let mut next = 0_i64;
    for (index, count) in entries {
        let mut gap = index - next;
        // Farther than one span can say.
        while gap > i64::from(i32::MAX) {
            buckets.spans.push(span(i32::MAX, 0));
            gap -= i64::from(i32::MAX);
        }
        match buckets.spans.last_mut() {
            Some(last) if gap == 0 => last.length += 1,
            _ => buckets.spans.push(span(gap as i32, 1)),
        }
        buckets.counts.push(count);
        next = index + 1;
    }
    buckets
}

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

/// Adds neighbours that have the same index after `index` was applied; it must not change
/// the order.
pub(super) fn regroup(buckets: &Buckets, index: impl Fn(i64) -> i64) -> Buckets {
    let mut merged: Vec<(i64, f64)> = Vec::with_capacity(buckets.counts.len());
    for (old, count) in entries(buckets) {
        let new = index(old);
        match merged.last_mut() {
            Some((last, sum)) if *last == new => *sum += count,
            _ => merged.push((new, count)),
        }
    }
    collect(merged.into_iter())
}

/// What is in both or either, with `sign` times the other's counts.
pub(super) fn merge(to: &mut Buckets, other: &Buckets, sign: f64) {
    if to.spans == other.spans && to.counts.len() == other.counts.len() {
        let counts = to.counts.iter_mut().zip(&other.counts);
        return counts.for_each(|(to, other)| *to += sign * other);
    }
    let mut merged = Vec::with_capacity(to.counts.len() + other.counts.len());
    let mut theirs = entries(other).peekable();
    for (index, count) in entries(to) {
        while let Some((at, more)) = theirs.next_if(|(at, _)| *at < index) {
            merged.push((at, sign * more));
        }
        let more = theirs.next_if(|(at, _)| *at == index);
        merged.push((index, count + more.map_or(0.0, |(_, more)| sign * more)));
    }
    merged.extend(theirs.map(|(at, more)| (at, sign * more)));
    *to = collect(merged.into_iter());
}
