//! Segments joined, against the segments that they are made of.

use super::*;
use crate::segment::vocabulary::Place;
use std::collections::BTreeSet;

/// Segments, each in a directory, and what they hold.
struct Sources {
    dir: tempfile::TempDir,
    segments: Vec<(SegmentMeta, Arc<Segment>)>,
    records: Vec<Vec<Sealed>>,
}

impl Sources {
    /// Of each a seed, how many records, and how bodies lie in it. They have some streams in
    /// common and some alone.
    fn new(all: &[(u64, usize, BodyEncoding)]) -> Self {
        let mut new = Self {
            dir: tempfile::tempdir().unwrap(),
            segments: Vec::new(),
            records: Vec::new(),
        };
        for (n, (seed, count, bodies)) in all.iter().enumerate() {
            let own = streams(12);
            let own: Vec<_> = own.into_iter().skip(n % 4).step_by(1 + n % 3).collect();
            let records = random(*seed, own.len() as u32, *count, line);
            let meta = write_as(&new.path(n), own, &records, *bodies);
            new.add(meta, records);
        }
        new
    }

    fn path(&self, n: usize) -> std::path::PathBuf {
        self.dir.path().join(n.to_string())
    }

    fn add(&mut self, meta: SegmentMeta, records: Vec<Sealed>) {
        let segment = open(&meta, &self.path(self.segments.len()), true).unwrap();
        self.segments.push((meta, segment));
        self.records.push(records);
    }

    fn try_join(&self, range: std::ops::Range<usize>) -> Result<SegmentMeta, JoinError> {
        let source = |n: usize| JoinSource {
            segment: &self.segments[n].1,
            dir: self.path(n),
        };
        let sources: Vec<_> = range.map(source).collect();
        let written = join(&self.path(self.segments.len()), &sources, |_| true)?;
        Ok(SegmentMeta {
            start: written.start,
            end: written.end,
            bytes: written.bytes,
            records: written.records,
            ..self.segments[0].0.clone()
        })
    }

    /// Joins some of them to another one.
    fn join(&mut self, range: std::ops::Range<usize>) {
        let meta = self.try_join(range.clone()).unwrap();
        let mut records = Vec::new();
        for n in range.clone() {
            let streams = self.segments[n].1.streams().unwrap();
            for (stream, key, packed) in &self.records[n] {
                records.push((Arc::clone(&streams[*stream as usize]), *key, packed.clone()));
            }
        }
        let path = self.path(self.segments.len());
        let segment = open(&meta, &path, true).unwrap();
        let list = segment.streams().unwrap();
        let union: BTreeSet<_> = range
            .clone()
            .flat_map(|n| self.segments[n].1.streams().unwrap().to_vec())
            .map(|stream| format!("{stream:?}"))
            .collect();
        assert_eq!(list.len(), union.len());
        let ordinal = |stream: &Arc<Stream>| list.iter().position(|s| s == stream).unwrap() as u32;
        let records = records.into_iter().map(|(stream, key, packed)| {
            let stream = ordinal(&stream);
            (stream, key, packed)
        });
        let times = range.clone().map(|n| &self.segments[n].0);
        assert_eq!(meta.start, times.clone().map(|m| m.start).min().unwrap());
        assert_eq!(meta.end, times.map(|m| m.end).max().unwrap());
        self.check_found(&segment, range);
        let records = records.collect();
        self.add(meta, records);
        let (_, joined) = self.segments.last().unwrap();
        assert!(read_all(joined).unwrap() == *self.records.last().unwrap());
    }

    /// Whatever is looked up is in the same blocks as before.
    fn check_found(&self, joined: &Segment, range: std::ops::Range<usize>) {
        let vocabulary = |segment: &Segment, word: &str| {
            let mut blocks = BTreeSet::new();
            for place in [Place::Body, Place::Attributes] {
                segment
                    .vocabulary
                    .look_up(place, word, |block| {
                        blocks.insert((place as u32, block));
                    })
                    .unwrap();
            }
            segment
                .vocabulary
                .look_up_pair(word, |block| {
                    blocks.insert((2, block));
                })
                .unwrap();
            blocks
        };
        let tokens = |segment: &Segment, word: &str| {
            let (mut blocks, hash) = (BTreeSet::new(), crate::words::hash(word.as_bytes()));
            segment
                .tokens
                .look_up(hash, |place| {
                    blocks.insert((3, place.block));
                })
                .unwrap();
            blocks
        };
        let words = ["took", "value", "line", "a=value 7", "absent", "of"];
        let identifiers: Vec<String> = (0..60).map(|n| format!("user{n}")).collect();
        let all = words
            .into_iter()
            .chain(identifiers.iter().map(String::as_str));
        for word in all {
            let (mut expected, mut first) = (BTreeSet::new(), 0);
            for (_, source) in &self.segments[range.clone()] {
                let found = vocabulary(source, word).into_iter();
                let found = found.chain(tokens(source, word));
                expected.extend(found.map(|(kind, block)| (kind, first + block)));
                first += source.directory.blocks();
            }
            assert_eq!(first, joined.directory.blocks());
            let mut found = vocabulary(joined, word);
            found.extend(tokens(joined, word));
            assert_eq!(found, expected, "{word}");
        }
    }
}

fn line(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let user = rng.random_range(0..60);
    let rest = match rng.random_range(0..3) {
        0 => format!("user{user} took {}ms", rng.random::<u32>()),
        1 => format!("line {:08x} of user{user}", rng.random::<u32>()),
        _ => "x ".repeat(rng.random_range(0..90)),
    };
    rest.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_joined_segment_has_what_its_sources_have_in_their_order(
        seeds in prop::collection::vec((any::<u64>(), 1_usize..400, any::<bool>()), 2..6),
        joins in prop::collection::vec((0_usize..9, 1_usize..5), 1..4),
    ) {
        let encoding = |templated| match templated {
            true => BodyEncoding::Templated,
            false => BodyEncoding::Plain,
        };
        let all: Vec<_> = seeds.into_iter().map(|(seed, count, bodies)| (seed, count, encoding(bodies))).collect();
        let mut sources = Sources::new(&all);
        for (from, count) in joins {
            let from = from % sources.segments.len();
            let to = (from + count).min(sources.segments.len());
            sources.join(from..to);
            // What was joined is among those that are joined next.
            let end = sources.segments.len();
            sources.join(end - 2..end);
        }
    }
}

#[test]
fn sources_of_many_blocks_keep_their_blocks_and_have_a_part_each() {
    let bodies = BodyEncoding::Templated;
    let mut sources = Sources::new(&[(1, 40_000, bodies), (2, 50, bodies), (3, 40_000, bodies)]);
    sources.join(0..3);
    sources.join(1..4);
    let (_, joined) = sources.segments.last().unwrap();
    assert_eq!(joined.parts().unwrap(), 5);
    let parts = (0..5).map(|part| joined.directory.blocks_of(part).unwrap());
    let blocks = |n: usize| sources.segments[n].1.directory.blocks();
    assert!(blocks(0) > 2);
    let expected = [1, 2, 0, 1, 2].map(|n| blocks(n) as usize);
    assert!(parts.map(|blocks| blocks.len()).eq(expected));
    for block in 0..joined.directory.blocks() {
        let part = joined.directory.part_of(block).unwrap();
        assert!(joined.directory.blocks_of(part).unwrap().contains(&block));
    }
}

#[test]
fn a_changed_byte_of_a_joined_segment_is_damage_or_changes_nothing() {
    let all = [
        BodyEncoding::Templated,
        BodyEncoding::Plain,
        BodyEncoding::Templated,
    ];
    let all: Vec<_> = (1..)
        .zip(all)
        .map(|(seed, bodies)| (seed, 12, bodies))
        .collect();
    let mut sources = Sources::new(&all);
    sources.join(0..3);
    let (meta, _) = &sources.segments[3];
    check_every_byte(&sources.path(3), meta, &sources.records[3]);
}

#[test]
fn a_damaged_source_is_named_and_not_copied() {
    let bodies = BodyEncoding::Templated;
    let sources = Sources::new(&[(1, 300, bodies), (2, 300, bodies), (3, 300, bodies)]);
    let (meta, _) = sources.segments[1].clone();
    for file in files(&sources.path(1)) {
        let good = std::fs::read(&file).unwrap();
        let name = file.display();
        for at in [good.len() / 3, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&file, &bytes).unwrap();
            let mut damaged = Sources {
                dir: tempfile::tempdir().unwrap(),
                segments: sources.segments.clone(),
                records: Vec::new(),
            };
            for n in 0..3 {
                copy_all(&sources.path(n), &damaged.path(n));
            }
            let Ok(opened) = open(&meta, &damaged.path(1), false) else {
                continue;
            };
            damaged.segments[1].1 = opened;
            let joined = damaged.try_join(0..3);
            assert!(
                matches!(joined, Err(JoinError::Damaged(1, _))),
                "{name} byte {at}: {joined:?}"
            );
        }
        std::fs::write(&file, &good).unwrap();
    }
    assert_eq!(sources.try_join(0..3).unwrap().records, 900);
}

#[test]
fn a_join_that_is_not_wanted_any_more_stops() {
    let bodies = BodyEncoding::Templated;
    let sources = Sources::new(&[(1, 300, bodies), (2, 300, bodies)]);
    let source = |n: usize| JoinSource {
        segment: &sources.segments[n].1,
        dir: sources.path(n),
    };
    let (all, to) = ([source(0), source(1)], sources.path(2));
    let mut asked = 0;
    join(&to, &all, |_| {
        asked += 1;
        true
    })
    .unwrap();
    assert!(asked >= 4);
    for stop in 0..asked {
        let mut left = stop;
        let joined = join(&sources.path(3 + stop), &all, |_| {
            left = left.wrapping_sub(1);
            left != usize::MAX
        });
        assert!(matches!(joined, Err(JoinError::Stopped)), "{stop}");
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn segments_of_few_blocks_are_written_anew_and_full_ones_are_joined() {
    let bodies = BodyEncoding::Templated;
    let sources = Sources::new(&[(1, 100, bodies), (2, 100, bodies), (3, 120_000, bodies)]);
    let of = |all: &[usize]| -> Vec<_> {
        all.iter()
            .map(|n| Arc::clone(&sources.segments[*n].1))
            .collect()
    };
    assert!(!join_well(&of(&[0, 1])).unwrap());
    assert!(join_well(&of(&[2, 2])).unwrap());
    assert!(!join_well(&of(&[0, 1, 0, 1, 0, 1, 0, 1])).unwrap());
}
