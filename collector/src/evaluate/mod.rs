//! From stored metrics through rules to alerts: one thread that wakes when a group is due.
//!
//! Rules see only what queries see. Their results go back through the journal, their
//! alerts to [`sonde_alerts::Alerts`], which makes them durable; the state of `for` is
//! written after each evaluation that changed it, so a restart continues the wait.

mod query;
mod results;

pub(crate) use query::{StoreQuery, check};

use crate::derive::Derived;
use crate::durable;
use parking_lot::{Condvar, Mutex};
use sonde_alerts::{Alert, Alerts};
use sonde_proto::{Clock, Tenant, UnixNanos};
use sonde_rules::{AlertUpdate, Engine, Evaluation};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The longest nap, so that a reloaded rule is not waited for.
const NAP_MAX: Duration = Duration::from_secs(1);

/// What the evaluator needs beside the rules.
pub(crate) struct Parts {
    pub(crate) query: StoreQuery,
    pub(crate) derived: Derived,
    pub(crate) alerts: Alerts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) state_file: PathBuf,
    /// Whether the stores show everything the journal held at the start. Before, a
    /// firing condition could look resolved.
    pub(crate) ready: Box<dyn Fn() -> bool + Send>,
}

/// The evaluator's thread and the engine it shares with the API.
pub(crate) struct Evaluator {
    engine: Arc<Mutex<Engine>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: std::thread::JoinHandle<()>,
}

impl Evaluator {
    /// Starts evaluating `engine`, whose state has been restored.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(engine: Engine, parts: Parts) -> std::io::Result<Self> {
        let engine = Arc::new(Mutex::new(engine));
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let run = Run {
            engine: Arc::clone(&engine),
            stop: Arc::clone(&stop),
            parts,
            saved: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("evaluate-rules".into())
            .spawn(move || run.run())?;
        Ok(Self {
            engine,
            stop,
            thread,
        })
    }

    /// The engine, for those who show its rules and alerts.
    pub(crate) fn engine(&self) -> Arc<Mutex<Engine>> {
        Arc::clone(&self.engine)
    }

    /// Ends after the evaluation under way. Blocks until then.
    pub(crate) fn finish(self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if self.thread.join().is_err() {
            tracing::error!(
                "the rule evaluator panicked; rules are evaluated again after a restart"
            );
        }
    }
}

struct Run {
    engine: Arc<Mutex<Engine>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    parts: Parts,
    saved: Vec<u8>,
}

impl Run {
    fn run(mut self) {
        loop {
            let nap = self.nap();
            if self.stopped_within(nap) {
                return;
            }
            if !(self.parts.ready)() {
                continue;
            }
            let now = self.parts.clock.now();
            if self.engine.lock().next_due(now) <= now {
                let evaluation = self.evaluate(now);
                self.deliver(evaluation);
                self.save();
            }
        }
    }

    fn nap(&self) -> Duration {
        let now = self.parts.clock.now();
        let due = self.engine.lock().next_due(now);
        due.since(now).clamp(Duration::from_millis(20), NAP_MAX)
    }

    fn stopped_within(&self, nap: Duration) -> bool {
        let mut stopped = self.stop.0.lock();
        if !*stopped {
            self.stop.1.wait_for(&mut stopped, nap);
        }
        *stopped
    }

    fn evaluate(&self, now: UnixNanos) -> Evaluation {
        self.engine.lock().evaluate_due(now, &self.parts.query)
    }

    fn deliver(&self, evaluation: Evaluation) {
        if !evaluation.samples.is_empty() {
            let request = results::to_otlp(&evaluation.samples);
            self.parts.derived.append(Tenant::default(), &request);
        }
        if !evaluation.alerts.is_empty() {
            let alerts = evaluation.alerts.into_iter().map(alert).collect();
            if let Err(error) = self
                .parts
                .runtime
                .block_on(self.parts.alerts.receive(alerts))
            {
                tracing::error!("alerts could not be taken, and are sent again: {error}");
            }
        }
    }

    fn save(&mut self) {
        let state = self.engine.lock().state();
        if state == self.saved {
            return;
        }
        match durable::replace(&self.parts.state_file, &state) {
            Ok(()) => self.saved = state,
            Err(error) => tracing::error!(
                "cannot keep the state of rules in {}: {error}; a restart would begin `for` anew",
                self.parts.state_file.display()
            ),
        }
    }
}

fn alert(update: AlertUpdate) -> Alert {
    Alert {
        labels: update.labels,
        annotations: update.annotations,
        starts_at: update.starts_at,
        ends_at: update.ends_at,
        generator_url: update.generator_url,
    }
}
