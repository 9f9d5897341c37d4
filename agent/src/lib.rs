//! What runs on every node: tails logs, reads node metrics, receives OTLP, and forwards it all.
