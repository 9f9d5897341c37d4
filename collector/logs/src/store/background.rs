//! One piece of work in a thread of its own.

use std::thread::JoinHandle;

/// At most one piece of work at a time, and its result until it is fetched.
#[derive(Debug)]
pub(super) struct Background<T> {
    name: &'static str,
    running: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Background<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            running: None,
        }
    }

    /// Starts `work`. Where the system has no thread left, it is done here and now instead,
    /// and its result returned.
    pub(super) fn start(&mut self, work: impl Fn() -> T + Clone + Send + 'static) -> Option<T> {
        debug_assert!(
            self.running.is_none(),
            "the result of the work before was not fetched"
        );
        let here = work.clone();
        match std::thread::Builder::new()
            .name(self.name.into())
            .spawn(work)
        {
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
    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// The result, where the work is finished. `None` inside: it panicked.
    pub(super) fn poll(&mut self) -> Option<Option<T>> {
        let finished = self.running.as_ref().is_some_and(JoinHandle::is_finished);
        finished.then(|| self.wait()).flatten()
    }

    /// Waits for the result, where there is work.
    pub(super) fn wait(&mut self) -> Option<Option<T>> {
        let thread = self.running.take()?;
        Some(thread.join().ok())
    }
}
