//! One piece of work in a thread of its own.

use std::thread::JoinHandle;

/// At most one piece of work at a time, and its result until it is fetched.
#[derive(Debug)]
pub struct Background<T> {
    name: &'static str,
    running: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Background<T> {
    /// No work yet; its threads will have this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            running: None,
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
        let finished = self.running.as_ref().is_some_and(JoinHandle::is_finished);
        finished.then(|| self.wait()).flatten()
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
        assert_eq!(background.wait(), Some(Some(7)));
        assert_eq!((background.is_busy(), background.wait()), (false, None));
    }

    #[test]
    fn work_that_panicked_has_no_result() {
        let mut background: Background<()> = Background::new("test");
        background.start(|| panic!("as the test wants it"));
        assert_eq!(background.wait(), Some(None));
    }
}
