//! A slot: one integration's knowledge of one group, and the decision whether to tell it more.

use crate::record::fingerprints;
use serde::{Deserialize, Serialize};
use sonde_proto::{Fingerprint, UnixNanos};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which integration of which receiver, about which group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SlotKey {
    /// The receiver's name.
    pub receiver: String,
    /// The integration within it, like `slack[0]`.
    pub integration: String,
    /// The group's name.
    pub group_key: String,
}

/// What is durably known about a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotState {
    /// The last notification that the receiver confirmed.
    pub told: Option<Told>,
    /// Alerts that it may believe to be firing, or not: a notification that said so, or that
    /// they ended, has not been confirmed.
    #[serde(with = "fingerprints")]
    pub owed: BTreeSet<Fingerprint>,
    /// The notification that is under way. After a crash its outcome is unknown.
    pub intent: Option<String>,
}

/// What a receiver knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// When it was told.
    pub at: UnixNanos,
    /// Alerts it certainly knows to be firing.
    #[serde(with = "fingerprints")]
    pub firing: BTreeSet<Fingerprint>,
    /// Alerts it was last told had ended.
    #[serde(with = "fingerprints")]
    pub resolved: BTreeSet<Fingerprint>,
    /// How often it has been told, which keeps a repetition apart from a second attempt.
    pub sequence: u64,
}

/// A group as a receiver would be told about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Alerts that fire and are not inhibited.
    pub firing: BTreeSet<Fingerprint>,
    /// Alerts that have ended.
    pub resolved: BTreeSet<Fingerprint>,
    /// Alerts that fire but are inhibited.
    pub muted: BTreeSet<Fingerprint>,
}

/// How often and of what an integration wants to hear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// Whether it is told about alerts that ended.
    pub send_resolved: bool,
    /// When an unchanged group is told again.
    pub repeat_interval: Duration,
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An alert fires that the receiver does not know.
    Firing,
    /// An alert ended before the receiver could be told that it fired.
    Late,
    /// An alert ended.
    Resolved,
    /// Nothing changed for `repeat_interval`.
    Repeat,
}

/// What to do about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The receiver knows all it wants to.
    Nothing,
    /// Alerts ended and the receiver does not want to hear of it: only remember it, so that
    /// they are told again when they fire again.
    Forget,
    /// Send a notification.
    Tell(Reason),
}

impl SlotState {
    /// Decides whether the receiver must be told. In this order, as in Alertmanager: unknown
    /// firing alerts, the end of all, the end of some, time to repeat. Beyond it, an alert that
    /// ended while its page could not be delivered is told late and not never.
    #[must_use]
    pub(crate) fn decide(&self, view: &View, wishes: Wishes, now: UnixNanos) -> Decision {
        let nothing_told = Told::default();
        let told = self.told.as_ref().unwrap_or(&nothing_told);
        let ended_known = view
            .resolved
            .iter()
            .any(|alert| told.firing.contains(alert));
        let ended_owed = view
            .resolved
            .iter()
            .any(|alert| self.owed.contains(alert) && !told.firing.contains(alert));
        let ended_news = wishes.send_resolved && !view.resolved.is_subset(&told.resolved);
        if !view.firing.is_subset(&told.firing) {
            Decision::Tell(Reason::Firing)
        } else if ended_owed {
            Decision::Tell(Reason::Late)
        } else if ended_known && wishes.send_resolved || !view.firing.is_empty() && ended_news {
            Decision::Tell(Reason::Resolved)
        } else if !view.firing.is_empty() && now.since(told.at) >= wishes.repeat_interval {
            Decision::Tell(Reason::Repeat)
        } else if ended_known {
            Decision::Forget
        } else {
            Decision::Nothing
        }
    }

    /// Which alerts a notification mentions as ended.
    #[must_use]
    pub(crate) fn mentioned_resolved(&self, view: &View, wishes: Wishes) -> BTreeSet<Fingerprint> {
        let mentioned = |alert: &&Fingerprint| wishes.send_resolved || self.owed.contains(alert);
        view.resolved.iter().filter(mentioned).copied().collect()
    }

    /// Notes that a notification is about to be sent, which mentions some alerts as ended. Until
    /// it is confirmed the receiver may or may not know: of an alert that begins, that it
    /// fires; of one that ended, that it ended. Whatever is the case later will be told.
    pub(crate) fn intend(
        &mut self,
        id: &str,
        view: &View,
        mentioned_resolved: &BTreeSet<Fingerprint>,
    ) {
        if let Some(told) = &mut self.told {
            let is_doubtful =
                |alert: &Fingerprint| view.firing.is_empty() || mentioned_resolved.contains(alert);
            let (doubtful, certain) = told.firing.iter().partition(|alert| is_doubtful(alert));
            told.firing = certain;
            self.owed.extend::<BTreeSet<Fingerprint>>(doubtful);
        }
        let told = self.told.as_ref().map(|told| &told.firing);
        let unknown = |alert: &&Fingerprint| !told.is_some_and(|told| told.contains(alert));
        self.owed.extend(view.firing.iter().filter(unknown));
        self.intent = Some(id.to_owned());
    }

    /// Notes that the receiver confirmed it was told this view at a time.
    pub(crate) fn confirm(&mut self, view: &View, at: UnixNanos) {
        let told = self.told.take().unwrap_or_default();
        let mut firing = view.firing.clone();
        if !firing.is_empty() {
            firing.extend(told.firing.intersection(&view.muted));
        }
        self.owed
            .retain(|alert| !view.firing.contains(alert) && !view.resolved.contains(alert));
        self.told = Some(Told {
            at,
            firing,
            resolved: view.resolved.clone(),
            sequence: told.sequence + 1,
        });
        self.intent = None;
    }

    /// Notes that alerts ended of which the receiver does not want to hear.
    pub(crate) fn forget(&mut self, view: &View) {
        if let Some(told) = &mut self.told {
            told.firing.retain(|alert| !view.resolved.contains(alert));
        }
    }

    /// Whether the receiver may believe that an alert fires.
    #[must_use]
    pub(crate) fn believes_firing(&self, alert: Fingerprint) -> bool {
        self.owed.contains(&alert)
            || self
                .told
                .as_ref()
                .is_some_and(|told| told.firing.contains(&alert))
    }
}

#[cfg(test)]
mod tests;
