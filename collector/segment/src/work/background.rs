//! One piece of work in a thread of its own.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// At most one piece of work at a time, and its result until it is fetched.
#[derive(Debug)]
pub struct Background<T> {
    name: &'static str,
    running: Option<JoinHandle<T>>,
    finished: Finished,
}

/// When a piece of work is finished, for whoever waits for that without holding up others.
#[derive(Clone, Debug, Default)]
pub struct Finished(Arc<(Mutex<bool>, Condvar)>);

impl Finished {
    /// Waits until it is; its result can be fetched then.
    pub fn wait(&self) {
        let (is_finished, told) = &*self.0;
        let mut held = is_finished.lock().unwrap_or_else(PoisonError::into_inner);
        while !*held {
            held = told.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let (is_finished, told) = &*self.0;
        *is_finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }
}

/// Lives while the work is done, also when it panics.
struct Working(Finished);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.tell();
    }
}

impl<T: Send + 'static> Background<T> {
    /// No work yet; its threads will have this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            running: None,
            finished: Finished::default(),
        }
    }

    /// Starts `work`. Where the system has no thread left, it is done here and now instead,
    /// and its result returned.
    pub fn start(&mut self, work: impl FnOnce() -> T + Clone + Send + 'static) -> Option<T> {
        debug_assert!(
            self.running.is_none(),
            "the result of the work before was not fetched"
        );
        let here = work.clone();
        self.finished = Finished::default();
        let working = Working(self.finished.clone());
        let work = move || {
            let _working = working;
            work()
        };
        let thread = std::thread::Builder::new().name(self.name.into());
        match thread.spawn(work) {
            Ok(thread) => {
                self.running = Some(thread);
                None
            }
            Err(error) => {
                tracing::warn!(work = self.name, %error, "no thread could be started; doing the work in this one");
                Some(here())
            }
        }
    }

    /// Whether work was started whose result was not fetched yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// The result, where the work is finished. `None` inside: it panicked.
    pub fn poll(&mut self) -> Option<Option<T>> {
        let finished = self.is_busy() && self.finished.is();
        finished.then(|| self.wait()).flatten()
    }

    /// When the work that was started last is finished; at once where there is none.
    #[must_use]
    pub fn finished(&self) -> Finished {
        if !self.is_busy() {
            self.finished.tell();
        }
        self.finished.clone()
    }

    /// Waits for the result, where there is work. `None` inside: it panicked.
    pub fn wait(&mut self) -> Option<Option<T>> {
        let thread = self.running.take()?;
        Some(thread.join().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn work_is_busy_until_its_result_is_fetched() {
        let mut background = Background::new("test");
        let gate = Arc::new(Barrier::new(2));
        let inside = Arc::clone(&gate);
        assert_eq!(
            background.start(move || {
                inside.wait();
                7
            }),
            None
        );
        assert!(background.is_busy());
        assert_eq!(background.poll(), None);
        gate.wait();
        background.finished().wait();
        assert_eq!(background.poll(), Some(Some(7)));
        background.finished().wait();
        assert_eq!((background.is_busy(), background.wait()), (false, None));
    }

    #[test]
    fn work_that_panicked_has_no_result() {
        let mut background: Background<()> = Background::new("test");
        background.start(|| panic!("as the test wants it"));
        background.finished().wait();
        assert_eq!(background.wait(), Some(None));
    }
}
