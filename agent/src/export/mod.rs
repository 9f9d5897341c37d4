//! To the collector: OTLP over gRPC, acknowledged or tried again.
//!
//! Files are spread over lanes by their identity. A lane has one request in flight, so the
//! records of a file arrive in the order of their offsets; the collector drops what it
//! has seen by that order.

pub(crate) mod encode;
pub(crate) mod batch;
mod client;
mod codec;
mod deliver;
mod health;

pub(crate) use client::Client;
pub(crate) use deliver::Delivery;
pub(crate) use health::Health;
