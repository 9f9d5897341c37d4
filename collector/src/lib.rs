//! What makes everything that arrives durable, searchable, and into alerts.
