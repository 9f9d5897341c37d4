//! `| json`: an object's members become labels, those of inner objects as `outer_inner`.
//!
//! Arrays and `null` are left out, numbers and booleans are taken as they are written. What
//! follows the object is not looked at. An object that is not well-formed leaves what was
//! found before the mistake, and `__error__="JSONParserErr"`.

mod path;
mod scan;
mod unpack;

use super::labels::Mistake;
use super::take::{Taker, push_name};
use scan::{Bad, Scan, Value};

pub(super) use path::Paths;
pub(super) use unpack::unpack;

/// Buffers for the names on the way down.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `outer_inner`
    pub(super) path: String,
    /// A key without its escapes.
    pub(super) key: String,
}

/// What ends the reading of an object.
enum End {
    /// All that is wanted was found.
    Enough,
    Bad(Bad),
}

impl From<Bad> for End {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

/// Takes the members of the object that the line is.
pub(super) fn json(line: &str, names: &mut Names, taker: &mut Taker<'_>) {
    names.path.clear();
    let mut scan = Scan::new(line);
    let done = match scan.open_object() {
        Ok(()) => members(&mut scan, names, 0, taker),
        Err(bad) => Err(bad.into()),
    };
    if let Err(End::Bad(bad)) = done {
        taker.fail(Mistake::Json, &bad.to_string());
    }
}

/// Reads members until the object is closed.
fn members(
    scan: &mut Scan<'_>,
    names: &mut Names,
    depth: usize,
    taker: &mut Taker<'_>,
) -> Result<(), End> {
    let mut is_first = true;
    while let Some(key) = scan.next_key(is_first)? {
        is_first = false;
        let length = names.path.len();
        if length > 0 {
            names.path.push('_');
        }
        push_name(&mut names.path, key.text(&mut names.key)?);
        match scan.value()? {
            Value::Object if !taker.wanted().may_have_within(&names.path) => scan.skip_rest()?,
            Value::Object if depth + 1 >= taker.limits().json_depth_max => {
                taker.fail(Mistake::Limit, "objects are nested too deep to be followed; take out what is needed, as in | json name=\"a.b\"");
                scan.skip_rest()?;
            }
            Value::Object => members(scan, names, depth + 1, taker)?,
            Value::Array => scan.skip_rest()?,
            Value::Null => {}
            Value::Plain(text) => {
                if !taker.take(&names.path, |out| out.push_str(text)) {
                    return Err(End::Enough);
                }
            }
            Value::String(string) => {
                if !taker.take(&names.path, |out| string.push_value(out)) {
                    return Err(End::Enough);
                }
            }
        }
        names.path.truncate(length);
    }
    Ok(())
}
