//! The signals against a plain count.
