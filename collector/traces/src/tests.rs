//! The store against a plain model of it.
