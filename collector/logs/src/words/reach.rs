//! What the identifiers of some texts look like together: enough to see that none of them
//! can hold a part that is longer than they are, or that has other bytes.
//!
//! ```text
//! reach = lengths u64: bit n is set where one has n bytes (bit 63: 63 bytes or more)
//!         bytes 4 × u64: bit b is set where one has the byte b
//! ```
//!
//! This is what makes a pasted identifier quick: where all identifiers of a block are of 16
//! hex digits, one of 16 hex digits can only be a whole one there, and `timeout` none of them.

/// The lengths and the bytes of all identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    lengths: u64,
    bytes: [u64; 4],
}

impl Reach {
    /// How many bytes it takes in a file.
    pub(crate) const BYTES: usize = 40;

    /// Takes an identifier in.
    pub(crate) fn add(&mut self, identifier: &[u8]) {
        self.lengths |= 1 << identifier.len().min(63);
        for byte in identifier {
            self.bytes[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
    }

    /// Whether an identifier that is longer than `part` can hold it.
    pub(crate) fn goes_beyond(&self, part: &[u8]) -> bool {
        let longer = match part.len() {
            0..63 => self.lengths >> (part.len() + 1) != 0,
            _ => self.lengths >> 63 != 0,
        };
        longer
            && part
                .iter()
                .all(|b| self.bytes[usize::from(b >> 6)] >> (b & 63) & 1 == 1)
    }

    /// As it lies in a file.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for word in [self.lengths].iter().chain(&self.bytes) {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(crate) fn read(bytes: &[u8; Self::BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |n: usize| u64::from_le_bytes(words[n]);
        Self {
            lengths: word(0),
            bytes: [word(1), word(2), word(3), word(4)],
        }
    }
}
