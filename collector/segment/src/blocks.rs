//! The sorted-block file.
