//! An exemplar.
//!
//! ```text
//! exemplar    1 label* · 2 value · 3 time
//! ```

use super::super::wire::Wire;
use super::{add, label, millis};
use crate::bounds::Bounds;
use crate::error::Malformed;
use crate::family::Exemplar;
use crate::number;

/// Reads one into place `at` of those at hand, which is at most their number.
pub(super) fn read<'a>(
    wire: Wire<'a>,
    bounds: Bounds,
    exemplars: &mut Vec<Exemplar<'a>>,
    at: usize,
) -> Result<(), Malformed> {
    if at >= bounds.exemplars {
        let message = format!("there are more than {} exemplars", bounds.exemplars);
        return Err(wire.error(message));
    }
    if at >= exemplars.len() {
        exemplars.push(Exemplar::default());
    }
    let Some(exemplar) = exemplars.get_mut(at) else {
        return Ok(());
    };
    exemplar.labels.clear();
    exemplar.value = 0.0;
    exemplar.time = None;
    let mut rest = wire;
    while let Some((number, field)) = rest.field()? {
        match number {
            1 => {
                let label = label(field.bytes(&rest)?, bounds.label_bytes)?;
                add(&mut exemplar.labels, label, bounds.labels, &rest)?;
            }
            2 => exemplar.value = number::plain(field.double(&rest)?),
            3 => exemplar.time = Some(millis(field.bytes(&rest)?)?),
            _ => {}
        }
    }
    Ok(())
}
