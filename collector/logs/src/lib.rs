//! The log store: segments, the unsealed tail, search, and LogQL.
