//! Until when an answer is worth working for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Until when an answer is worth working for: a moment, and whether whoever asked still
/// waits. Clones belong together: when one is given up, all are.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    given_up: Arc<AtomicBool>,
}

impl Deadline {
    /// None.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// So long from now. A time beyond what the clock can tell is never.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(time),
            ..Self::default()
        }
    }

    /// The same, but at the latest so long from now.
    #[must_use]
    pub fn at_most(&self, time: Duration) -> Self {
        let sooner = Instant::now().checked_add(time);
        Self {
            at: [self.at, sooner].into_iter().flatten().min(),
            given_up: Arc::clone(&self.given_up),
        }
    }

    /// Whether it is not worth going on: it is too late, or nobody waits.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// Gives it up, here and in all clones, when the guard is dropped.
    #[must_use]
    pub fn give_up_on_drop(&self) -> GiveUp {
        GiveUp(Arc::clone(&self.given_up))
    }
}

/// Stands for somebody who waits. Dropping it gives the [`Deadline`] up.
#[derive(Debug)]
pub struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_with_time_or_when_nobody_waits() {
        assert!(!Deadline::never().has_passed());
        assert!(!Deadline::within(Duration::MAX).has_passed());
        assert!(Deadline::within(Duration::ZERO).has_passed());
        let asked = Deadline::within(Duration::from_secs(3600));
        assert!(asked.at_most(Duration::ZERO).has_passed());
        let narrower = asked.at_most(Duration::MAX);
        assert!(!narrower.has_passed());
        drop(asked.give_up_on_drop());
        assert!(asked.has_passed() && narrower.has_passed());
    }
}
