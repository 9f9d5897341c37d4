//! The trace store: spans by trace, search over them, and the lookup of request IDs.
