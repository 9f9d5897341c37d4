//! The shell: does what the core decides.
//!
//! ```text
//! receive ─┐                ┌▶ log: records appended and synced, off the runtime
//! reload  ─┼▶ Run ─▶ core ──┤   and only then
//! time    ─┤                └▶ deliveries: a task each, with a time limit
//! ended   ─┘◀──────────────────┘
//! ```
//!
//! One task owns the log and drives the core. Reports that wait are taken together, so that
//! they share a sync. While the log cannot be written, nothing is sent and `receive` fails;
//! the log is then written anew from what the core knows.

mod deliveries;
mod run;
mod settings;
mod telemetry;

pub use settings::Settings;

use crate::alert::{Alert, AlertStatus};
use crate::config::AlertConfig;
use crate::core::{Core, GroupStatus, Refused};
use crate::log::{Log, OpenError};
use crate::record::Notification;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use run::{Request, Run};
use sonde_proto::Clock;
use std::path::Path;
use std::sync::Arc;
use telemetry::{Firing, Telemetry};
use tokio::sync::{mpsc, oneshot};

/// How many requests wait for the task; then callers wait.
const REQUESTS_MAX: usize = 64;

/// Everything between a firing rule and a person. Cheap to clone: all clones are one.
///
/// Without [`Alerts::shutdown`] it ends with its last clone, as in a crash: nothing that was
/// acknowledged is lost, and deliveries under way are made again at the next start.
#[derive(Clone)]
pub struct Alerts {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

/// What the task and those who look share. No lock is held across an await; only the task
/// takes the log's.
struct Shared {
    core: Mutex<Core>,
    /// None after the end.
    log: Mutex<Option<Log>>,
    clock: Arc<dyn Clock>,
}

/// Why alerts were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// They are not durable; report them again.
    #[error("alerts are not durable: {0}; free space or repair the disk, they are taken then")]
    NotDurable(String),
    /// It has been shut down.
    #[error("alerts are no longer taken: shutting down")]
    Stopped,
}

impl Alerts {
    /// Opens the log in a directory, which belongs to one process, and continues where it
    /// ended. Without a configuration alerts are kept and shown, and nobody is told.
    ///
    /// # Errors
    /// [`OpenError`] when the log cannot be opened. Damage to it is no error: what is damaged
    /// is skipped and counted.
    pub async fn start(
        dir: &Path,
        config: Option<AlertConfig>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, OpenError> {
        let config = config.unwrap_or_else(AlertConfig::nobody);
        let (log, records, recovery) = open(dir).await?;
        let plan = Arc::clone(&config.plan);
        let core = Core::restore(plan, settings.limits, records, clock.now());
        let telemetry = Telemetry::register(registry);
        telemetry.recovered(dir, recovery, log.bytes());
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            log: Mutex::new(Some(log)),
            clock,
        });
        registry.register_collector(Box::new(Firing::new(&shared)));
        let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
        let run = Run::new(Arc::clone(&shared), config, settings, telemetry);
        tokio::spawn(run.run(waiting));
        Ok(Self { shared, requests })
    }

    /// Takes alerts: new ones, changed ones, ended ones. When this returns they are durable.
    /// Those that cannot be kept are counted, by reason.
    ///
    /// # Errors
    /// [`ReceiveError`]; then none of them is durable.
    pub async fn receive(&self, alerts: Vec<Alert>) -> Result<Refused, ReceiveError> {
        if alerts.is_empty() {
            return Ok(Refused::default());
        }
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Report(alerts, answer), answered).await?
    }

    /// Follows another configuration. Deliveries under way end under the old one.
    ///
    /// # Errors
    /// [`ReceiveError::Stopped`].
    pub async fn reload(&self, config: AlertConfig) -> Result<(), ReceiveError> {
        let (done, is_done) = oneshot::channel();
        self.ask(Request::Reload(config, done), is_done).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, ReceiveError> {
        let stopped = |_| ReceiveError::Stopped;
        self.requests
            .send(request)
            .await
            .map_err(|_| ReceiveError::Stopped)?;
        answer.await.map_err(stopped)
    }

    /// Every alert that fires or ended recently, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<AlertStatus> {
        let now = self.shared.clock.now();
        self.shared.core.lock().list(now)
    }

    /// Every group of alerts, in the order of the routes.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupStatus> {
        let now = self.shared.clock.now();
        self.shared.core.lock().groups(now)
    }

    /// The newest notifications, the newest first.
    #[must_use]
    pub fn notifications(&self, max: usize) -> Vec<Notification> {
        self.shared.core.lock().notifications(max)
    }

    /// Ends: takes nothing more, waits for deliveries under way for at most
    /// [`Settings::shutdown_max`], and lets go of the directory.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        // Whoever was shut down already is.
        let _ = self.ask(Request::Shutdown(done), is_done).await;
    }
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

type Opened = (Log, Vec<crate::record::Record>, crate::log::Recovery);

async fn open(dir: &Path) -> Result<Opened, OpenError> {
    let dir = dir.to_owned();
    let path = dir.clone();
    let opening = tokio::task::spawn_blocking(move || Log::open(&dir)).await;
    opening.unwrap_or_else(|error| {
        Err(OpenError::Io {
            path,
            error: std::io::Error::other(error),
        })
    })
}

#[cfg(test)]
mod tests;
