//! OTLP in, Prometheus series out.

mod naming;
mod points;
mod limits;
