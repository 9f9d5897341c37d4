//! The store against a plain model of it: the same spans, the same questions.

pub(crate) mod model;
mod oracle;
mod bounds;
mod store;
