//! OTLP in, Prometheus series out.

mod naming;
mod scopes;
mod points;
mod exponential;
mod limits;
