//! The language from outside.

mod parse;
