//! How merging holds back: it is never urgent, and everything else is.
//!
//! A merge waits while a seal is being written (the tail is memory, and a full one stops the
//! intake), and else as long as it has to so that it stays within its bytes a second.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shared by the store, its sealing and its merging.
#[derive(Debug)]
pub(super) struct Pace {
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
pub(super) struct Sealing(Arc<Pace>);

impl Pace {
    /// 0 bytes a second are no limit.
    pub(super) fn new(bytes_per_second_max: u64) -> Self {
        Self {
            bytes_per_second_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Says that a seal is being written.
    pub(super) fn sealing(self: &Arc<Self>) -> Sealing {
        self.state.lock().sealing += 1;
        Sealing(Arc::clone(self))
    }

    /// Says that the store is closing: merges give up.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits until a merge that has done `bytes` since `started` may go on; false when it
    /// has to give up.
    pub(super) fn may_go_on(&self, bytes: u64, started: Instant) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.closing {
                return false;
            }
            let early = self.early(bytes, started.elapsed());
            if state.sealing > 0 {
                self.changed.wait(&mut state);
            } else if early.is_zero() {
                return true;
            } else {
                self.changed.wait_for(&mut state, early);
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
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.0.state.lock().sealing -= 1;
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
        assert!(!pace.may_go_on(u64::MAX, started));
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
