//! Every trace that a query may find something in, one after the other, newest first.

use super::candidates::Wanted;
use super::{Examined, SearchError, TOO_LATE};
use crate::decoded::{Decoded, Decoder};
use crate::query::narrowing;
use crate::store::TraceStore;
use ahash::AHashSet;
use sonde_proto::{Deadline, Position, Tenant, UnixNanos};
use sonde_traceql::Query;

/// How far a scan came.
pub(super) struct Scanned {
    /// Everything before this position was looked at.
    pub(super) through: Position,
    /// Why not everything was.
    pub(super) cut: Option<String>,
}

impl TraceStore {
    /// Shows the traces that have what a query needs to `visit`, until that says enough.
    pub(super) fn scan(
        &self,
        tenant: &Tenant,
        query: &Query,
        times: (UnixNanos, UnixNanos),
        deadline: &Deadline,
        mut visit: impl FnMut(&Decoded) -> bool,
    ) -> Result<Scanned, SearchError> {
        // Before the view is taken: what is applied in between was not searched.
        let applied_to = self.applied_to();
        let Some(view) = self.view(tenant) else {
            return Ok(Scanned {
                through: applied_to,
                cut: None,
            });
        };
        let wanted = Wanted {
            narrowing: &narrowing(query),
            times,
            deadline,
        };
        let mut fragments = self.candidates(&view, &wanted);
        let (mut seen, mut decoder) = (AHashSet::new(), Decoder::default());
        let (mut cut, mut in_part, mut examined) = (None, None, Examined::default());
        while let Some(fragment) = fragments.pop()? {
            let id = fragment.trace_id;
            if !seen.insert(id) {
                continue;
            }
            cut = self.why_stop(deadline, &examined);
            if cut.is_some() {
                break;
            }
            let raw = self.raw(&view, &id)?;
            examined.add(&raw);
            if let Some(part) = raw.cut {
                in_part.get_or_insert_with(|| format!("{id} was not read whole: {part}"));
            }
            if !visit(&decoder.decode(id, &raw.spans)) {
                break;
            }
        }
        let damaged =
            view.is_partial || fragments.damaged || view.segments.iter().any(|s| s.is_damaged());
        let late = fragments.is_late.then(|| TOO_LATE.to_owned());
        let damaged = damaged.then(|| "a damaged segment was left out".to_owned());
        Ok(Scanned {
            through: view.applied_to,
            cut: cut.or(late).or(in_part).or(damaged),
        })
    }
}
