//! `| unpack`: what the `pack` stage of an agent packed into an object.
//!
//! Its member `_entry` becomes the line and its other strings become labels. An object
//! without `_entry` was not packed, and stays as it is.

use super::Names;
use super::scan::{Bad, Scan, Text, Value};
use crate::pipeline::labels::Mistake;
use crate::pipeline::take::{Taker, push_name};

/// Takes the labels, and writes the line to `out`; `false` where there is none.
pub(in crate::pipeline) fn unpack(
    line: &str,
    names: &mut Names,
    taker: &mut Taker<'_>,
    out: &mut String,
) -> bool {
    if line.is_empty() {
        return false;
    }
    let entry = match entry(line, names) {
        Ok(Some(entry)) => entry,
        Ok(None) => return false,
        Err(bad) => {
            taker.fail(Mistake::Json, &bad.to_string());
            return false;
        }
    };
    // Well-formed, as was just seen; the strings are taken on a second way through.
    let labels = each_string(line, names, |name, key, value| {
        if key != ENTRY {
            taker.take(name, |out| value.push_value(out));
        }
    });
    if let Err(bad) = labels {
        taker.fail(Mistake::Json, &bad.to_string());
    }
    out.clear();
    entry.push_value(out);
    true
}

const ENTRY: &str = "_entry";

fn entry<'l>(line: &'l str, names: &mut Names) -> Result<Option<Text<'l>>, Bad> {
    let mut entry = None;
    each_string(line, names, |_, key, value| {
        if key == ENTRY {
            entry = Some(value);
        }
    })?;
    Ok(entry)
}

/// Calls `each` with the name of the label, the key and the value of each string.
fn each_string<'l>(
    line: &'l str,
    names: &mut Names,
    mut each: impl FnMut(&str, &str, Text<'l>),
) -> Result<(), Bad> {
    let mut scan = Scan::new(line);
    scan.open_object()?;
    let mut is_first = true;
    while let Some(key) = scan.next_key(is_first)? {
        is_first = false;
        let key = key.text(&mut names.key)?;
        match scan.value()? {
            Value::String(value) => {
                names.path.clear();
                push_name(&mut names.path, key);
                each(&names.path, key, value);
            }
            other => scan.skip(&other)?,
        }
    }
    Ok(())
}
