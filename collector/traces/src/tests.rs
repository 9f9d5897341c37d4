//! The store against a plain model of it: the same spans, the same questions.

pub(crate) mod model;
mod plain;
mod oracle;
mod tags;
mod bounds;
mod store;
mod shells;
