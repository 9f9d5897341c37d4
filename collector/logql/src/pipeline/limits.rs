//! What one record may cost, and which of its labels are wanted.

/// What one record may cost in a pipeline. What goes beyond is left out, and the record is
/// marked with `__error__="PipelineLimitErr"`, so that an answer is never silently a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineLimits {
    /// How many labels may be taken out of a line or set: 1,000.
    pub labels_max: usize,
    /// How many bytes their names and values may have together: 1 MiB.
    pub label_bytes_max: usize,
    /// How deep objects are followed into each other: 64.
    pub json_depth_max: usize,
    /// How long what a template yields may be, in bytes: 256 KiB.
    pub template_bytes_max: usize,
    /// How many steps a template may take: 100,000.
    pub template_steps_max: u64,
    /// How many different values `distinct` remembers for each of its labels: 100,000.
    pub distinct_max: usize,
}

impl Default for PipelineLimits {
    fn default() -> Self {
        Self {
            labels_max: 1_000,
            label_bytes_max: 1 << 20,
            json_depth_max: 64,
            template_bytes_max: 256 << 10,
            template_steps_max: 100_000,
            distinct_max: 100_000,
        }
    }
}

/// Which labels are looked at after a pipeline: parsers take out only those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    #[default]
    All,
    /// These. Parsers with nothing to take out do not look at the line, as in Loki, and
    /// so find no mistake in it; where mistakes matter, ask for `__error__`.
    Only(Vec<String>),
}

impl Wanted {
    /// No labels at all: records are only counted.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Only(Vec::new())
    }

    /// Wants these too.
    pub(super) fn add<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        if let Self::Only(wanted) = self {
            for name in names {
                if !wanted.iter().any(|known| known == name) {
                    wanted.push(name.to_owned());
                }
            }
        }
    }

    /// Whether the label of exactly this name is wanted.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known == name),
        }
    }

    /// Whether a key of this name may become a wanted label: under its own name, or with
    /// the suffix that keeps it apart from a label of the stream.
    pub(super) fn may_have(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| without_suffix(known, name)),
        }
    }

    /// Whether an object under this name may hold a wanted label.
    pub(super) fn may_have_within(&self, prefix: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known.starts_with(prefix)),
        }
    }

    /// Whether nothing is wanted.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }
}

fn without_suffix(known: &str, name: &str) -> bool {
    known
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest == super::labels::DUPLICATE_SUFFIX)
}
