//! Go templates, bounded in time, depth and output.
//!
//! A text goes through `lex` and `parse` into the definitions of a [`Set`]; `exec` walks
//! a definition over a [`Value`] and, for HTML, `html` escapes what actions yield by where
//! in the page they stand. The language is that of Go's `text/template` and `html/template`
//! with `missingkey=zero`, as Prometheus and Alertmanager use it. Nothing here does I/O, reads
//! a clock or calls anything but the functions it is given.

mod lex;

mod ast;
mod parse;

mod builtin;
mod exec;
mod format;
mod html;
mod number;
mod set;

mod error;
mod funcs;
mod limits;
mod time;
mod value;

pub use error::TemplateError;
pub use funcs::{Funcs, Host, NoHost};
pub use limits::{DEPTH_MAX, Limits, TEXT_BYTES_MAX};
pub use set::Set;
pub use time::{Time, duration};
pub use value::{Map, Object, Value};
