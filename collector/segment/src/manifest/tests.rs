//! The manifest's own bytes.

use super::*;

fn example() -> Manifest {
    let mut manifest = Manifest {
        covers: Position(42),
        ..Manifest::default()
    };
    let id = manifest.take_id();
    manifest.segments.push(SegmentMeta {
        id,
        tenant: Tenant::new("team-a").unwrap(),
        start: UnixNanos(1),
        end: UnixNanos(u64::MAX),
        positions: (Position(0), Position(42)),
        bytes: 7,
        records: 3,
        checksum: 0xdead_beef,
        extra: serde_json::json!({"level": 1}),
    });
    manifest
}

#[test]
fn a_manifest_survives_its_file() {
    let manifest = example();
    assert_eq!(
        Manifest::decode(&manifest.encode().unwrap()).unwrap(),
        manifest
    );
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed() {
    let good = example().encode().unwrap();
    for at in 0..good.len() {
        assert!(Manifest::decode(&good[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(Manifest::decode(&bad).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_later_version_is_named_in_the_error() {
    let text = "sonde-manifest 2 00000000\n{}";
    assert_eq!(
        Manifest::decode(text.as_bytes()),
        Err(ManifestError::Version(2))
    );
}
