//! What the durable log holds. Every record replaces what an earlier one said about the same
//! alert, slot or notification, so that reading a record twice does no harm.

use crate::alert::{AlertState, KeptAlert};
use crate::core::{SlotKey, SlotState};
use serde::{Deserialize, Serialize};
use sonde_proto::{Fingerprint, Labels, UnixNanos};
use std::sync::Arc;

/// One entry of the durable log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// An alert as it is now.
    Alert(Arc<KeptAlert>),
    /// What one integration has been told about one group, and what it is being told.
    Slot {
        /// Which integration and group.
        key: SlotKey,
        /// What is known about it.
        state: SlotState,
    },
    /// A notification as it is now.
    Notification(Notification),
}

/// How a notification ended, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The receiver confirmed it.
    Sent,
    /// No attempt has been confirmed yet.
    Failed,
}

/// One message to one integration about one group, attempts included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its identity: the same content to the same integration has the same one on every attempt.
    pub id: String,
    /// When it was last attempted.
    pub time: UnixNanos,
    /// The receiver's name.
    pub receiver: String,
    /// The integration within it, like `slack[0]`.
    pub integration: String,
    /// The group's name.
    pub group_key: String,
    /// The labels that the group's alerts share by definition.
    pub group_labels: Labels,
    /// The alerts it told about.
    #[serde(with = "fingerprints")]
    pub alerts: Vec<Fingerprint>,
    /// Whether any of them fired.
    pub status: AlertState,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How often it was attempted.
    pub attempts: u32,
}

/// Fingerprints as 16 hex digits each.
pub(crate) mod fingerprints {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use sonde_proto::Fingerprint;

    pub(crate) fn serialize<'a, S, C>(all: &'a C, s: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        &'a C: IntoIterator<Item = &'a Fingerprint>,
    {
        s.collect_seq(all.into_iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D, C>(d: D) -> Result<C, D::Error>
    where
        D: Deserializer<'de>,
        C: FromIterator<Fingerprint>,
    {
        let read = |text: String| {
            u64::from_str_radix(&text, 16)
                .map(Fingerprint)
                .map_err(D::Error::custom)
        };
        Vec::<String>::deserialize(d)?
            .into_iter()
            .map(read)
            .collect()
    }
}
