//! The signals against a plain count, and the shipped rules against their table.

mod count;
mod graph;
mod model;
mod rules;
mod timeline;
