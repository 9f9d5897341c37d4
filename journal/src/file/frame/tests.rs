//! Frames written and read again, whole, cut and damaged.

use super::*;
use proptest::prelude::*;

const KEY: Key = Key(0x5eed_0000_1234_0007);

fn entry(tenant: &str, payload: Vec<u8>) -> Entry {
    Entry::otlp(
        Tenant::new(tenant).unwrap(),
        Signal::Spans,
        UnixNanos(7),
        payload.into(),
    )
}

fn written(position: Position, entry: &Entry) -> Bytes {
    let mut out = Vec::new();
    write(&mut out, KEY, position, entry);
    out.into()
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(
        tenant in "[a-z]{1,20}",
        payload in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<u64>(),
        other in any::<u64>(),
        format in prop::sample::select(&Format::ALL[..]),
    ) {
        let entry = Entry { format, ..entry(&tenant, payload) };
        let bytes = written(Position(at), &entry);
        prop_assert_eq!(bytes.len(), len_of(&entry));
        let frame = Frame { position: Position(at), bytes: bytes.len(), entry };
        prop_assert_eq!(read(&bytes, 0, KEY), Found::Frame(frame));
        prop_assert_eq!(position_at(&bytes, 0, KEY), Some(Position(at)));
        let foreign = read(&bytes, 0, Key(other));
        prop_assert!(other == KEY.0 || foreign == Found::Nothing, "another journal's key reads it");
    }

    #[test]
    fn a_cut_or_changed_frame_is_no_frame(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        cut in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
    ) {
        let bytes = written(Position(1), &entry("a", payload));
        let at = cut.index(bytes.len());
        let is_frame = |bytes: &Bytes| matches!(read(bytes, 0, KEY), Found::Frame(_));
        prop_assert!(!is_frame(&bytes.slice(..at)));
        let mut changed = bytes.to_vec();
        changed[at] ^= flip;
        prop_assert!(!is_frame(&changed.into()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = read(&bytes.into(), 0, KEY);
    }
}

/// Byte for byte what was written before payloads had formats.
#[test]
fn a_frame_from_before_there_were_formats_is_otlp() {
    let mut out = 25_u32.to_le_bytes().to_vec();
    out.extend([0; 4]);
    out.extend((9 ^ KEY.0).to_le_bytes());
    out.extend(7_u64.to_le_bytes());
    out.extend([Signal::Metrics as u8, 1]);
    out.extend(b"apayload"[..7].iter());
    let crc = checksum(KEY, &out[..4], &out[PREFIX..]);
    out[4..PREFIX].copy_from_slice(&crc.to_le_bytes());
    let entry = Entry::otlp(
        Tenant::new("a").unwrap(),
        Signal::Metrics,
        UnixNanos(7),
        Bytes::from_static(b"payloa"),
    );
    let bytes = out.len();
    let frame = Frame {
        position: Position(9),
        entry,
        bytes,
    };
    assert_eq!(read(&out.into(), 0, KEY), Found::Frame(frame));
}

/// Nobody knows what its payload is, so it must not pass for another.
#[test]
fn a_frame_of_an_unknown_format_is_no_frame() {
    let mut bytes = written(Position(1), &entry("a", vec![1])).to_vec();
    bytes[PREFIX + 16] |= 0xf0;
    let crc = checksum(KEY, &bytes[..4], &bytes[PREFIX..]);
    bytes[4..PREFIX].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(read(&bytes.into(), 0, KEY), Found::Nothing);
}
