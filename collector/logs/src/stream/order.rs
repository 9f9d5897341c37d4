//! The order of the streams of a segment: by content, so that similar ones are neighbours.

use super::Stream;
use ahash::AHashMap;
use std::sync::Arc;

/// The place of each stream among all, by its address.
#[derive(Debug, Default)]
pub(crate) struct Ordinals(AHashMap<usize, u32>);

impl Ordinals {
    /// Puts the streams into their order, each content once.
    pub(crate) fn of_all<'s>(
        all: impl Iterator<Item = &'s Arc<Stream>>,
    ) -> (Vec<Arc<Stream>>, Self) {
        // Most of them come many times, and addresses are compared sooner than contents.
        let (mut different, mut ordinals) = (Vec::new(), Self::default());
        for stream in all {
            let next = different.len() as u32;
            ordinals.0.entry(address(stream)).or_insert_with(|| {
                different.push(stream);
                next
            });
        }
        let contents: Vec<&Stream> = different.iter().map(|stream| &***stream).collect();
        let keys = Keys::of(&contents);
        let mut streams = Vec::<Arc<Stream>>::new();
        let mut before: Option<Item> = None;
        for item in keys.in_order(&different) {
            let stream = different[item.at as usize];
            // Their texts lie near; they themselves are all over the memory.
            let is_same = before.is_some_and(|before| {
                keys.key(&before, 0) == keys.key(&item, 0) && streams.last() == Some(stream)
            });
            if !is_same {
                streams.push(Arc::clone(stream));
            }
            before = Some(item);
            ordinals.0.insert(address(stream), streams.len() as u32 - 1);
        }
        (streams, ordinals)
    }

    /// The place of a stream that was among them; beyond all of them for any other.
    pub(crate) fn of(&self, stream: &Arc<Stream>) -> u32 {
        let ordinal = self.0.get(&address(stream));
        ordinal.copied().unwrap_or(u32::MAX)
    }
}

fn address(stream: &Arc<Stream>) -> usize {
    Arc::as_ptr(stream) as usize
}

/// So many streams are fetched at once.
pub(crate) const FETCHED: usize = 16;

/// Looks at some streams, which lie all over the memory, before they are wanted: what one has
/// to wait for one after the other is waited for once.
pub(crate) fn fetch<S: std::ops::Deref<Target = Stream>>(streams: &[S]) {
    let labels = |seen: usize, stream: &S| seen ^ stream.labels.len();
    let seen = streams.iter().fold(0, labels);
    let texts = streams.iter().flat_map(|stream| stream.labels.iter());
    let texts = texts.fold(seen, |seen, (_, value)| {
        seen ^ usize::from(value.bytes().next().unwrap_or_default())
    });
    std::hint::black_box(texts);
}

/// So few streams are compared with one another at once.
const FEW: usize = 8;
/// How often a part of the streams is parted again before they are compared.
const PARTED_MAX: u32 = 32;

/// A stream that is being sorted.
#[derive(Clone, Copy)]
struct Item {
    /// Eight bytes of its text.
    eight: u64,
    at: u32,
}

/// The texts of streams: those of the labels of each, one after the other. Comparing these
/// takes a tenth of the time of comparing the labels one by one.
#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn of(streams: &[&Stream]) -> Self {
        let mut keys = Self::default();
        for near in streams.chunks(FETCHED) {
            fetch(near);
            near.iter().for_each(|stream| keys.push(stream));
        }
        keys
    }

    /// Streams by their texts; those of equal texts are told apart by their content.
    ///
    /// They are parted by eight bytes of the text at a time, behind what all of them begin
    /// with: nearly all texts begin with the same names, and a comparison would look at these
    /// again and again.
    fn in_order(&self, streams: &[&Arc<Stream>]) -> Vec<Item> {
        let items = (0..streams.len() as u32).map(|at| Item { eight: 0, at });
        let mut items: Vec<Item> = items.collect();
        self.sort(&mut items, streams, 0, PARTED_MAX);
        items
    }

    fn push(&mut self, stream: &Stream) {
        for text in stream.labels.iter().flat_map(|(name, value)| [name, value]) {
            self.bytes.extend_from_slice(text.as_bytes());
            self.bytes.push(0);
        }
        self.ends.push(self.bytes.len());
    }

    /// A text from the byte `from` on.
    fn key(&self, item: &Item, from: usize) -> &[u8] {
        let at = item.at as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes[start..self.ends[at]]
            .get(from..)
            .unwrap_or_default()
    }

    /// Sorts streams whose texts are equal up to `from`.
    fn sort(&self, items: &mut [Item], streams: &[&Arc<Stream>], from: usize, parted_max: u32) {
        let from = from + self.alike(items, from);
        if items.len() <= FEW || parted_max == 0 {
            return self.compare(items, streams, from);
        }
        let mut any_ends = false;
        for item in &mut *items {
            let eight = self.key(item, from).first_chunk();
            any_ends |= eight.is_none();
            item.eight = u64::from_be_bytes(eight.copied().unwrap_or_default());
        }
        if any_ends {
            return self.compare(items, streams, from);
        }
        items.sort_unstable_by_key(|item| item.eight);
        for part in items.chunk_by_mut(|a, b| a.eight == b.eight) {
            if part.len() > 1 {
                self.sort(part, streams, from + 8, parted_max - 1);
            }
        }
    }

    fn compare(&self, items: &mut [Item], streams: &[&Arc<Stream>], from: usize) {
        items.sort_unstable_by(|a, b| {
            let texts = self.key(a, from).cmp(self.key(b, from));
            texts.then_with(|| streams[a.at as usize].cmp(streams[b.at as usize]))
        });
    }

    /// How many bytes from `from` on are the same in all texts.
    fn alike(&self, items: &[Item], from: usize) -> usize {
        let Some((first, others)) = items.split_first() else {
            return 0;
        };
        let mut alike = self.key(first, from);
        for other in others {
            let other = self.key(other, from);
            if !other.starts_with(alike) {
                let same = alike.iter().zip(other).take_while(|(a, b)| a == b).count();
                alike = &alike[..same];
            }
        }
        alike.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_one_place_each_whatever_they_were_collected_from() {
        let stream = |name: &str, value: &str, resource: &str| {
            Arc::new(Stream {
                labels: [(name, value)].into_iter().collect(),
                resource: [(resource.to_owned(), String::new())].into(),
                level: crate::stream::Level::Unknown,
            })
        };
        let all = [
            stream("b", "1", "x"),
            stream("a", "\0b", "x"),
            stream("a", "2", "y"),
            stream("b", "1", "x"),
            stream("a", "2", "x"),
            stream("a", "20", "x"),
        ];
        let (forward, ordinals) = Ordinals::of_all(all.iter().chain(&all));
        let (backward, _) = Ordinals::of_all(all.iter().rev());
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), 5);
        for stream in &all {
            assert_eq!(&forward[ordinals.of(stream) as usize], stream);
        }
        assert_eq!(ordinals.of(&stream("c", "", "")), u32::MAX);
    }

    #[test]
    fn many_streams_are_in_the_order_of_their_texts() {
        use rand::{Rng as _, SeedableRng as _};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for round in 0..30 {
            let few = 1 << (round % 10);
            let mut text =
                |n: u32| "abc\0é".repeat(4)[..2 * rng.random_range(0..n) as usize].to_owned();
            let all: Vec<_> = (0..500)
                .map(|n| {
                    let labels = [
                        ("name", text(3)),
                        ("name_of_pod", format!("pod-{}", n % few)),
                    ];
                    Arc::new(Stream {
                        labels: labels.into_iter().collect(),
                        resource: [(text(2), text(2))].into(),
                        level: crate::stream::Level::Unknown,
                    })
                })
                .collect();
            let (found, _) = Ordinals::of_all(all.iter());
            let key = |stream: &Arc<Stream>| {
                let texts = stream.labels.iter().flat_map(|(name, value)| [name, value]);
                let texts = texts.flat_map(|text| [text.as_bytes(), b"\0"].concat());
                (texts.collect::<Vec<u8>>(), Arc::clone(stream))
            };
            let mut expected: Vec<_> = all.iter().map(key).collect();
            expected.sort();
            expected.dedup();
            let expected: Vec<_> = expected.into_iter().map(|(_, stream)| stream).collect();
            assert_eq!(found, expected);
        }
    }
}
