//! The functions that templates may call beside the language's own: Loki's, and those of
//! sprig that Loki lends. Arguments are as there, the piped one last.

mod decimal;
mod layout;
mod numbers;
mod texts;
mod times;

use sonde_proto::UnixNanos;
use sonde_template::{Funcs, Host, Time, Value};
use std::sync::LazyLock;

/// How long what a function yields may be, so that none makes much out of little; the limits
/// of the template say how long its output may be.
const BYTES_MAX: usize = 1 << 20;

/// All functions.
pub(super) fn all() -> Funcs {
    static ALL: LazyLock<Funcs> = LazyLock::new(|| {
        let mut funcs = Funcs::new();
        funcs.declare("__line__").declare("__timestamp__");
        texts::add(&mut funcs);
        numbers::add(&mut funcs);
        times::add(&mut funcs);
        funcs
    });
    ALL.clone()
}

/// The record that a template is carried out for.
pub(super) struct Moment<'m> {
    pub(super) line: &'m [u8],
    pub(super) time: UnixNanos,
}

impl Host for Moment<'_> {
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        let [] = exactly(function, args)?;
        match function {
            "__line__" => Ok(String::from_utf8_lossy(self.line).into_owned().into()),
            _ => Ok(Time::new(times::timestamp(i128::from(self.time.0))).into()),
        }
    }
}

/// So many arguments.
fn exactly<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<&'a [Value; N], String> {
    args.try_into().map_err(|_| {
        format!(
            "wrong number of args for {name}: want {N} got {}",
            args.len()
        )
    })
}

/// A text.
fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{name} takes a string, not a {}", value.type_name()))
}

/// So many texts.
fn strings<'a, const N: usize>(name: &str, args: &'a [Value]) -> Result<[&'a str; N], String> {
    let args: &[Value; N] = exactly(name, args)?;
    let mut all = [""; N];
    for (place, value) in all.iter_mut().zip(args) {
        *place = text(name, value)?;
    }
    Ok(all)
}

fn too_long(name: &str) -> String {
    format!("{name} would yield more than {BYTES_MAX} bytes")
}
