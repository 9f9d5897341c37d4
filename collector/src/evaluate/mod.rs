//! From stored metrics through rules to alerts: one thread that wakes when a group is due.
//!
//! Rules see only what queries see. Their results go back through the journal, their
//! alerts to [`sonde_alerts::Alerts`], which makes them durable; the state of `for` is
//! written after each evaluation that changed it, so a restart continues the wait.
//!
//! Groups are evaluated, delivered and saved one by one. A group whose queries are slow
//! delays no page of a group before it, and a stop waits for one group at most.

mod query;
mod results;
mod votes;

pub(crate) use query::{StoreQuery, check};

use crate::derive::Derived;
use crate::durable;
use parking_lot::{Condvar, Mutex};
use sonde_alerts::{Alert, Alerts};
use sonde_proto::{Clock, Tenant};
use sonde_rules::{AlertStatus, AlertUpdate, Engine, Evaluation, GroupStatus, Query, RuleFile};
use sonde_traces::TraceStore;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The longest nap, so that a reloaded rule is not waited for.
const NAP_MAX: Duration = Duration::from_secs(1);

/// What the evaluator needs beside the rules.
pub(crate) struct Parts<Q = StoreQuery> {
    pub(crate) query: Q,
    pub(crate) derived: Derived,
    pub(crate) alerts: Alerts,
    /// Where the traces that alerts name are kept.
    pub(crate) traces: Option<Arc<TraceStore>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) state_file: PathBuf,
    /// Whether the stores show everything the journal held at the start. Before, a
    /// firing condition could look resolved.
    pub(crate) ready: Box<dyn Fn() -> bool + Send>,
}

/// Whose rules and alerts all are: rules are asked of this tenant's metrics, what they record is
/// its, and their alerts name its traces. Nobody else has any.
fn owner() -> Tenant {
    Tenant::default()
}

/// The alerts that are a tenant's own, the newest first.
pub(crate) fn alerts_of(alerts: &Alerts, tenant: &Tenant) -> Vec<sonde_alerts::AlertStatus> {
    if *tenant == owner() {
        alerts.list()
    } else {
        Vec::new()
    }
}

/// Rules and alerts as they were after the last evaluation. Nobody who looks waits for one.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) groups: Vec<GroupStatus>,
    pub(crate) alerts: Vec<AlertStatus>,
}

impl Shown {
    fn of(engine: &Engine) -> Arc<Self> {
        Arc::new(Self {
            groups: engine.groups(),
            alerts: engine.alerts(),
        })
    }
}

/// What is shown, replaced as a whole after each evaluation. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rules(Arc<Mutex<Arc<Shown>>>);

impl Rules {
    /// The state after the last evaluation.
    #[cfg(test)]
    fn shown(&self) -> Arc<Shown> {
        self.shown_to(&owner())
    }

    /// The state after the last evaluation, as far as it is a tenant's own.
    pub(crate) fn shown_to(&self, tenant: &Tenant) -> Arc<Shown> {
        if *tenant == owner() {
            Arc::clone(&self.0.lock())
        } else {
            Arc::new(Shown::default())
        }
    }
}

/// What the evaluator is told while it naps.
#[derive(Default)]
struct Orders {
    stop: bool,
    /// Rules that replace the present ones before the next evaluation.
    reload: Option<Vec<RuleFile>>,
}

/// The evaluator's thread.
pub(crate) struct Evaluator {
    rules: Rules,
    orders: Arc<(Mutex<Orders>, Condvar)>,
    thread: std::thread::JoinHandle<()>,
}

impl Evaluator {
    /// Starts evaluating `engine`, whose state has been restored.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start<Q>(engine: Engine, parts: Parts<Q>) -> std::io::Result<Self>
    where
        Q: Query + Send + 'static,
    {
        let rules = Rules(Arc::new(Mutex::new(Shown::of(&engine))));
        let orders = Arc::<(Mutex<Orders>, Condvar)>::default();
        let run = Run {
            engine,
            rules: rules.clone(),
            orders: Arc::clone(&orders),
            parts,
            saved: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("evaluate-rules".into())
            .spawn(move || run.run())?;
        Ok(Self {
            rules,
            orders,
            thread,
        })
    }

    /// The rules and alerts, for those who show them.
    pub(crate) fn rules(&self) -> Rules {
        self.rules.clone()
    }

    /// Replaces the rules before the next evaluation. Unedited ones keep their state.
    pub(crate) fn reload(&self, files: Vec<RuleFile>) {
        self.order(|orders| orders.reload = Some(files));
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.0.lock());
        self.orders.1.notify_all();
    }

    /// Ends after the evaluation of the group under way. Blocks until then.
    pub(crate) fn finish(self) {
        self.order(|orders| orders.stop = true);
        if self.thread.join().is_err() {
            tracing::error!(
                "the rule evaluator panicked; rules are evaluated again after a restart"
            );
        }
    }
}

struct Run<Q> {
    engine: Engine,
    rules: Rules,
    orders: Arc<(Mutex<Orders>, Condvar)>,
    parts: Parts<Q>,
    saved: Vec<u8>,
}

impl<Q: Query> Run<Q> {
    fn run(mut self) {
        let mut nap = self.nap();
        while !self.stopped_within(nap) {
            let evaluated = (self.parts.ready)() && self.evaluate_next();
            nap = if evaluated {
                Duration::ZERO
            } else {
                self.nap()
            };
        }
    }

    /// Evaluates one group, if one is due, and sees to everything that follows from it.
    fn evaluate_next(&mut self) -> bool {
        let now = self.parts.clock.now();
        let Some(evaluation) = self.engine.evaluate_next(now, &self.parts.query) else {
            return false;
        };
        *self.rules.0.lock() = Shown::of(&self.engine);
        self.deliver(evaluation);
        self.save();
        true
    }

    fn nap(&self) -> Duration {
        let now = self.parts.clock.now();
        let due = self.engine.next_due(now);
        due.since(now).clamp(Duration::from_millis(20), NAP_MAX)
    }

    /// Naps unless told to stop or to reload, and follows the order. True for a stop.
    fn stopped_within(&mut self, nap: Duration) -> bool {
        let reload = {
            let mut orders = self.orders.0.lock();
            if !orders.stop && orders.reload.is_none() {
                self.orders.1.wait_for(&mut orders, nap);
            }
            if orders.stop {
                return true;
            }
            orders.reload.take()
        };
        if let Some(files) = reload {
            if let Err(error) = self.engine.reload(files) {
                tracing::error!("the state of rules is lost at a reload: {error}");
            }
            *self.rules.0.lock() = Shown::of(&self.engine);
        }
        false
    }

    fn deliver(&self, evaluation: Evaluation) {
        if !evaluation.samples.is_empty() {
            let request = results::to_otlp(&evaluation.samples);
            if !request.resource_metrics.is_empty() {
                self.parts.derived.append(owner(), &request);
            }
            let now = self.parts.clock.now();
            let histograms = results::histograms(&evaluation.samples, owner(), now);
            if let Some(entry) = histograms {
                self.parts.derived.append_entry(entry);
            }
        }
        if !evaluation.alerts.is_empty() {
            if let Some(traces) = &self.parts.traces {
                votes::vote(traces, &owner(), &evaluation.alerts, self.parts.clock.now());
            }
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
        let state = self.engine.state();
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

#[cfg(test)]
mod tests;
