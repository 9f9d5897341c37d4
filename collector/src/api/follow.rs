//! Following a query: its lines as they come, for whoever shows them.
//!
//! The pump says when the store has taken more; then the same query is asked again from a
//! little before where it had come to ([`cursor`]), at most ten times a second. Who reads
//! slowly holds up nobody: it is given the newest lines, and told of the gap.

mod cursor;

pub(super) use cursor::Gap;

use super::{Api, ApiError};
use crate::logs::{Line, LineSearch};
use cursor::{Answer, Cursor};
use sonde_logql::LogQuery;
use sonde_logs::Direction;
use sonde_proto::{Position, Signal, Tenant, UnixNanos};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

/// How many queries may be followed at once.
pub(super) const FOLLOWED_MAX: usize = 64;
/// The least time between two questions to the store.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// The longest time between two of a query whose lines are held back.
const ASK_DELAYED_EVERY: Duration = Duration::from_secs(1);
/// How many lines one question may give: older ones are given up.
const LINES_MAX: usize = 5000;
/// How far ahead of the clock a line may be and still be given at once.
const AHEAD: Duration = Duration::from_secs(3600);

/// What is followed.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) tenant: Tenant,
    pub(super) query: LogQuery,
    /// From when on; the newest `first` lines since then come first.
    pub(super) start: UnixNanos,
    pub(super) first: usize,
    /// How long lines are held back, so that late ones come in their order.
    pub(super) delay: Duration,
}

/// One that follows a query.
pub(super) struct Follow {
    api: Api,
    followed: Followed,
    cursor: Cursor,
    asked: Option<Instant>,
    applied: watch::Receiver<Position>,
    stopped: watch::Receiver<bool>,
    _turn: OwnedSemaphorePermit,
}

/// Lines that have come, oldest first.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) lines: Vec<Line>,
    /// That some before them were left out.
    pub(super) gap: Option<Gap>,
}

/// Why no more come.
#[derive(Debug)]
pub(super) enum End {
    /// The collector stops.
    Stopped,
    /// The query cannot be answered.
    Failed(ApiError),
}

impl Follow {
    /// Begins to follow.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub(super) fn new(api: &Api, followed: Followed) -> Result<Self, ApiError> {
        let turn = Arc::clone(&api.follows).try_acquire_owned();
        let turn = turn.map_err(|_| ApiError {
            status: http::StatusCode::TOO_MANY_REQUESTS,
            message: format!("{FOLLOWED_MAX} queries are followed already; end one and try again"),
        })?;
        let mut progress = api.sources.progress.iter();
        let logs = progress.find(|(signal, _)| *signal == Signal::Logs);
        let (_, logs) = logs.ok_or_else(|| ApiError::not_found("there are no logs here"))?;
        Ok(Self {
            cursor: Cursor::new(followed.start),
            asked: None,
            applied: logs.follow(),
            stopped: api.stopped.clone(),
            api: api.clone(),
            followed,
            _turn: turn,
        })
    }

    /// Waits for lines that were not given yet. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// [`End`] when no more will come.
    pub(super) async fn next(&mut self) -> Result<News, End> {
        loop {
            self.wait().await?;
            let asked = Instant::now();
            self.applied.mark_unchanged();
            let news = self.ask().await.map_err(End::Failed)?;
            self.asked = Some(asked);
            if !news.lines.is_empty() || news.gap.is_some() {
                return Ok(news);
            }
        }
    }

    /// Until it may be asked again, and there may be something.
    async fn wait(&mut self) -> Result<(), End> {
        let Some(asked) = self.asked else {
            return Ok(());
        };
        let delayed = !self.followed.delay.is_zero();
        let more = async {
            tokio::time::sleep_until(asked + ASK_EVERY).await;
            let changed = self.applied.changed();
            if delayed {
                // What is held back becomes due though nothing came.
                let _ = tokio::time::timeout_at(asked + ASK_DELAYED_EVERY, changed).await;
                Ok(())
            } else {
                changed.await.map_err(|_| End::Stopped)
            }
        };
        tokio::select! {
            more = more => more,
            // A dropped sender means the collector is gone, which is a stop as well.
            _ = self.stopped.wait_for(|stopped| *stopped) => Err(End::Stopped),
        }
    }

    async fn ask(&mut self) -> Result<News, ApiError> {
        let now = self.api.now();
        let Followed {
            tenant,
            query,
            first,
            delay,
            ..
        } = &self.followed;
        let is_first = self.asked.is_none();
        let limit = if is_first { *first } else { LINES_MAX };
        let after_now = UnixNanos(now.minus(*delay).0.saturating_add(1));
        let ahead = delay.is_zero() && self.cursor.wants_ahead();
        let search = move |query: &LogQuery, start, end, limit, deadline| LineSearch {
            query: query.clone(),
            start,
            end,
            limit,
            direction: Direction::Backward,
            interval: Duration::ZERO,
            deadline,
        };
        let (tenant, query, from) = (tenant.clone(), query.clone(), self.cursor.from());
        let answer = self.api.ask(move |sources, deadline| {
            let find = |start, end, limit| {
                let search = search(&query, start, end, limit, deadline);
                let found = sources.logs.search(&tenant, &search);
                let mut found = found.map_err(|error| ApiError::internal(error.to_string()))?;
                found.lines.reverse();
                Ok::<_, ApiError>(found)
            };
            let past = find(from, after_now, limit)?;
            let is_full = past.lines.len() >= limit || past.reading.cut.is_some();
            let ahead = if ahead {
                find(from.max(after_now), after_now.plus(AHEAD), LINES_MAX)?.lines
            } else {
                Vec::new()
            };
            Ok(Answer {
                past: past.lines,
                is_full: is_full && !is_first,
                ahead,
            })
        });
        let (lines, gap) = self.cursor.take(answer.await?);
        Ok(News { lines, gap })
    }
}
