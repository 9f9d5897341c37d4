//! How far spans reached that are gone with their segments, so that a trace which began by then
//! is not taken for whole.
//!
//! It is in the manifest, and changes in the same step as the segments:
//!
//! ```text
//! "extra": { "gone": { "default": {
//!     "let_go_to": 1700000000000000000, "damaged_from": 0, "damaged_to": 0 } } }
//! ```

use super::TraceStore;
use crate::segment::{IdsOnly, received};
use serde::{Deserialize, Serialize};
use sonde_proto::{Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentMeta};
use std::collections::{BTreeMap, BTreeSet};

const GONE: &str = "gone";

/// When those of a tenant's spans arrived that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gone {
    /// The last of those that were let go: for age, or for room.
    pub(crate) let_go_to: UnixNanos,
    /// The first of those whose segment is damaged; zero, where only the last is known.
    pub(crate) damaged_from: UnixNanos,
    /// The last of them; zero, where no segment is.
    pub(crate) damaged_to: UnixNanos,
}

/// Why a segment goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    LetGo,
    Damaged,
}

/// Of every tenant that has any spans still.
pub(super) type ByTenant = BTreeMap<String, Gone>;

/// What a manifest says. What it does not say, or not in this form, is not known.
pub(super) fn read(manifest: &Manifest) -> ByTenant {
    let gone = manifest.extra.get(GONE).cloned().unwrap_or_default();
    serde_json::from_value(gone).unwrap_or_default()
}

/// Notes in a manifest that segments go, `now` at the latest: what arrived later was stamped by a
/// clock that went wrong.
pub(super) fn note(manifest: &mut Manifest, out: &[SegmentMeta], why: Why, now: UnixNanos) {
    let mut gone = read(manifest);
    for meta in out.iter().filter(|meta| !IdsOnly::is_meant(meta)) {
        let of_it = gone.entry(meta.tenant.as_str().to_owned()).or_default();
        let (from, to) = received(meta);
        let (from, to) = (from.min(now), to.min(now));
        match why {
            Why::LetGo => of_it.let_go_to = of_it.let_go_to.max(to),
            Why::Damaged => {
                of_it.damaged_from = match of_it.damaged_to {
                    UnixNanos(0) => from,
                    _ => of_it.damaged_from.min(from),
                };
                of_it.damaged_to = of_it.damaged_to.max(to);
            }
        }
    }
    // Those without a segment have no trace of which a part is gone.
    let left = manifest.segments.iter().chain(out);
    let left: BTreeSet<&str> = left.map(|meta| meta.tenant.as_str()).collect();
    gone.retain(|tenant, _| left.contains(tenant.as_str()));
    manifest.extra[GONE] = serde_json::json!(gone);
}

impl TraceStore {
    /// What is gone of a tenant's spans, if anything is.
    pub(crate) fn gone(&self, tenant: &Tenant) -> Option<Gone> {
        self.state.read().gone.get(tenant.as_str()).copied()
    }
}
