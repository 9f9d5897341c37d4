//! The threads that help those that ask.
//!
//! Whoever asks works itself, so a query waits for no other's: it is helped by threads that
//! are idle, and by none where all are busy. They last as long as the store, because the end of a
//! thread costs more than most answers do: the allocator gives its memory back to the system, and
//! the next thread has to fault all of it in again.

use parking_lot::Mutex;
use rayon_core::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::OnceLock;
use std::thread::available_parallelism;

/// So many queries can have all the help they may have at the same time.
const QUERIES: usize = 2;
/// To look at more bytes than this, others help. It takes some 10 ms, and to wait for a thread
/// takes a fraction of that, or as much where the processors have other work.
const ALONE_BYTES_MAX: u64 = 8 << 20;
/// How many a query may have, whatever is configured.
const PER_QUERY_MAX: usize = 64;
/// How many queries go without help at most before it is tried again to start what could not be
/// started.
const PASSED_OVER_MAX: u32 = 64;

/// The threads of a store's queries, none of which is started before it is needed.
pub(crate) struct Threads {
    per_query: usize,
    alone_bytes_max: u64,
    pool: OnceLock<ThreadPool>,
    starts: Mutex<Starts>,
    /// How many of the pool have nothing to do.
    idle: Mutex<usize>,
}

impl Threads {
    /// As many for a query as are configured; 0 is one for each processor.
    pub(crate) fn of_config(query_threads_max: u64) -> Self {
        Self::new(match usize::try_from(query_threads_max) {
            Ok(0) => available_parallelism()
                .map_or(1, usize::from)
                .min(PER_QUERY_MAX),
            Ok(threads) => threads.min(PER_QUERY_MAX),
            Err(_) => PER_QUERY_MAX,
        })
    }

    /// With so many, at least one, a query is carried out: that of who asks, and helpers.
    pub(crate) fn new(per_query: usize) -> Self {
        Self {
            per_query,
            alone_bytes_max: ALONE_BYTES_MAX,
            pool: OnceLock::new(),
            starts: Mutex::default(),
            idle: Mutex::new(per_query.saturating_sub(1) * QUERIES),
        }
    }

    /// Help with whatever there is, however little.
    #[cfg(test)]
    pub(crate) fn eager(self) -> Self {
        Self {
            alone_bytes_max: 0,
            ..self
        }
    }

    /// Whether others should help to look at so many bytes, about.
    pub(crate) fn are_worth(&self, bytes: u64) -> bool {
        bytes > self.alone_bytes_max
    }

    /// Does `work`, of which there are so many pieces, on this thread, and on others that are idle
    /// at the same time. What came of each, of this one first, when all have ended; a panic of any goes on here.
    pub(crate) fn run<T: Send>(&self, pieces: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
        let helpers = Helpers::of(self, pieces.saturating_sub(1));
        let pool = match helpers.count {
            0 => None,
            _ => self.pool(),
        };
        let Some(pool) = pool else {
            return vec![work()];
        };
        let others = Mutex::new(Vec::with_capacity(helpers.count));
        let own = pool.in_place_scope(|scope| {
            for _ in 0..helpers.count {
                scope.spawn(|_| {
                    let done = work();
                    others.lock().push(done);
                });
            }
            work()
        });
        let mut all = vec![own];
        all.append(&mut others.into_inner());
        all
    }

    /// Nothing where the system has no threads left.
    fn pool(&self) -> Option<&ThreadPool> {
        self.pool_started_by(|threads| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|_| "logs-query".into())
                .build()
        })
    }

    fn pool_started_by(
        &self,
        start: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
    ) -> Option<&ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Some(pool);
        }
        // Who comes meanwhile waits: it is started once.
        let mut starts = self.starts.lock();
        if self.pool.get().is_some() || !starts.is_due() {
            return self.pool.get();
        }
        match start((self.per_query - 1) * QUERIES) {
            Ok(pool) => Some(self.pool.get_or_init(|| pool)),
            Err(error) => {
                starts.note_failure();
                tracing::warn!(%error, queries = starts.passed_over, "queries of logs have one thread each, because no more could be started; raise the limit of threads; it is tried again after so many queries");
                None
            }
        }
    }
}

/// When it is tried again to start threads that could not be started: the system may be short of
/// them for a moment or for days.
#[derive(Debug, Default)]
struct Starts {
    failed: u32,
    /// So many queries go without help before that.
    passed_over: u32,
}

impl Starts {
    fn is_due(&mut self) -> bool {
        match self.passed_over.checked_sub(1) {
            None => true,
            Some(left) => {
                self.passed_over = left;
                false
            }
        }
    }

    /// Twice as many queries are passed over as the last time.
    fn note_failure(&mut self) {
        let queries = 1_u32.checked_shl(self.failed).unwrap_or(PASSED_OVER_MAX);
        self.passed_over = queries.min(PASSED_OVER_MAX);
        self.failed = self.failed.saturating_add(1);
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads")
            .field("per_query", &self.per_query)
            .finish_non_exhaustive()
    }
}

/// Idle threads that were taken, until this is dropped. Nobody takes one that is not idle, so
/// what is given to them never waits behind what another query gave.
struct Helpers<'t> {
    threads: &'t Threads,
    count: usize,
}

impl<'t> Helpers<'t> {
    /// Half of those that are idle, so that the next query has some too.
    fn of(threads: &'t Threads, most: usize) -> Self {
        let mut idle = threads.idle.lock();
        let count = idle.div_ceil(2);
        let count = count.min(threads.per_query.saturating_sub(1)).min(most);
        *idle -= count;
        Self { threads, count }
    }
}

impl Drop for Helpers<'_> {
    fn drop(&mut self) {
        *self.threads.idle.lock() += self.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{ThreadId, current};

    /// Who takes part when `count` can do so at the same time.
    fn together(threads: &Threads, count: usize) -> Vec<ThreadId> {
        let all = Barrier::new(count);
        threads.run(usize::MAX, || {
            all.wait();
            current().id()
        })
    }

    #[test]
    fn who_asks_and_its_helpers_work_at_the_same_time_and_helpers_last() {
        let threads = Threads::new(3);
        let mut helpers = HashSet::new();
        for _ in 0..20 {
            let who = together(&threads, 3);
            assert_eq!((who[0], who.len()), (current().id(), 3));
            helpers.extend(who.into_iter().skip(1));
        }
        assert!(helpers.len() <= 2 * QUERIES, "{helpers:?}");
    }

    #[test]
    fn a_query_is_helped_by_those_that_are_idle_and_waits_for_none() {
        let threads = Threads::new(5);
        // Each within the ones before, so none of these has ended: of 8, 4, 2 and 1 are taken.
        let counts = Mutex::new(Vec::new());
        fn nested(threads: &Threads, depth: usize, counts: &Mutex<Vec<usize>>) {
            let asking = current().id();
            let done = threads.run(usize::MAX, || {
                if current().id() == asking && depth > 0 {
                    nested(threads, depth - 1, counts);
                }
            });
            counts.lock().push(done.len());
        }
        nested(&threads, 5, &counts);
        assert_eq!(counts.into_inner(), [1, 1, 2, 2, 3, 5]);
        assert_eq!(together(&threads, 5).len(), 5);
    }

    #[test]
    fn one_thread_is_that_of_who_asks() {
        for per_query in [0, 1] {
            let threads = Threads::new(per_query);
            assert_eq!(threads.run(usize::MAX, || current().id()), [current().id()]);
            assert!(threads.pool.get().is_none());
        }
    }

    #[test]
    fn threads_that_could_not_be_started_are_started_later() {
        let threads = Threads::new(2);
        let mut tries = Vec::new();
        for query in 0..200 {
            let refuse = |_| {
                tries.push(query);
                ThreadPoolBuilder::new()
                    .num_threads(1)
                    .spawn_handler(|_| Err(std::io::ErrorKind::WouldBlock.into()))
                    .build()
            };
            assert!(threads.pool_started_by(refuse).is_none());
        }
        assert_eq!(tries, [0, 2, 5, 10, 19, 36, 69, 134, 199]);
        // Until it is tried again, who asks does all by itself.
        let alone = (0..PASSED_OVER_MAX).map(|_| threads.run(2, || ()).len());
        assert_eq!(alone.max(), Some(1));
        assert_eq!(together(&threads, 2).len(), 2);
        assert_eq!(*threads.idle.lock(), QUERIES);
    }

    #[test]
    fn there_are_no_more_helpers_than_pieces() {
        let threads = Threads::new(8);
        for (pieces, expected) in [(0, 1), (1, 1), (2, 2), (5, 5), (50, 8)] {
            assert_eq!(threads.run(pieces, || ()).len(), expected, "{pieces}");
        }
    }

    #[test]
    fn a_panic_of_a_helper_comes_to_who_asks_and_all_can_help_again() {
        let threads = Threads::new(2);
        let (all, done) = (Barrier::new(2), AtomicUsize::new(0));
        let asking = current().id();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            threads.run(usize::MAX, || {
                all.wait();
                assert_eq!(current().id(), asking, "as the test wants it");
                done.fetch_add(1, Ordering::Relaxed);
            })
        }));
        assert!(panic.is_err());
        assert_eq!(done.into_inner(), 1);
        assert_eq!(*threads.idle.lock(), QUERIES);
        assert_eq!(together(&threads, 2).len(), 2);
    }
}
