//! Exemplars on the wire.

use super::labels::attributes_in;
use super::names;
use super::wire::{Fields, Malformed, Value};
use sonde_proto::otlp;
use sonde_proto::{IdError, Labels, SpanId, TraceId, UnixNanos};

/// Filtered attributes take at most this many bytes, names included; `OpenMetrics` allows 128
/// characters. The identifiers of the trace are always kept.
const LABEL_BYTES_MAX: usize = 512;

/// One observation that stands for many, and the trace it belongs to.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Exemplar {
    /// `trace_id`, `span_id` and filtered attributes.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When.
    pub time: UnixNanos,
}

impl Exemplar {
    /// Reads an OTLP `Exemplar`; `None` where it has no value.
    pub(crate) fn read(message: &[u8]) -> Result<Option<Self>, Malformed> {
        let (mut value, mut time) = (None, UnixNanos(0));
        let (mut trace, mut span) = (String::new(), String::new());
        let mut fields = Fields::of(message);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (2, Value::Fixed64(n)) => time = UnixNanos(n),
                (3, Value::Fixed64(n)) => value = Some(f64::from_bits(n)),
                (6, Value::Fixed64(n)) => value = Some(n as i64 as f64),
                (4, Value::Bytes(b)) => span = hex(SpanId::from_slice(b)),
                (5, Value::Bytes(b)) => trace = hex(TraceId::from_slice(b)),
                _ => {}
            }
        }
        let Some(value) = value else { return Ok(None) };
        let attributes = attributes_in(message, 7)?;
        let mut left = LABEL_BYTES_MAX;
        let texts = attributes.iter().filter_map(|kv| {
            let value = kv.value.as_ref().map(otlp::text)?;
            left = left.checked_sub(kv.key.len() + value.len())?;
            Some((names::label(&kv.key), value.into_owned()))
        });
        let ids = [("trace_id".to_owned(), trace), ("span_id".to_owned(), span)];
        Ok(Some(Self {
            labels: texts.chain(ids).collect(),
            value,
            time,
        }))
    }
}

/// Labels as far as their bytes are allowed; what would be too much is left out.
pub(crate) fn bounded<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Labels {
    let mut left = LABEL_BYTES_MAX;
    let fitting = labels.filter(|(name, value)| {
        let rest = left.checked_sub(name.len() + value.len());
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    let own = |bytes| String::from_utf8_lossy(bytes).into_owned();
    fitting
        .map(|(name, value)| (own(name), own(value)))
        .collect()
}

/// An identifier that is none is left out.
fn hex(id: Result<impl ToString, IdError>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
