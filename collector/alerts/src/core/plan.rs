//! What the core needs to know of the configuration.

use crate::inhibit::InhibitRule;
use crate::route::RouteTree;
use std::collections::BTreeMap;
use std::time::Duration;

/// The decisions that people made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// When an alert without an end counts as ended, unless it is reported again.
    pub resolve_timeout: Duration,
    /// Who is told what.
    pub routes: RouteTree,
    /// Which alerts make which others superfluous.
    pub inhibit_rules: Vec<InhibitRule>,
    /// The integrations of each receiver.
    pub receivers: BTreeMap<String, Vec<Outlet>>,
}

/// One integration, as far as the core cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outlet {
    /// Its name within the receiver, like `slack[0]`.
    pub integration: String,
    /// Whether it is told about alerts that ended.
    pub send_resolved: bool,
}

/// What bounds the core.
#[derive(Clone, Copy, Debug)]
pub struct CoreLimits {
    /// How many alerts are kept.
    pub alerts_max: usize,
    /// How large an alert may be: labels, annotations and URL.
    pub alert_bytes_max: usize,
    /// How many notifications are remembered for people to look at.
    pub history_max: usize,
    /// How many deliveries one integration has under way at once.
    pub deliveries_at_once: usize,
    /// How long ended alerts are shown.
    pub resolved_retention: Duration,
    /// How long it is tried to tell of an ended alert; also how long slots without a group are kept.
    pub undeliverable_max: Duration,
    /// The longest that a receiver may ask to be left alone.
    pub retry_after_max: Duration,
}

impl Plan {
    pub(super) fn outlets(&self, receiver: &str) -> &[Outlet] {
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }
}
