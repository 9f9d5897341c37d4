//! Snappy's block format, unpacked within bounds.
//!
//! A block says first how many bytes it becomes. That number is a stranger's: it is held
//! against what is allowed, and against what the block can hold, before any memory is taken.

/// The most that a byte of a block becomes: an element of three bytes copies up to 64.
const BYTES_PER_BYTE_MAX: usize = 22;

/// Why a block is not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnappyError {
    /// It is damaged, or no block at all.
    #[error("it is not compressed with snappy: {0}")]
    Malformed(String),
    /// It would become larger than allowed.
    #[error("it has {bytes} bytes once unpacked, and {allowed} are allowed")]
    TooLarge {
        /// What it says it becomes.
        bytes: usize,
        /// What is allowed.
        allowed: usize,
    },
}

/// So much of a buffer is kept for the next block.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// Unpacks one block after the other into the same memory.
#[derive(Debug, Default)]
pub struct Unpacker {
    plain: Vec<u8>,
    /// So much of it is the block unpacked last.
    len: usize,
}

impl Unpacker {
    /// Unpacks a block that becomes at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`SnappyError`]; then nothing was allocated for what the block only claims to hold.
    pub fn unpacked(&mut self, block: &[u8], bytes_max: usize) -> Result<&[u8], SnappyError> {
        self.len = 0;
        let bytes = unpacked_len(block, bytes_max)?;
        if self.plain.len() > BUFFER_BYTES_KEPT {
            self.plain = Vec::new();
        }
        if self.plain.len() < bytes {
            self.plain.resize(bytes, 0);
        }
        let plain = &mut self.plain[..bytes];
        let unpacked = snap::raw::Decoder::new().decompress(block, plain);
        self.len = unpacked.map_err(|error| bad(&error))?;
        Ok(self.plain())
    }

    /// The block that was unpacked last; empty where it could not be.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain[..self.len]
    }
}

/// Unpacks a block that becomes at most `bytes_max` bytes.
///
/// # Errors
/// [`SnappyError`]; then nothing was allocated for what the block only claims to hold.
pub fn unpacked(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, SnappyError> {
    let mut unpacker = Unpacker::default();
    unpacker.unpacked(block, bytes_max)?;
    Ok(unpacker.plain)
}

/// What a block becomes, if that is allowed and can be.
fn unpacked_len(block: &[u8], bytes_max: usize) -> Result<usize, SnappyError> {
    let bytes = snap::raw::decompress_len(block).map_err(|error| bad(&error))?;
    if bytes > bytes_max {
        let allowed = bytes_max;
        return Err(SnappyError::TooLarge { bytes, allowed });
    }
    if bytes > block.len().saturating_mul(BYTES_PER_BYTE_MAX) {
        let len = block.len();
        return Err(SnappyError::Malformed(format!(
            "its {len} bytes cannot become the {bytes} that it says"
        )));
    }
    Ok(bytes)
}

fn bad(error: &snap::Error) -> SnappyError {
    SnappyError::Malformed(error.to_string())
}

/// Packs bytes into a block.
///
/// # Errors
/// [`SnappyError::TooLarge`] for 4 GiB and more.
pub fn packed(bytes: &[u8]) -> Result<Vec<u8>, SnappyError> {
    let packed = snap::raw::Encoder::new().compress_vec(bytes);
    packed.map_err(|_| SnappyError::TooLarge {
        bytes: bytes.len(),
        allowed: u32::MAX as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_is_unpacked(bytes in prop::collection::vec(0_u8..4, 0..2000)) {
            let block = packed(&bytes).unwrap();
            prop_assert_eq!(unpacked(&block, bytes.len()), Ok(bytes.clone()));
            let mut unpacker = Unpacker::default();
            for bytes in [&bytes[..], b"longer than some, and kept", &bytes] {
                let block = packed(bytes).unwrap();
                prop_assert_eq!(unpacker.unpacked(&block, 4000), Ok(bytes));
            }
            if let Some(less) = bytes.len().checked_sub(1) {
                let refused = SnappyError::TooLarge { bytes: bytes.len(), allowed: less };
                prop_assert_eq!(unpacked(&block, less), Err(refused));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpacked(&bytes, 1 << 20);
        }
    }

    /// The densest block there is stays within what a block can hold.
    #[test]
    fn the_densest_block_is_unpacked() {
        let zeros = vec![0; 8 << 20];
        let block = packed(&zeros).unwrap();
        assert!(block.len() * BYTES_PER_BYTE_MAX > zeros.len());
        assert_eq!(unpacked(&block, zeros.len()), Ok(zeros));
    }

    #[test]
    fn a_block_that_says_more_than_it_can_hold_takes_no_memory() {
        // 1 GiB, in five bytes.
        let error = unpacked(&[0x80, 0x80, 0x80, 0x80, 0x04], usize::MAX).unwrap_err();
        assert!(error.to_string().contains("cannot become"), "{error}");
    }
}
