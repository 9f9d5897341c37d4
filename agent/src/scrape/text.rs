//! Sizes as Prometheus writes them: `10MB`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many bytes: `1048576`, `64MB`, `1GiB`; all units are powers of 1024, as in Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "u64")]
#[schemars(with = "Written")]
pub struct Size(pub u64);

/// How a size is written.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(bytes) => return Ok(Self(bytes)),
            Written::Text(text) => text,
        };
        let bad = || format!("{text:?} is no size; write a number of bytes, 64MB or 1GiB");
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let number: u64 = number.parse().map_err(|_| bad())?;
        let power = match unit.trim_end_matches('B').trim_end_matches('i') {
            "" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            _ => return Err(bad()),
        };
        let bytes = number.checked_mul(1 << (10 * power));
        bytes.map(Self).ok_or_else(bad)
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let read = |text: &str| Size::try_from(Written::Text(text.into())).map(|size| size.0);
        assert_eq!(read("64MB"), Ok(64 << 20));
        assert_eq!(read("1GiB"), Ok(1 << 30));
        assert_eq!(read("12"), Ok(12));
        assert!(read("12parsecs").is_err() && read("").is_err());
        assert!(read("99999999999T").is_err());
    }
}
