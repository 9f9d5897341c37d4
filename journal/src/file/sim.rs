//! A folder in memory whose power can fail between any two operations.
