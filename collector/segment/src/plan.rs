//! What to merge and what to let go.
