//! The rooms put together: started, asked, stopped.

mod tailing;

use crate::buffer::Buffer;
use crate::config::Config;
use crate::enrich::Enricher;
use crate::export::batch::Batch;
use crate::export::{Client, Delivery, Health};
use crate::node::Node;
use crate::scrape::{Outlet, Scraper};
use crate::status::{Status, TargetDown};
use crate::tail::Tailer;
use crate::tail::cursors::{CursorFile, Ledger};
use crate::tail::discover::Discovery;
use crate::tail::disk::RealDisk;
use crate::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use sonde_proto::Clock;
use sonde_proto::scrape::{Health as TargetHealth, Scraped};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tailing::{Event, Tailing};
use tokio::task::JoinHandle;

/// How many events may wait for the tailing thread: one a lane, and hints.
const EVENTS_MAX: usize = 1024;

/// The shortest interval at which the node is measured.
const NODE_INTERVAL_MS_MIN: u64 = 100;

/// So many targets that fail are shown in the status.
const TARGETS_SHOWN: usize = 20;

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error("agent: {0}")]
    Config(String),
    /// A file of the agent's own cannot be used.
    #[error("agent: cannot {action} {path}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another agent uses the directory.
    #[error(
        "agent: {0} is in use by another agent; stop it, or give this one a data directory of its own"
    )]
    InUse(PathBuf),
}

/// A running agent. Dropping it without [`Agent::stop`] ends it as a crash would.
pub struct Agent {
    host_name: String,
    telemetry: Telemetry,
    delivery: Delivery,
    buffer: Buffer,
    stop_wait: Duration,
    events: mpsc::SyncSender<Event>,
    tailing: Option<std::thread::JoinHandle<()>>,
    /// The thread that measures the node runs while this is here.
    measuring: Option<mpsc::Sender<()>>,
    scraper: Option<Scraper>,
    tasks: Vec<JoinHandle<()>>,
    _lock: Lock,
}

impl Agent {
    /// Starts following files and sending.
    ///
    /// # Errors
    /// [`StartError`] when the configuration or the data directory cannot be used. An
    /// unreachable collector is no error: everything waits for it.
    pub async fn start(
        config: &Config,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let telemetry = Telemetry::new(registry);
        let host_name = config.host_name.clone().unwrap_or_else(system_host_name);
        let lock = lock(data_dir)?;
        let client = Client::new(&config.export).map_err(StartError::Config)?;
        let report_every = Duration::from_millis(config.export.report_interval_ms);
        let health = Health::new(client.endpoint(), Arc::clone(&clock), report_every);
        let delivery = Delivery::new(client, health, telemetry.clone(), &config.export);
        let buffer = Buffer::new(config.buffer.bytes_max, telemetry.clone());
        let (events, received) = mpsc::sync_channel(EVENTS_MAX);
        let mut agent = Self {
            host_name,
            telemetry,
            delivery,
            buffer,
            stop_wait: Duration::from_millis(config.export.stop_wait_ms),
            events,
            tailing: None,
            measuring: None,
            scraper: None,
            tasks: Vec::new(),
            _lock: lock,
        };
        if config.tail.enabled {
            agent.start_tailing(config, data_dir, Arc::clone(&clock), received)?;
        }
        if config.node.enabled {
            agent.start_measuring(config, data_dir, Arc::clone(&clock))?;
        }
        let outlet = Outlet {
            buffer: agent.buffer.clone(),
            telemetry: agent.telemetry.clone(),
            clock,
            report_every,
        };
        let scraper = Scraper::start(&config.scrape, outlet).map_err(StartError::Config)?;
        agent.scraper = Some(scraper);
        agent.start_metrics();
        Ok(agent)
    }

    fn start_tailing(
        &mut self,
        config: &Config,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        received: mpsc::Receiver<Event>,
    ) -> Result<(), StartError> {
        let enricher = Enricher::new(config, &self.host_name).map_err(StartError::Config)?;
        let disk = RealDisk::new(Discovery::new(&config.tail).map_err(StartError::Config)?);
        let file = CursorFile::new(data_dir);
        let saved = file
            .load()
            .map_err(|source| io("read the cursors in", data_dir, source))?;
        let ledger = Ledger::restore(saved);
        let telemetry = self.telemetry.clone();
        let tailer = Tailer::new(
            disk,
            &config.tail,
            &config.export,
            enricher,
            telemetry,
            ledger,
        );
        let lanes = (0..config.export.lanes.max(1))
            .map(|lane| self.start_lane(lane))
            .collect();
        let tailing = Tailing::new(
            tailer,
            file,
            lanes,
            &config.tail,
            clock,
            self.events.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("sonde-tail".into())
            .spawn(move || tailing.run(&received));
        self.tailing =
            Some(thread.map_err(|source| io("start the thread that follows", data_dir, source))?);
        Ok(())
    }

    /// A lane takes a batch, delivers it, and says so.
    fn start_lane(&mut self, lane: usize) -> tokio::sync::mpsc::Sender<Batch> {
        let (sender, mut batches) = tokio::sync::mpsc::channel::<Batch>(1);
        let (delivery, events) = (self.delivery.clone(), self.events.clone());
        self.tasks.push(tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                delivery.logs(batch.sections).await;
                // The queue holds more events than there are lanes; it is full only when the
                // thread is gone or far behind, and then waiting a moment is right.
                let mut event = Event::Acknowledged {
                    lane,
                    progress: batch.progress,
                };
                while let Err(mpsc::TrySendError::Full(back)) = events.try_send(event) {
                    event = back;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }));
        sender
    }

    fn start_measuring(
        &mut self,
        config: &Config,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<(), StartError> {
        let node = Node::new(&config.node, &self.host_name, &config.resource)
            .map_err(StartError::Config)?;
        let interval = Duration::from_millis(config.node.interval_ms.max(NODE_INTERVAL_MS_MIN));
        let (buffer, telemetry) = (self.buffer.clone(), self.telemetry.clone());
        let (running, stop) = mpsc::channel();
        std::thread::Builder::new()
            .name("sonde-node".into())
            .spawn(move || node.run(interval, &clock, &buffer, &telemetry, &stop))
            .map_err(|source| io("start the thread that measures the node", data_dir, source))?;
        self.measuring = Some(running);
        Ok(())
    }

    fn start_metrics(&mut self) {
        let (buffer, delivery) = (self.buffer.clone(), self.delivery.clone());
        self.tasks.push(tokio::spawn(async move {
            loop {
                let request = buffer.next().await;
                delivery.metrics(request).await;
                buffer.sent();
            }
        }));
    }

    /// The agent's state, for people.
    #[must_use]
    pub fn status(&self) -> Status {
        let failing = self.delivery.health.failing();
        let t = &self.telemetry;
        let targets = self.scraped().active;
        let down: Vec<_> = targets
            .iter()
            .filter(|target| target.health == TargetHealth::Down)
            .collect();
        let shown = down.iter().take(TARGETS_SHOWN).map(|target| {
            let label = |name| target.labels.get(name).cloned().unwrap_or_default();
            TargetDown {
                job: label("job"),
                instance: label("instance"),
                error: target.error.clone(),
            }
        });
        Status {
            host_name: self.host_name.clone(),
            endpoint: self.delivery.client.endpoint().to_owned(),
            connected: failing.is_none(),
            failing_since: failing.as_ref().map(|f| f.since),
            error: failing.map(|f| f.error),
            files: t.files.get(),
            files_open: t.files_open.get(),
            backlog_bytes: t.backlog_bytes.get(),
            lines: t.lines.get(),
            bytes: t.bytes.get(),
            records: t.records.get(),
            records_acked: t.acked.get(),
            metrics_waiting_bytes: self.buffer.bytes(),
            targets: targets.len(),
            targets_down: down.len(),
            targets_failing: shown.collect(),
            dropped: t.drops(),
            damaged: t.damages(),
        }
    }

    /// What is scraped, and how it is.
    #[must_use]
    pub fn scraped(&self) -> Scraped {
        let scraper = self.scraper.as_ref();
        scraper.map(Scraper::view).unwrap_or_default()
    }

    /// Reads what is there, sends what the collector takes in time, saves the cursors, ends.
    pub async fn stop(mut self) {
        let deadline = std::time::Instant::now() + self.stop_wait;
        self.measuring = None;
        // Without stale markers: the targets go on, and are scraped again after a restart.
        self.scraper = None;
        if let Some(thread) = self.tailing.take() {
            let events = self.events.clone();
            let joined = tokio::task::spawn_blocking(move || {
                // The thread is there until it has read this.
                drop(events.send(Event::Stop { deadline }));
                thread.join()
            });
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!(
                    "the thread that follows log files had failed; its last cursors may be older"
                );
            }
        }
        while self.buffer.bytes() > 0 && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        drop(self.events.try_send(Event::Abort));
    }
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> StartError {
    StartError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}

/// The lock on the data directory. It is let go, and not only closed: a program that this one is
/// just starting holds for a moment what was open here.
struct Lock(std::fs::File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closed, it is let go as well, if perhaps later.
        let _ = self.0.unlock();
    }
}

/// Creates the data directory and keeps other agents out of it.
fn lock(data_dir: &Path) -> Result<Lock, StartError> {
    std::fs::create_dir_all(data_dir).map_err(|source| io("create", data_dir, source))?;
    let path = data_dir.join("lock");
    let file = std::fs::File::create(&path).map_err(|source| io("create", &path, source))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartError::InUse(data_dir.to_path_buf())),
        Err(error) => Err(io("lock", &path, error.into())),
    }
}

fn system_host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
