//! The counters and the position they reach to, as bytes that survive a restart.
//!
//! ```text
//! sonde-signals 1 9a3bc01f\n   format version, CRC-32C of everything after the newline
//! { "applied_to": …, "tenants": … }
//! ```

use crate::changes::Watched;
use crate::graph::Graph;
use crate::red::Red;
use crate::repeats::Repeats;
use serde::{Deserialize, Serialize};
use sonde_proto::{Position, UnixNanos};
use std::collections::BTreeMap;

const WORD: &str = "sonde-signals";
const VERSION: u32 = 1;

/// Why a snapshot cannot be used. The counters then start again from nothing, which is
/// a reset of counters, not a wrong answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It was written by another version.
    #[error("the snapshot of the signals is not of version {VERSION}")]
    Version,
    /// Its bytes are not what was written.
    #[error("the snapshot of the signals is damaged: {0}")]
    Damaged(String),
}

/// The signals of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TenantSignals {
    pub(crate) red: Red,
    pub(crate) graph: Graph,
    #[serde(default)]
    pub(crate) repeats: Repeats,
    #[serde(default)]
    pub(crate) watched: Watched,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) applied_to: Position,
    /// The latest arrival seen: the clock by which waiting sides expire.
    pub(crate) clock: UnixNanos,
    pub(crate) latency_bounds: Vec<f64>,
    pub(crate) graph_bounds: Vec<f64>,
    /// Spans that arrived before are not counted for RED: the counters that counted them are
    /// gone, and these begin where the program began.
    #[serde(default)]
    pub(crate) red_from: UnixNanos,
    /// The same of the service graph.
    #[serde(default)]
    pub(crate) graph_from: UnixNanos,
    pub(crate) tenants: BTreeMap<String, TenantSignals>,
}

pub(crate) fn encode(state: &State) -> Vec<u8> {
    let body = serde_json::to_vec(state).expect("maps have text keys and numbers are finite");
    let mut out = format!("{WORD} {VERSION} {:08x}\n", crc32c::crc32c(&body)).into_bytes();
    out.extend_from_slice(&body);
    out
}

pub(crate) fn decode(bytes: &[u8]) -> Result<State, SnapshotError> {
    let damaged = |why: &str| SnapshotError::Damaged(why.to_owned());
    let newline = bytes
        .iter()
        .position(|b| *b == b'\n')
        .ok_or_else(|| damaged("its first line has no end"))?;
    let (head, body) = (&bytes[..newline], &bytes[newline + 1..]);
    let head = std::str::from_utf8(head).map_err(|_| damaged("its first line is no text"))?;
    let rest = head
        .strip_prefix(WORD)
        .ok_or_else(|| damaged("it does not start with \"sonde-signals\""))?;
    let checksum = rest
        .strip_prefix(&format!(" {VERSION} "))
        .ok_or(SnapshotError::Version)?;
    if checksum != format!("{:08x}", crc32c::crc32c(body)) {
        return Err(damaged("its checksum does not hold"));
    }
    serde_json::from_slice(body).map_err(|error| SnapshotError::Damaged(error.to_string()))
}

/// Maps with keys that are no text, as lists of pairs.
pub(crate) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<'a, M, K, V, S>(map: &'a M, to: S) -> Result<S::Ok, S::Error>
    where
        &'a M: IntoIterator<Item = (&'a K, &'a V)>,
        K: Serialize + 'a,
        V: Serialize + 'a,
        S: Serializer,
    {
        to.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, M, K, V, D>(from: D) -> Result<M, D::Error>
    where
        M: FromIterator<(K, V)> + IntoIterator<Item = (K, V)>,
        K: Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
