//! How merging holds back: it is never urgent, and everything else is.
//!
//! A merge waits while a seal is being written (what is unsealed is memory, and a full one
//! stops the intake), and else as long as it has to so that it stays within its bytes a second.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by a store, its sealing and its merging.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second_max: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sealing: usize,
    closing: bool,
}

/// While it lives, merges wait.
#[derive(Debug)]
pub struct Sealing(Arc<Pace>);

impl Pace {
    /// 0 bytes a second are no limit.
    #[must_use]
    pub fn new(bytes_per_second_max: u64) -> Self {
        Self {
            bytes_per_second_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Says that a seal is being written.
    #[must_use]
    pub fn sealing(self: &Arc<Self>) -> Sealing {
        self.state().sealing += 1;
        Sealing(Arc::clone(self))
    }

    /// Says that the store is closing: work in the background gives up.
    pub fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// Whether the store is closing.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Waits until a merge that has done `bytes` since `started` may go on; false when it
    /// has to give up.
    #[must_use]
    pub fn may_go_on(&self, bytes: u64, started: Instant) -> bool {
        let mut state = self.state();
        loop {
            if state.closing {
                return false;
            }
            let early = self.early(bytes, started.elapsed());
            if state.sealing > 0 {
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else if early.is_zero() {
                return true;
            } else {
                let waited = self.changed.wait_timeout(state, early);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// How much too early it is to have done so many bytes.
    fn early(&self, bytes: u64, elapsed: Duration) -> Duration {
        match self.bytes_per_second_max {
            0 => Duration::ZERO,
            max => {
                let due = u128::from(bytes) * 1_000_000_000 / u128::from(max);
                let due = Duration::from_nanos(u64::try_from(due).unwrap_or(u64::MAX));
                due.saturating_sub(elapsed)
            }
        }
    }

    /// Nothing in here panics with the lock held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.0.state().sealing -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_due_after_their_share_of_a_second() {
        let pace = Pace::new(1 << 20);
        let second = Duration::from_secs(1);
        assert_eq!(pace.early(0, Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.early(1 << 20, Duration::ZERO), second);
        assert_eq!(pace.early(3 << 20, second), 2 * second);
        assert_eq!(pace.early(1 << 20, second), Duration::ZERO);
        assert_eq!(Pace::new(0).early(u64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_merge_takes_the_time_its_bytes_take_and_ends_with_the_store() {
        let pace = Pace::new(10 << 20);
        let started = Instant::now();
        assert!(pace.may_go_on(1 << 20, started));
        assert!(started.elapsed() >= Duration::from_millis(100));
        pace.close();
        assert!(pace.is_closing() && !pace.may_go_on(u64::MAX, started));
    }

    #[test]
    fn a_merge_waits_for_a_seal() {
        let pace = Arc::new(Pace::new(0));
        let sealing = pace.sealing();
        std::thread::scope(|scope| {
            let merge = scope.spawn(|| pace.may_go_on(1, Instant::now()));
            assert!(!merge.is_finished());
            drop(sealing);
            assert!(merge.join().unwrap());
        });
    }
}
