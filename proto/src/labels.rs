//! Label sets, as Prometheus, Loki and Alertmanager mean them.

use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Sorted, distinct label names with non-empty values. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

/// A 64-bit hash of a label set: FNV-1a over `name 0xff value 0xff …`, the one that
/// Prometheus and Alertmanager use (`prometheus/common`, `model/signature.go`), so that
/// fingerprints in APIs and files are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Labels {
    /// The label set with no labels.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of a label; `""` where the label is missing, which is the same thing.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0
            .binary_search_by(|(n, _)| (**n).cmp(name))
            .map_or("", |at| &self.0[at].1)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A builder that starts with these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder(self.0.to_vec())
    }

    /// The hash that identifies this set.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        const OFFSET: u64 = 14_695_981_039_346_656_037;
        const PRIME: u64 = 1_099_511_628_211;
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        let add_text = |hash: u64, text: &str| add(text.bytes().fold(hash, add), 0xff);
        Fingerprint(
            self.iter()
                .fold(OFFSET, |h, (n, v)| add_text(add_text(h, n), v)),
        )
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }
}

/// `{a="1", b="2"}`.
impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(d)?;
        Ok(map.into_iter().collect())
    }
}

/// Collects labels; the last value of a name wins, and an empty value removes it.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder(Vec<(Arc<str>, Arc<str>)>);

impl LabelsBuilder {
    /// Sets a label, or removes it when `value` is empty.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.retain(|(n, _)| &**n != name);
        if !value.is_empty() {
            self.0.push((name.into(), value.into()));
        }
        self
    }

    /// The same with texts that other sets have too: a name that ten thousand sets have needs
    /// to be in memory once.
    pub fn set_shared(&mut self, name: &Arc<str>, value: &Arc<str>) -> &mut Self {
        self.0.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.0.push((Arc::clone(name), Arc::clone(value)));
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// Removes every label for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) -> &mut Self {
        self.0.retain(|(n, _)| keep(n));
        self
    }

    /// The finished set.
    #[must_use]
    pub fn build(mut self) -> Labels {
        self.0.sort_unstable();
        Labels(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_alertmanagers() {
        // An empty set hashes to the FNV-1a offset basis, by definition.
        assert_eq!(
            Labels::empty().fingerprint().to_string(),
            "cbf29ce484222325"
        );
        let labels: Labels = [("b", "2"), ("a", "1")].into_iter().collect();
        let same: Labels = [("a", "1"), ("b", "2"), ("c", "")].into_iter().collect();
        assert_eq!(labels.fingerprint(), same.fingerprint());
        assert_ne!(labels.fingerprint(), Labels::empty().fingerprint());
    }

    #[test]
    fn the_last_value_wins_and_an_empty_one_removes() {
        let labels: Labels = [("a", "1"), ("b", "x"), ("a", "2"), ("b", "")]
            .into_iter()
            .collect();
        assert_eq!(labels.to_string(), r#"{a="2"}"#);
        assert_eq!(labels.get("b"), "");
        let texts = ["a", "3", "c", ""].map(std::sync::Arc::from);
        let mut builder = labels.to_builder();
        builder.set_shared(&texts[0], &texts[1]);
        builder.set_shared(&texts[2], &texts[0]);
        assert_eq!(builder.clone().build().to_string(), r#"{a="3", c="a"}"#);
        builder.set_shared(&texts[0], &texts[3]);
        assert_eq!(builder.build().to_string(), r#"{c="a"}"#);
    }
}
