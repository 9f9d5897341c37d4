//! YAML that people write: read strictly, with every error at its line and column at once.
//!
//! The path of a text, one file a step:
//!
//! ```text
//! text ─▶ parse ─▶ interpolate ─▶ overrides ─▶ schema ─▶ deserialize ─▶ Checked<T>
//!          tree      ${VAR}        --set a.b=c   checked     T            value and places
//! ```
//!
//! Every step adds to one list of problems, so that a person corrects a file once and not
//! once per mistake. The JSON schema of `T` (by `schemars`) says which keys exist, so that
//! one declaration serves the reader, the checker and the editor.
//!
//! Invariants: no text makes this room panic, hang or use more than a bounded amount of
//! memory ([`BYTES_MAX`], [`DEPTH_MAX`], [`NODES_MAX`]); no message quotes the value of a
//! key that names a secret, nor a value that came from the environment.

mod problem;
mod tree;
mod parse;
mod interpolate;
mod overrides;
mod schema;
mod alternatives;
mod deserialize;
mod locate;
mod checked;

pub use checked::Checked;
pub use problem::{Problem, Problems};

use problem::Report;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tree::Node;

/// The longest text that is read.
pub const BYTES_MAX: usize = 8 << 20;
/// How deep lists and mappings may nest, aliases expanded.
pub const DEPTH_MAX: usize = 64;
/// How many values a text may hold, aliases expanded.
pub const NODES_MAX: usize = 1_000_000;
/// How many problems are listed before the rest is only counted.
pub const PROBLEMS_MAX: usize = 100;

/// What changes a text on its way to a value.
pub struct Options<'a> {
    /// Values that replace those of the text: dotted path (`a.list[0].b`) and YAML value.
    pub overrides: &'a [(String, String)],
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether `${VAR}`, `${VAR:-default}` and `${VAR:?message}` are replaced in values
    /// (`$$` then stands for one `$`).
    pub interpolate: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            overrides: &[],
            env: &unset,
            interpolate: false,
        }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<&str> = self
            .overrides
            .iter()
            .map(|(path, _)| path.as_str())
            .collect();
        f.debug_struct("Options")
            .field("overrides", &paths)
            .field("interpolate", &self.interpolate)
            .finish_non_exhaustive()
    }
}

/// An environment without variables.
fn unset(_: &str) -> Option<String> {
    None
}

/// Reads a text as a `T`. An empty text is a `T` with every default.
///
/// `file` is the name that problems carry.
///
/// # Errors
/// [`Problems`]: everything that is wrong with the text, by place.
pub fn read<T: DeserializeOwned + JsonSchema>(
    file: &str,
    text: &str,
    options: &Options<'_>,
) -> Result<Checked<T>, Problems> {
    read_and_check(file, text, options, Ok)
}

/// Reads a text as a `T`, and makes of it what `check` makes. The check also sees a text
/// with keys that nobody knows, without them, so that a typing error does not hide what
/// else is wrong.
///
/// # Errors
/// [`Problems`]: everything that is wrong with the text, its own problems and those of the
/// check, by place.
pub fn read_and_check<T: DeserializeOwned + JsonSchema, U>(
    file: &str,
    text: &str,
    options: &Options<'_>,
    check: impl FnOnce(Checked<T>) -> Result<U, Problems>,
) -> Result<U, Problems> {
    let mut report = Report::new(file, options.overrides);
    let tree = shape::<T>(text, options, &mut report);
    let readable = tree.zip(report.only_unknown_keys());
    let readable = readable.map(|(tree, unknown)| tree.without_keys(unknown));
    let Some(tree) = readable else {
        return Err(report.finish());
    };
    let value = match deserialize::value(&tree) {
        Ok(value) => value,
        Err((place, message)) => {
            report.add(place, message, None);
            return Err(report.finish());
        }
    };
    let checked = check(Checked::new(value, tree, report.attempt(), text));
    if report.is_empty() {
        return checked;
    }
    let mut problems = report.finish();
    problems
        .0
        .extend(checked.err().into_iter().flat_map(|found| found.0));
    problems
        .0
        .sort_by_key(|problem| (problem.line, problem.column));
    Err(problems)
}

/// The tree as `T` wants it. `None` when the text is no YAML at all.
fn shape<T: JsonSchema>(text: &str, options: &Options<'_>, report: &mut Report) -> Option<Node> {
    let mut tree = parse::document(text, report)?;
    if options.interpolate {
        interpolate::tree(&mut tree, options.env, report);
    }
    overrides::apply(&mut tree, options.overrides, report);
    schema::check(&mut tree, schemars::schema_for!(T).as_value(), report);
    Some(tree)
}

#[cfg(test)]
mod tests;
