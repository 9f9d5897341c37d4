//! Trace and span identifiers, as W3C Trace Context writes them: lower-case hex.

/// Why text or bytes are no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ID must be {bytes} bytes or {} hex digits, and not all zero", bytes * 2)]
pub struct IdError {
    kind: &'static str,
    bytes: usize,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

macro_rules! id {
    ($name:ident, $kind:literal, $len:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Reads the identifier from its bytes on the wire.
            ///
            /// # Errors
            /// [`IdError`] when the length is wrong or every byte is zero.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                match <[u8; $len]>::try_from(bytes) {
                    Ok(id) if id != [0; $len] => Ok(Self(id)),
                    _ => Err(IdError {
                        kind: $kind,
                        bytes: $len,
                    }),
                }
            }

            /// Reads the identifier from hex digits of either case.
            ///
            /// # Errors
            /// [`IdError`] when the text is not exactly the hex digits of an identifier.
            pub fn from_hex(text: &str) -> Result<Self, IdError> {
                let error = IdError {
                    kind: $kind,
                    bytes: $len,
                };
                if text.len() != $len * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(error);
                }
                let mut id = [0; $len];
                for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let pair = std::str::from_utf8(pair).map_err(|_| error.clone())?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| error.clone())?;
                }
                Self::from_slice(&id)
            }

            /// The bytes, as on the wire.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // In one piece: to write each byte as a number takes ten times as long.
                let mut text = [0; $len * 2];
                for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(self.0) {
                    *pair = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
                }
                f.write_str(std::str::from_utf8(&text).map_err(|_| std::fmt::Error)?)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::from_hex(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(TraceId, "trace", 16, "The identifier of a trace.");
id!(
    SpanId,
    "span",
    8,
    "The identifier of a span within its trace."
);

impl TraceId {
    /// Reads the identifier from hex digits that may lack the zeros before them, as clients of
    /// identifiers of 64 bits write it.
    ///
    /// # Errors
    /// [`IdError`] when the text has another number of digits than 1 to 32, or is none.
    pub fn from_short_hex(text: &str) -> Result<Self, IdError> {
        let is_short = !text.is_empty() && text.is_ascii();
        Self::from_hex(&if is_short {
            format!("{text:0>32}")
        } else {
            String::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_hex_in_either_case() {
        let text = "4BF92f3577b34da6a3ce929d0e0e4736";
        let id = TraceId::from_hex(text).unwrap();
        assert_eq!(id.to_string(), text.to_lowercase());
        assert_eq!(TraceId::from_slice(id.as_bytes()), Ok(id));
    }

    #[test]
    fn a_short_trace_id_has_zeros_before_it() {
        let check = |text: &str, expected: Option<&str>| {
            let found = TraceId::from_short_hex(text).ok().map(|id| id.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("00F067aa0ba902b7", Some("000000000000000000f067aa0ba902b7"));
        check("7", Some("00000000000000000000000000000007"));
        check(
            "4bf92f3577b34da6a3ce929d0e0e4736",
            Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        );
        for bad in [
            "",
            "0",
            "é",
            "x",
            "+1",
            " 1",
            "4bf92f3577b34da6a3ce929d0e0e47361",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn zero_short_long_and_foreign_text_are_refused() {
        for text in [
            "",
            "00000000000000",
            "0000000000000000",
            "zzzzzzzzzzzzzzzz",
            "+123456789abcdef",
            "é23456789abcdef",
        ] {
            assert!(SpanId::from_hex(text).is_err(), "{text}");
        }
    }
}
