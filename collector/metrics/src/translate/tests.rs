//! OTLP in, Prometheus series out.

mod naming;
mod verbatim;
mod scopes;
mod points;
mod exponential;
mod starts;
mod limits;
