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
        let mut all: Vec<&Arc<Stream>> = all.collect();
        // Most of them come many times, and addresses are compared sooner than contents.
        all.sort_unstable_by_key(|stream| Arc::as_ptr(stream) as usize);
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut keyed: Vec<(Vec<u8>, &Arc<Stream>)> = all
            .into_iter()
            .map(|stream| (key(stream), stream))
            .collect();
        keyed.sort_unstable();
        let (mut streams, mut ordinals) = (Vec::<Arc<Stream>>::new(), Self::default());
        for (_, stream) in keyed {
            if streams.last() != Some(stream) {
                streams.push(Arc::clone(stream));
            }
            let ordinal = streams.len() as u32 - 1;
            ordinals.0.insert(Arc::as_ptr(stream) as usize, ordinal);
        }
        (streams, ordinals)
    }

    /// The place of a stream that was among them; beyond all of them for any other.
    pub(crate) fn of(&self, stream: &Arc<Stream>) -> u32 {
        let ordinal = self.0.get(&(Arc::as_ptr(stream) as usize));
        ordinal.copied().unwrap_or(u32::MAX)
    }
}

/// The labels as one text: a tenth of the time of comparing them one by one. Streams of
/// equal keys are still told apart by their content.
fn key(stream: &Stream) -> Vec<u8> {
    let bytes = stream.labels.iter().map(|(n, v)| n.len() + v.len() + 2);
    let mut key = Vec::with_capacity(bytes.sum());
    for text in stream.labels.iter().flat_map(|(name, value)| [name, value]) {
        key.extend_from_slice(text.as_bytes());
        key.push(0);
    }
    key
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
}
