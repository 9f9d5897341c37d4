//! Streams that many segments have in common, kept once and within bytes.
//!
//! Every segment has its streams, and those of neighbours are nearly the same: with a copy
//! each, memory would grow with streams times segments. And where every record has a stream
//! of its own, it would grow with the disk: beyond its bytes the pool takes no more.

use super::Stream;
use ahash::AHashSet;
use parking_lot::Mutex;
use std::sync::Arc;

/// The streams of all open segments.
#[derive(Debug)]
pub(crate) struct StreamPool {
    bytes_max: u64,
    pooled: Mutex<Pooled>,
}

#[derive(Debug, Default)]
struct Pooled {
    streams: AHashSet<Arc<Stream>>,
    bytes: u64,
    /// How many there were after the last look for streams that nobody has any more.
    after_sweep: usize,
}

/// Fewer streams than this are not worth a look.
const SWEEP_MIN: usize = 1024;

impl StreamPool {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            pooled: Mutex::default(),
        }
    }

    /// Puts the pool's own in the place of streams that it has already, and takes the others;
    /// false, and nothing is taken, where there is no room for them.
    pub(crate) fn share(&self, streams: &mut [Arc<Stream>]) -> bool {
        let mut pooled = self.pooled.lock();
        for stream in &mut *streams {
            if let Some(known) = pooled.streams.get(stream) {
                *stream = Arc::clone(known);
            }
        }
        let is_new = |pooled: &Pooled, s: &Arc<Stream>| !pooled.streams.contains(s);
        let new = streams.iter().filter(|s| is_new(&pooled, s));
        let bytes: u64 = new.map(|s| s.bytes()).sum();
        let is_full = |pooled: &Pooled| pooled.bytes.saturating_add(bytes) > self.bytes_max;
        let grown = pooled.streams.len() >= SWEEP_MIN.max(2 * pooled.after_sweep);
        if grown || is_full(&pooled) {
            pooled.sweep();
        }
        if is_full(&pooled) {
            return false;
        }
        for stream in streams {
            if pooled.streams.insert(Arc::clone(stream)) {
                pooled.bytes += stream.bytes();
            }
        }
        true
    }

    /// How many streams there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pooled.lock().streams.len()
    }
}

impl Pooled {
    /// Forgets what no segment has.
    fn sweep(&mut self) {
        self.streams.retain(|s| Arc::strong_count(s) > 1);
        self.bytes = self.streams.iter().map(|s| s.bytes()).sum();
        self.after_sweep = self.streams.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(n: usize) -> Arc<Stream> {
        Arc::new(Stream {
            labels: [("service_name", n.to_string())].into_iter().collect(),
            resource: Arc::default(),
            level: crate::stream::Level::Unknown,
        })
    }

    #[test]
    fn equal_streams_become_one_and_what_nobody_has_is_forgotten() {
        let pool = StreamPool::new(u64::MAX);
        let (mut a, mut b) = ([stream(1), stream(2)], [stream(2), stream(3)]);
        assert!(pool.share(&mut a) && pool.share(&mut b));
        assert!(Arc::ptr_eq(&a[1], &b[0]));
        assert_eq!(pool.len(), 3);
        for n in 0..20_000 {
            assert!(pool.share(&mut [stream(n)]));
            assert!(pool.len() <= SWEEP_MIN + 1);
        }
        assert!(Arc::strong_count(&a[0]) > 1, "what is in use stays");
    }

    #[test]
    fn a_full_pool_takes_what_it_has_and_room_comes_back() {
        let pool = StreamPool::new(10 * stream(10).bytes());
        let mut all: Vec<_> = (10..20).map(stream).collect();
        assert!(pool.share(&mut all));
        assert!(!pool.share(&mut [stream(20)]));
        assert!(pool.share(&mut [stream(12), stream(13)]));
        all.pop();
        assert!(pool.share(&mut [stream(20)]));
        assert!(pool.len() <= 10);
    }
}
