//! What one execution may use.

/// The deepest nesting that is ever allowed, so that no template exhausts the stack.
pub const DEPTH_MAX: usize = 128;

/// The longest text that is read as a template.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The most variables that one template may have at a place.
pub(crate) const VARIABLES_MAX: usize = 1_000;

/// What one execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many steps: actions, commands, rounds of a loop, and parts of the values that
    /// functions take and yield.
    pub steps: u64,
    /// How long the output, and any value on the way to it, may be.
    pub output_bytes: usize,
    /// How deep templates, blocks and parentheses may nest; at most [`DEPTH_MAX`].
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 1_000_000,
            output_bytes: 1 << 20,
            depth: DEPTH_MAX,
        }
    }
}
