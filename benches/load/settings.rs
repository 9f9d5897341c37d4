//! Numbers that the environment and the command line set.

use crate::Failure;

/// The number that a variable of the environment holds.
pub(crate) fn number(name: &str, default: f64) -> Result<f64, Failure> {
    match std::env::var(name) {
        Ok(text) => positive(name, &text),
        Err(_) => Ok(default),
    }
}

/// A number above zero; `name` says where it stands.
pub(crate) fn positive(name: &str, text: &str) -> Result<f64, Failure> {
    let number = text.parse().ok().filter(|n| (1e-3..1e15).contains(n));
    number.ok_or_else(|| format!("{name}: {text:?} is no number above zero").into())
}
