//! What is wrong with bytes that should be a block or a dictionary.

/// Bytes that no encoder wrote.
///
/// Flipped bytes are found by the checksums of whoever stores them; this is what keeps bytes
/// that got past those from doing harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "templated bodies are damaged: {0}; restore their segment from a copy or let it be quarantined"
)]
pub struct Damage(pub(crate) &'static str);
