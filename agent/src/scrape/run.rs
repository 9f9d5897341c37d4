//! Each target at its turn: a task a target, which fetches, takes and hands on.

use super::config::ScrapeConfig;
use super::fetch::Fetcher;
use super::job::{Job, Targets, jobs};
use super::take::{Taken, Taker};
use super::target::Target;
use crate::buffer::Buffer;
use crate::telemetry::Telemetry;
use parking_lot::Mutex;
use sonde_proto::scrape::{DroppedTarget, Health, Scraped, ScrapedMetadata, ScrapedTarget};
use sonde_proto::{Clock, UnixNanos};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Times of scrapes that are this close to their turn are set to it, so that they are evenly
/// apart, which takes less room; as in Prometheus.
const TOLERANCE: Duration = Duration::from_millis(2);
/// A larger part of the interval than this is no tolerance.
const TOLERANCE_PART: u32 = 100;
/// A scrape that is late by more than this part of the interval begins a new count of turns.
const LATE_PART: u32 = 10;

/// Where samples go, and what is counted and told on the way.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) buffer: Buffer,
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: Arc<dyn Clock>,
    /// How often a target that stays down is reported again.
    pub(crate) report_every: Duration,
}

/// Everything that is scraped.
pub(crate) struct Scraper {
    outlet: Outlet,
    pools: Vec<Pool>,
}

struct Pool {
    job: Arc<Job>,
    running: HashMap<u64, Running>,
    targets: Dropped,
}

#[derive(Default)]
struct Dropped {
    kept: Vec<super::Labels>,
    count: usize,
}

/// A target's task.
struct Running {
    target: Arc<Target>,
    state: Arc<Mutex<State>>,
    leave: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that was told to leave ends by itself.
        if !*self.leave.borrow() {
            self.task.abort();
        }
    }
}

/// How a target is.
#[derive(Debug)]
struct State {
    health: Health,
    error: String,
    last: Option<UnixNanos>,
    took: Duration,
    metadata: Arc<[ScrapedMetadata]>,
    reported: Option<UnixNanos>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            health: Health::Unknown,
            error: String::new(),
            last: None,
            took: Duration::ZERO,
            metadata: Arc::from([]),
            reported: None,
        }
    }
}

impl Scraper {
    /// Starts a task for each target; must be called within a runtime.
    ///
    /// # Errors
    /// What is wrong with the configuration, and where.
    pub(crate) fn start(config: &ScrapeConfig, outlet: Outlet) -> Result<Self, String> {
        let mut scraper = Self {
            outlet,
            pools: Vec::new(),
        };
        // All are checked before any is started.
        let mut all = Vec::new();
        for (job, config) in jobs(config)?.into_iter().zip(&config.scrape_configs) {
            let targets = job.targets(&config.static_configs)?;
            all.push((job, targets));
        }
        for (job, targets) in all {
            scraper.pools.push(Pool {
                job: Arc::new(job),
                running: HashMap::new(),
                targets: Dropped::default(),
            });
            scraper.set(scraper.pools.len() - 1, targets);
        }
        Ok(scraper)
    }

    /// Sets the targets of a job: new ones are begun, those that are gone end with stale
    /// markers, the others go on.
    fn set(&mut self, pool: usize, targets: Targets) {
        let outlet = self.outlet.clone();
        let Some(pool) = self.pools.get_mut(pool) else {
            return;
        };
        let mut running = HashMap::with_capacity(targets.active.len());
        for target in targets.active {
            let one = match pool.running.remove(&target.id) {
                Some(one) => one,
                None => Running::start(
                    Arc::clone(&pool.job),
                    Arc::new(target),
                    outlet.clone(),
                    targets.refused.clone(),
                ),
            };
            running.insert(one.target.id, one);
        }
        for (_, gone) in std::mem::replace(&mut pool.running, running) {
            gone.leave.send_replace(true);
        }
        pool.targets = Dropped {
            kept: targets.dropped,
            count: targets.dropped_count,
        };
    }

    /// What is scraped, and how it is.
    pub(crate) fn view(&self) -> Scraped {
        let mut view = Scraped::default();
        for pool in &self.pools {
            let name = &pool.job.name;
            view.pools.push(name.clone());
            view.dropped_counts.insert(name.clone(), pool.targets.count);
            let dropped = pool.targets.kept.iter().map(|labels| DroppedTarget {
                pool: name.clone(),
                discovered: labels.clone(),
            });
            view.dropped.extend(dropped);
            let mut active: Vec<_> = pool.running.values().map(|one| one.view(name)).collect();
            active.sort_by(|a, b| (&a.url, &a.labels).cmp(&(&b.url, &b.labels)));
            view.active.append(&mut active);
        }
        view
    }
}

impl Running {
    fn start(job: Arc<Job>, target: Arc<Target>, outlet: Outlet, refused: Option<String>) -> Self {
        let (leave, left) = watch::channel(false);
        let state = Arc::new(Mutex::new(State::default()));
        let own = Loop {
            taker: Some(Taker::new(job.reading.clone(), target.labels.clone())),
            fetcher: Fetcher::default(),
            refused,
            job,
            target: Arc::clone(&target),
            state: Arc::clone(&state),
            outlet,
        };
        Self {
            target,
            state,
            leave,
            task: tokio::spawn(own.run(left)),
        }
    }

    fn view(&self, pool: &str) -> ScrapedTarget {
        let state = self.state.lock();
        ScrapedTarget {
            pool: pool.to_owned(),
            discovered: self.target.discovered.clone(),
            labels: self.target.labels.clone(),
            url: self.target.uri.to_string(),
            interval: self.target.interval.to_string(),
            timeout: self.target.timeout.to_string(),
            health: state.health,
            error: state.error.clone(),
            last: state.last,
            took: state.took,
            metadata: Arc::clone(&state.metadata),
        }
    }
}

/// The task of one target.
struct Loop {
    job: Arc<Job>,
    target: Arc<Target>,
    fetcher: Fetcher,
    /// There unless a thread has it, or has lost it to a panic.
    taker: Option<Taker>,
    /// Why it is not to be asked at all.
    refused: Option<String>,
    state: Arc<Mutex<State>>,
    outlet: Outlet,
}

impl Loop {
    /// Scrapes at each turn until it is told to leave.
    async fn run(mut self, mut left: watch::Receiver<bool>) {
        let interval = self.target.interval.duration();
        let mut turns = Turns::new(interval);
        let mut due = Instant::now() + self.target.offset(self.outlet.clock.now().0);
        loop {
            tokio::select! {
                biased;
                is_gone = is_gone(&mut left) => {
                    if is_gone {
                        self.end().await;
                    }
                    return;
                }
                () = tokio::time::sleep_until(due) => {}
            }
            let at = turns.turn(self.outlet.clock.now());
            self.scrape(at).await;
            due += interval;
            // Turns that were missed, while the machine slept say, are not made up for.
            let behind = Instant::now().saturating_duration_since(due);
            let missed = behind.as_nanos() / interval.as_nanos().max(1);
            due += interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX));
        }
    }

    async fn scrape(&mut self, at: UnixNanos) {
        let begun = Instant::now();
        let timeout = self.target.timeout.duration();
        let fetched = match &self.refused {
            Some(why) => Err(why.clone()),
            None => {
                let (uri, access) = (&self.target.uri, &self.job.access);
                self.fetcher.fetch(uri, access, timeout).await
            }
        };
        let taken = self
            .with_taker(move |taker| taker.take(at.as_millis(), fetched, || begun.elapsed()))
            .await;
        let took = begun.elapsed();
        self.hand_on(&taken);
        self.tell(at, took, taken);
    }

    async fn end(&mut self) {
        let at = self.outlet.clock.now().as_millis();
        let taken = self.with_taker(move |taker| taker.end(at)).await;
        self.hand_on(&taken);
    }

    /// Bodies are read beside the sockets.
    async fn with_taker(
        &mut self,
        work: impl FnOnce(&mut Taker) -> Taken + Send + 'static,
    ) -> Taken {
        let taker = self.taker.take();
        let mut taker = taker
            .unwrap_or_else(|| Taker::new(self.job.reading.clone(), self.target.labels.clone()));
        let worked = tokio::task::spawn_blocking(move || {
            let taken = work(&mut taker);
            (taker, taken)
        });
        match worked.await {
            Ok((taker, taken)) => {
                self.taker = Some(taker);
                taken
            }
            Err(error) => Taken {
                error: Some(format!("its body could not be read: {error}")),
                ..Taken::default()
            },
        }
    }

    fn hand_on(&self, taken: &Taken) {
        let telemetry = &self.outlet.telemetry;
        telemetry.scraped_points.inc_by(taken.points);
        telemetry.scraped(taken.error.is_none());
        for (reason, count) in &taken.left_out {
            telemetry.leave_out(reason, *count);
        }
        for request in &taken.requests {
            self.outlet.buffer.push(request.clone());
        }
    }

    /// Notes how the target is, and says so where that has changed, or stays bad.
    fn tell(&self, at: UnixNanos, took: Duration, taken: Taken) {
        let mut state = self.state.lock();
        (state.last, state.took) = (Some(at), took);
        if let Some(metadata) = taken.metadata {
            state.metadata = metadata;
        }
        let label = |name| super::relabel::get(&self.target.labels, name).to_owned();
        let (job, instance) = (label("job"), label("instance"));
        let Some(error) = taken.error else {
            if state.health == Health::Down {
                tracing::info!(job, instance, "recovered: the target is scraped again");
            }
            state.health = Health::Up;
            state.error.clear();
            return;
        };
        let is_due = |reported: UnixNanos| at.since(reported) >= self.outlet.report_every;
        let was_down = state.health == Health::Down;
        if !was_down || state.reported.is_none_or(is_due) {
            tracing::warn!(job, instance, error, "cannot scrape a target; trying on");
            state.reported = Some(at);
        }
        state.health = Health::Down;
        state.error = error;
    }
}

/// Waits for the end: whether the target is gone. If not, the agent ends and the target goes on.
async fn is_gone(left: &mut watch::Receiver<bool>) -> bool {
    left.wait_for(|leave| *leave).await.is_ok()
}

/// When scrapes are said to have been.
struct Turns {
    interval: Duration,
    aligned: Option<UnixNanos>,
}

impl Turns {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            aligned: None,
        }
    }

    /// The time of a scrape that begins now: its turn, where that is close.
    fn turn(&mut self, now: UnixNanos) -> UnixNanos {
        let Some(last) = self.aligned else {
            self.aligned = Some(now);
            return now;
        };
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let passed = now.0.saturating_sub(last.0);
        // The nearest turn, which may be a little ahead.
        let turns = passed.saturating_add(interval / 2) / interval.max(1);
        let turn = UnixNanos(last.0.saturating_add(turns.saturating_mul(interval)));
        let tolerance = TOLERANCE.min(self.interval / TOLERANCE_PART);
        let away = now.since(turn).max(turn.since(now));
        if turns > 0 && away <= tolerance {
            self.aligned = Some(turn);
            return turn;
        }
        // Late this once, or the clock was set: then turns are counted from here.
        let is_late = turns > 0 && away <= self.interval / LATE_PART;
        self.aligned = Some(if is_late { turn } else { now });
        now
    }
}

#[cfg(test)]
mod tests;
