//! Protobuf, read in place: fields of a message, without building it.

use super::verbatim;

/// The bytes are not the protobuf they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is not well-formed protobuf")]
pub(crate) struct Malformed;

/// One field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order of the wire.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field's number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = varint(&mut self.0)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| Malformed)?;
                if length > self.0.len() {
                    return Err(Malformed);
                }
                let (bytes, rest) = self.0.split_at(length);
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => {
                self.take::<4>()?;
                Value::Fixed32
            }
            _ => return Err(Malformed),
        };
        Ok(Some((tag >> 3, value)))
    }

    /// Visits every length-delimited field with that number.
    pub(crate) fn each(
        mut self,
        number: u64,
        mut visit: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while let Some((found, value)) = self.next()? {
            if let (true, Value::Bytes(bytes)) = (found == number, value) {
                visit(bytes)?;
            }
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Reads a base-128 number.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0u64;
    for at in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

/// A text field.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// What all points of a metric have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) kind: Kind,
    pub(crate) delta: bool,
    /// The kind in Prometheus' words, of what was scraped: such a metric keeps its names.
    pub(crate) scraped: Option<&'static str>,
    /// The message that holds the data points in field 1.
    pub(crate) data: &'a [u8],
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    /// A sum that may go down.
    UpDown,
    Histogram,
    Exponential,
    Summary,
}

impl Kind {
    /// The word in Prometheus' metadata.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Gauge | Self::UpDown => "gauge",
            Self::Counter => "counter",
            Self::Histogram | Self::Exponential => "histogram",
            Self::Summary => "summary",
        }
    }
}

impl<'a> Metric<'a> {
    /// Reads everything but the points; `None` for a metric without data.
    pub(crate) fn read(message: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let (mut name, mut help, mut unit, mut data) = ("", "", "", None);
        let mut scraped = None;
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(b)) => name = text(b)?,
                (2, Value::Bytes(b)) => help = text(b)?,
                (3, Value::Bytes(b)) => unit = text(b)?,
                (5 | 7 | 9 | 10 | 11, Value::Bytes(b)) => data = Some((number, b)),
                (12, Value::Bytes(b)) => scraped = verbatim::kind(b)?.or(scraped),
                _ => {}
            }
        }
        let Some((number, data)) = data else {
            return Ok(None);
        };
        let (temporality, monotonic) = temporality(data)?;
        let kind = match number {
            5 => Kind::Gauge,
            7 if monotonic => Kind::Counter,
            7 => Kind::UpDown,
            9 => Kind::Histogram,
            10 => Kind::Exponential,
            _ => Kind::Summary,
        };
        let delta = temporality == 1 && !matches!(kind, Kind::Gauge | Kind::Summary);
        Ok(Some(Self {
            name,
            help,
            unit,
            kind,
            delta,
            scraped,
            data,
        }))
    }
}

/// Temporality and monotonicity may stand behind the points, so they are looked up first.
fn temporality(data: &[u8]) -> Result<(u64, bool), Malformed> {
    let (mut temporality, mut monotonic) = (0, false);
    let mut fields = Fields::of(data);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (2, Value::Varint(n)) => temporality = n,
            (3, Value::Varint(n)) => monotonic = n != 0,
            _ => {}
        }
    }
    Ok((temporality, monotonic))
}
