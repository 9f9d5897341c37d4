//! Decompression into no more room than the header promised.

use crate::damage::Damage;
use std::cell::RefCell;
use zstd::bulk::Decompressor;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Gives back exactly `length` bytes.
pub(crate) fn unzip(zipped: &[u8], length: usize) -> Result<Vec<u8>, Damage> {
    // A frame says how long it is, and a wrong length is refused before room is made.
    let told = zstd::zstd_safe::get_frame_content_size(zipped)
        .ok()
        .flatten();
    if told != Some(length as u64) {
        return Err(Damage(
            "a compressed column has another length than its header says",
        ));
    }
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(
                Decompressor::new().map_err(|_| Damage("zstd has no memory to decompress"))?,
            ),
        };
        match decompressor.decompress(zipped, length) {
            Ok(bytes) if bytes.len() == length => Ok(bytes),
            _ => Err(Damage("a compressed column cannot be decompressed")),
        }
    })
}
