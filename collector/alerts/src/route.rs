//! The routing tree: which alert goes to whom, grouped how.
//!
//! An alert walks down from the root. At each route it tries the children in order; the first
//! that takes it ends the search unless it says `continue`. A route whose children all decline
//! takes the alert itself. What a route does not say it inherits from its parent.

use crate::interval::TimeIntervals;
use sonde_proto::{Labels, Matcher};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The whole tree: its routes in depth-first order, the root first.
#[derive(Clone, Debug)]
pub(crate) struct RouteTree(pub Vec<Route>);

/// One route, with everything inherited filled in.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The matchers from the root to here, which name the route in group keys.
    pub key: String,
    /// What an alert must satisfy.
    pub matchers: Vec<Matcher>,
    /// Whether the search goes on after this route took an alert.
    pub continues: bool,
    /// Its children's places in the tree.
    pub children: Vec<usize>,
    /// Whom it tells.
    pub receiver: String,
    /// By which labels alerts are grouped.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long a group waits before it tells about changes.
    pub group_interval: Duration,
    /// How long until an unchanged group is told again.
    pub repeat_interval: Duration,
    /// Nobody is told while one of these holds.
    pub mute: Vec<Arc<TimeIntervals>>,
    /// If there are any, nobody is told while none of them holds.
    pub active: Vec<Arc<TimeIntervals>>,
}

/// By which labels alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// Each label set is its own group (`...`).
    All,
    /// The named labels.
    Labels(BTreeSet<String>),
}

impl RouteTree {
    /// The places of the routes that take an alert.
    #[must_use]
    pub(crate) fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut found = Vec::new();
        self.search(0, labels, &mut found);
        found
    }

    fn search(&self, at: usize, labels: &Labels, found: &mut Vec<usize>) -> bool {
        let Some(route) = self.0.get(at) else {
            return false;
        };
        if !route
            .matchers
            .iter()
            .all(|matcher| matcher.matches_labels(labels))
        {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            let took = self.search(*child, labels, found);
            if took && !self.0.get(*child).is_some_and(|child| child.continues) {
                break;
            }
        }
        if found.len() == before {
            found.push(at);
        }
        true
    }
}

impl Route {
    /// The labels that an alert's group has here.
    #[must_use]
    pub(crate) fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels
                .iter()
                .filter(|(name, _)| names.contains(*name))
                .collect(),
        }
    }

    /// The text that names a group in notifications.
    #[must_use]
    pub(crate) fn group_key(&self, group_labels: &Labels) -> String {
        format!("{}:{group_labels}", self.key)
    }

    /// Whether nobody is to be told at a time.
    #[must_use]
    pub(crate) fn is_muted(&self, now: sonde_proto::UnixNanos) -> bool {
        let holds = |intervals: &Arc<TimeIntervals>| intervals.contain(now);
        self.mute.iter().any(holds) || (!self.active.is_empty() && !self.active.iter().any(holds))
    }
}

/// `{a="b",c=~"d"}`, sorted: how a route's own matchers stand in its key.
#[must_use]
pub(crate) fn matchers_key(matchers: &[Matcher]) -> String {
    let mut sorted: Vec<&Matcher> = matchers.iter().collect();
    sorted.sort_by(|a, b| {
        (&a.name, &a.value, a.op.as_str()).cmp(&(&b.name, &b.value, b.op.as_str()))
    });
    let texts: Vec<String> = sorted.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}
