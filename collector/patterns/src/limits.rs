//! How much one segment's dictionary and one block may hold.

/// The most rows of one block.
pub const ROWS_MAX: usize = 1 << 20;
/// The most bytes of the bodies of one block.
pub const BLOCK_BYTES_MAX: usize = 64 << 20;
/// The most variables of one block; rows beyond are kept raw.
pub(crate) const VALUES_MAX: usize = 1 << 24;
/// The most bytes that a dictionary has before it is compressed, which is also what reading
/// one makes room for.
pub(crate) const DICTIONARY_BYTES_MAX: usize = 32 << 20;

/// What an encoder holds to. What does not fit is kept raw, so a limit costs size and speed,
/// never a body.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Templates of a segment.
    pub templates_max: usize,
    /// Bytes of all templates' texts of a segment.
    pub template_bytes_max: usize,
    /// Columns of a segment.
    pub columns_max: usize,
    /// Sources whose way with templates is remembered.
    pub sources_max: usize,
    /// Words shorter than this are not given to the store's list.
    pub token_bytes_min: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            templates_max: 65_536,
            template_bytes_max: 8 << 20,
            columns_max: 8192,
            sources_max: 65_536,
            token_bytes_min: 4,
        }
    }
}

impl Limits {
    /// The same, but no more than a reader takes: every template and all its columns' numbers
    /// fit into [`DICTIONARY_BYTES_MAX`].
    pub(crate) fn readable(mut self) -> Self {
        self.templates_max = self.templates_max.min(65_536);
        self.template_bytes_max = self.template_bytes_max.min(8 << 20);
        self.columns_max = self.columns_max.clamp(1, 16_384);
        self
    }
}
