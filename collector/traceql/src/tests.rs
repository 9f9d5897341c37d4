//! The language from outside.

mod parse;
mod lenient;
