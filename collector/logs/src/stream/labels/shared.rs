//! Texts that many streams have, kept once: fifty thousand pods run on a few hundred nodes, and
//! all of them have the same library for their telemetry.

use ahash::AHashSet;
use std::sync::Arc;

/// How many of each are known. Then all are forgotten, and what many streams have is soon
/// known again.
const KNOWN_MAX: usize = 4096;
/// What is longer is hardly what many have.
const BYTES_MAX: usize = 256;

/// What streams had that were made before.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    values: AHashSet<Arc<str>>,
    resources: AHashSet<Arc<[(String, String)]>>,
}

impl Shared {
    /// The value of a label.
    pub(super) fn value(&mut self, value: &str) -> Arc<str> {
        if let Some(known) = self.values.get(value) {
            return Arc::clone(known);
        }
        let new: Arc<str> = value.into();
        keep(&mut self.values, &new, value.len());
        new
    }

    /// The attributes of a resource that are no labels.
    pub(super) fn resource(&mut self, rest: Vec<(String, String)>) -> Arc<[(String, String)]> {
        if let Some(known) = self.resources.get(rest.as_slice()) {
            return Arc::clone(known);
        }
        let bytes = rest.iter().map(|(name, value)| name.len() + value.len());
        let bytes = bytes.sum();
        let new = rest.into();
        keep(&mut self.resources, &new, bytes);
        new
    }
}

fn keep<T: ?Sized + std::hash::Hash + Eq>(
    known: &mut AHashSet<Arc<T>>,
    new: &Arc<T>,
    bytes: usize,
) {
    if bytes > BYTES_MAX {
        return;
    }
    if known.len() >= KNOWN_MAX {
        known.clear();
    }
    known.insert(Arc::clone(new));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_few_are_known() {
        let mut shared = Shared::default();
        let (a, b) = (shared.value("node-1"), shared.value("node-1"));
        assert!(Arc::ptr_eq(&a, &b));
        let rest = |n: usize| vec![("telemetry.sdk.name".to_owned(), n.to_string())];
        let (c, d) = (shared.resource(rest(1)), shared.resource(rest(1)));
        assert!(Arc::ptr_eq(&c, &d));
        let long = "x".repeat(BYTES_MAX + 1);
        assert_eq!(*shared.value(&long), *long);
        assert!(!shared.values.contains(long.as_str()));
        for n in 0..3 * KNOWN_MAX {
            assert_eq!(*shared.value(&n.to_string()), *n.to_string());
            assert_eq!(*shared.resource(rest(n)), *rest(n));
            assert!(shared.values.len() <= KNOWN_MAX && shared.resources.len() <= KNOWN_MAX);
        }
        assert_eq!(*a, *"node-1");
    }
}
