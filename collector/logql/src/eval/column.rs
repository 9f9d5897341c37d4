//! One value per step for one series.

use sonde_proto::Labels;

/// One value per step of one series.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<f64>,
}

/// Stands for "no value": a NaN that no arithmetic makes, because nothing is computed with it,
/// and that no text is read as.
pub(crate) const ABSENT: f64 = f64::from_bits(0x7ff8_0000_0a85_e277);

/// Whether a step has no value.
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

impl Column {
    /// Whether no step has a value.
    pub(crate) fn is_blank(&self) -> bool {
        self.values.iter().all(|value| is_absent(*value))
    }
}

/// The text of all labels, in bytes, with what each takes besides.
pub(crate) fn label_bytes(labels: &Labels) -> usize {
    let bytes = |(name, value): (&str, &str)| name.len() + value.len() + 64;
    64 + labels.iter().map(bytes).sum::<usize>()
}
