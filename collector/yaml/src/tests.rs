//! Texts, and the problems a person is told of.
