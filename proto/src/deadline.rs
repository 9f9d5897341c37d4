//! Until when an answer is worth working for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Until when an answer is worth working for: a moment, and whether whoever asked still
/// waits. Clones belong together: when one is given up, all are.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    /// How long it was when it was set.
    whole: Option<Duration>,
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
            whole: Some(time),
            ..Self::default()
        }
    }

    /// The same, but at the latest so long from now.
    #[must_use]
    pub fn at_most(&self, time: Duration) -> Self {
        let sooner = Instant::now().checked_add(time);
        Self {
            at: [self.at, sooner].into_iter().flatten().min(),
            whole: Some(self.whole.map_or(time, |whole| whole.min(time))),
            given_up: Arc::clone(&self.given_up),
        }
    }

    /// The same, but at the latest after one of `parts` equal parts of the whole time.
    #[must_use]
    pub fn part(&self, parts: u32) -> Self {
        match self.whole {
            Some(whole) => self.at_most(whole / parts.max(1)),
            None => self.clone(),
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
        assert!(!asked.part(6).has_passed() && !Deadline::never().part(6).has_passed());
        let part = Deadline::within(Duration::from_nanos(10)).part(10);
        assert_eq!(part.whole, Some(Duration::from_nanos(1)));
        let narrower = asked.at_most(Duration::MAX);
        assert!(!narrower.has_passed());
        drop(asked.give_up_on_drop());
        assert!(asked.has_passed() && narrower.has_passed());
    }
}
