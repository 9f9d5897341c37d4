//! Immutable segments, their blocks, and the manifest that makes them visible.
