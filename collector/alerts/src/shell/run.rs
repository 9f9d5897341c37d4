//! The task that drives the core.

use super::deliveries::Deliveries;
use super::telemetry::Telemetry;
use super::{ReceiveError, Settings, Shared};
use crate::alert::Alert;
use crate::config::AlertConfig;
use crate::core::{Actions, Delivery, Event, Refused, Verdict};
use crate::log::Log;
use crate::record::Record;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How many requests or ends of deliveries share one sync.
const BATCH_MAX: usize = 64;

/// The longest nap: a clock that was set is noticed after it.
const NAP_MAX: Duration = Duration::from_secs(1);

/// How long until a log that could not be written is written anew.
const REWRITE_PAUSE: Duration = Duration::from_secs(1);

/// What is asked of the task.
pub(super) enum Request {
    /// Take alerts.
    Report(Vec<Alert>, oneshot::Sender<Result<Refused, ReceiveError>>),
    /// Follow a configuration.
    Reload(AlertConfig, oneshot::Sender<()>),
    /// End.
    Shutdown(oneshot::Sender<()>),
}

/// A report's alerts and who waits for them.
type Report = (Vec<Alert>, oneshot::Sender<Result<Refused, ReceiveError>>);

/// What became of events: what was refused of each, and whether what they led to is durable.
struct Step {
    refused: Vec<Refused>,
    durable: Result<(), String>,
}

/// The task's own.
pub(super) struct Run {
    shared: Arc<Shared>,
    config: AlertConfig,
    settings: Settings,
    telemetry: Telemetry,
    deliveries: Deliveries,
    /// When a log that could not be written is tried again.
    rewrite_at: Option<Instant>,
}

impl Run {
    pub(super) fn new(
        shared: Arc<Shared>,
        config: AlertConfig,
        settings: Settings,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            shared,
            config,
            settings,
            deliveries: Deliveries::new(telemetry.clone()),
            telemetry,
            rewrite_at: None,
        }
    }

    /// Runs until it is shut down or nobody is left who could ask.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let nap = self.nap();
            tokio::select! {
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    if let Some(done) = self.answer(request, &mut requests).await {
                        requests.close();
                        self.finish().await;
                        drop(self);
                        // Whoever asked may have left.
                        let _ = done.send(());
                        return;
                    }
                }
                ended = self.deliveries.next() => {
                    let events = self.deliveries.with_others(ended, BATCH_MAX);
                    self.step(events).await;
                }
                () = tokio::time::sleep(nap) => {
                    self.step(vec![Event::Tick]).await;
                }
            }
        }
    }

    fn nap(&self) -> Duration {
        let now = self.shared.clock.now();
        let due = self.shared.core.lock().next_wake();
        let mut nap = due.map_or(NAP_MAX, |due| due.since(now).min(NAP_MAX));
        if let Some(at) = self.rewrite_at {
            nap = nap.min(at.saturating_duration_since(Instant::now()));
        }
        nap
    }

    /// Answers a request together with those that wait behind it. Returns whom to tell when a
    /// shutdown is among them.
    async fn answer(
        &mut self,
        first: Request,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Option<oneshot::Sender<()>> {
        let mut reports = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Report(alerts, answer) => reports.push((alerts, answer)),
                Request::Reload(config, done) => {
                    self.report(std::mem::take(&mut reports)).await;
                    self.reload(config).await;
                    // Whoever asked may have left.
                    let _ = done.send(());
                }
                Request::Shutdown(done) => {
                    self.report(reports).await;
                    return Some(done);
                }
            }
            next = (reports.len() < BATCH_MAX)
                .then(|| requests.try_recv().ok())
                .flatten();
        }
        self.report(reports).await;
        None
    }

    async fn report(&mut self, reports: Vec<Report>) {
        if reports.is_empty() {
            return;
        }
        let (alerts, answers): (Vec<_>, Vec<_>) = reports.into_iter().unzip();
        let received = alerts.iter().map(Vec::len).sum();
        let events = alerts.into_iter().map(Event::Reported).collect();
        let Step { refused, durable } = self.step(events).await;
        self.telemetry.received(received, &refused);
        for (answer, refused) in answers.into_iter().zip(refused) {
            let result = durable.clone().map(|()| refused);
            // Whoever asked may have left.
            let _ = answer.send(result.map_err(ReceiveError::NotDurable));
        }
    }

    async fn reload(&mut self, config: AlertConfig) {
        self.config = config;
        let plan = Arc::clone(&self.config.plan);
        self.step(vec![Event::Reload(plan)]).await;
        tracing::info!("alert routing reloaded");
    }

    /// Lets the core decide about events, makes its records durable, then starts the
    /// deliveries.
    async fn step(&mut self, events: Vec<Event>) -> Step {
        let (actions, refused) = self.decide(events);
        let durable = self.keep(actions.records).await;
        match &durable {
            Ok(()) => {
                for delivery in actions.deliveries {
                    self.start(delivery);
                }
            }
            Err(error) => self.hold_back(actions.deliveries, error),
        }
        Step { refused, durable }
    }

    fn decide(&self, events: Vec<Event>) -> (Actions, Vec<Refused>) {
        let (mut all, mut refused) = (Actions::default(), Vec::new());
        let now = self.shared.clock.now();
        let mut core = self.shared.core.lock();
        for event in events {
            let actions = core.on_event(event, now);
            all.records.extend(actions.records);
            all.deliveries.extend(actions.deliveries);
            refused.push(actions.refused);
            self.telemetry.given_up(actions.given_up);
        }
        (all, refused)
    }

    fn start(&mut self, delivery: Delivery) {
        let receiver = self.config.receivers.get(&delivery.slot.receiver);
        let integration =
            receiver.and_then(|all| all.iter().find(|one| one.name == delivery.slot.integration));
        let integration = integration.map(Arc::clone);
        self.deliveries
            .start(integration, delivery, &self.settings.external_url);
    }

    /// Nothing is sent whose intent is not durable: the core hears that these deliveries
    /// failed, and tries again later. Whatever it wants to start instead is held back too.
    fn hold_back(&mut self, mut deliveries: Vec<Delivery>, error: &str) {
        while !deliveries.is_empty() {
            let ended = |delivery: Delivery| {
                self.telemetry.held_back();
                Event::Ended {
                    slot: delivery.slot,
                    verdict: Verdict::Retry {
                        error: format!("not sent, because it could not be noted before: {error}"),
                        after: None,
                    },
                }
            };
            let events = deliveries.into_iter().map(ended).collect();
            deliveries = self.decide(events).0.deliveries;
        }
    }

    /// Makes records durable: appended, or with everything else when an earlier write failed.
    async fn keep(&mut self, records: Vec<Record>) -> Result<(), String> {
        let is_due = self.rewrite_at.is_some_and(|at| at <= Instant::now());
        if records.is_empty() && !is_due {
            return Ok(());
        }
        if !self.is_suspect() {
            let appended = self.write(move |log| log.append(&records)).await;
            if let Err(error) = appended {
                self.failed(&error);
                return Err(error);
            }
            if self.wants_compaction() {
                // What was appended is durable, whether or not the log becomes smaller.
                let _ = self.rewrite().await;
            } else if is_due {
                self.rewrite_at = None;
            }
            return Ok(());
        }
        self.rewrite().await
    }

    fn wants_compaction(&self) -> bool {
        let may_try = self.rewrite_at.is_none_or(|at| at <= Instant::now());
        let bytes_min = self.settings.log_bytes_min;
        let log = self.shared.log.lock();
        may_try && log.as_ref().is_some_and(|log| log.wants_rewrite(bytes_min))
    }

    fn is_suspect(&self) -> bool {
        self.shared.log.lock().as_ref().is_some_and(Log::is_suspect)
    }

    async fn rewrite(&mut self) -> Result<(), String> {
        let snapshot = self.shared.core.lock().snapshot();
        let rewritten = self.write(move |log| log.rewrite(&snapshot)).await;
        match &rewritten {
            Ok(()) if self.rewrite_at.take().is_some() => {
                tracing::info!("the alerts log is written again");
            }
            Ok(()) => {}
            Err(error) => self.failed(error),
        }
        rewritten
    }

    fn failed(&mut self, error: &str) {
        self.telemetry.write_failed();
        tracing::error!(
            "cannot write the alerts log: {error}; nobody is told anything until it can be written"
        );
        self.rewrite_at = Some(Instant::now() + REWRITE_PAUSE);
    }

    /// Writes off the runtime's threads.
    async fn write(
        &self,
        write: impl FnOnce(&mut Log) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let written = tokio::task::spawn_blocking(move || {
            let mut log = shared.log.lock();
            let log = log.as_mut().ok_or("it has been closed")?;
            write(log).map_err(|error| error.to_string())?;
            Ok(log.bytes())
        });
        let bytes: Result<u64, String> = written.await.map_err(|error| error.to_string())?;
        self.telemetry.log_has(bytes?);
        Ok(())
    }

    /// Waits for the deliveries under way and starts no others. One that takes too long is
    /// made again after the next start, because its intent is in the log.
    async fn finish(&mut self) {
        let deadline = Instant::now() + self.settings.shutdown_max;
        while !self.deliveries.is_empty() {
            let Ok(ended) = tokio::time::timeout_at(deadline, self.deliveries.next()).await else {
                tracing::warn!(
                    "{} notifications under way were cut off by the shutdown; they are sent again after the next start",
                    self.deliveries.len()
                );
                break;
            };
            let events = self.deliveries.with_others(ended, BATCH_MAX);
            let (actions, _) = self.decide(events);
            // Not written means sent again after the next start.
            let _ = self.keep(actions.records).await;
        }
        if self.is_suspect() {
            // The last chance; the failure is logged and counted.
            let _ = self.rewrite().await;
        }
    }
}

/// However the task ends, the directory is free then.
impl Drop for Run {
    fn drop(&mut self) {
        *self.shared.log.lock() = None;
    }
}
