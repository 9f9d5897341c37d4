//! Following a query: its lines as they come, for whoever shows them.
//!
//! The pump says when the store has taken more; then the same query is asked again from a
//! little before where it had come to ([`cursor`]), at most ten times a second. Who reads
//! slowly holds up nobody: it is given the newest lines, and told of the gap. A query that is
//! dear is asked more rarely: following takes a part of a thread, not all of it.

mod cursor;
mod late;

pub(super) use cursor::Gap;

use super::turns::Turn;
use super::{Api, ApiError, Sources};
use crate::logs::{Line, LineSearch};
use cursor::{Answer, Cursor};
use late::{COUNT_EVERY, Counts};
use sonde_logql::LogQuery;
use sonde_logs::Direction;
use sonde_proto::{Deadline, Position, Signal, Tenant, UnixNanos};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How many queries may be followed at once.
pub(super) const FOLLOWED_MAX: usize = 64;
/// The least time between two questions to the store.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How many times as long as a question took there is none.
const REST_TIMES: u32 = 4;
const REST_MAX: Duration = Duration::from_secs(10);
/// How long counting what came too late may take.
const COUNT_WITHIN: Duration = Duration::from_secs(1);
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
    late: late::Late,
    /// When that was last counted.
    counted: Option<Instant>,
    /// When the last question was asked, and when it may be asked again.
    asked: Option<Instant>,
    rested: Instant,
    applied: watch::Receiver<Position>,
    stopped: watch::Receiver<bool>,
    _turn: Turn,
}

/// Lines that have come, oldest first.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) lines: Vec<Line>,
    /// That some before them were left out.
    pub(super) gap: Option<Gap>,
    /// That some came too late to be among them.
    pub(super) late: Option<Late>,
}

/// Lines that came too late to be followed: a query finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    /// How many lines of the query's streams.
    pub(super) lines: u64,
    /// Before which time they are.
    pub(super) before: UnixNanos,
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
        let turn = api.follows.take(&followed.tenant).ok_or_else(|| {
            ApiError::too_many(format!(
                "{} queries of this tenant, or {FOLLOWED_MAX} of all, are followed already; end one and try again",
                api.follows.share()
            ))
        })?;
        let mut progress = api.sources.progress.iter();
        let logs = progress.find(|(signal, _)| *signal == Signal::Logs);
        let (_, logs) = logs.ok_or_else(|| ApiError::not_found("there are no logs here"))?;
        Ok(Self {
            cursor: Cursor::new(followed.start),
            late: late::Late::default(),
            counted: None,
            asked: None,
            rested: Instant::now(),
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
            self.rested = asked + ASK_EVERY.max((asked.elapsed() * REST_TIMES).min(REST_MAX));
            if !news.lines.is_empty() || news.gap.is_some() || news.late.is_some() {
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
            tokio::time::sleep_until(self.rested).await;
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
        let is_first = self.asked.is_none();
        let question = Question {
            from: self.cursor.from(),
            to: UnixNanos(
                self.api
                    .now()
                    .minus(self.followed.delay)
                    .0
                    .saturating_add(1),
            ),
            limit: if is_first {
                self.followed.first
            } else {
                LINES_MAX
            },
            ahead: self.followed.delay.is_zero() && self.cursor.wants_ahead(),
            late: self.late_question(),
        };
        let late = question.late;
        let (tenant, query) = (self.followed.tenant.clone(), self.followed.query.clone());
        let asked = self.api.of(&tenant).ask(move |sources, deadline| {
            let answer = question.answer(sources, &tenant, &query, deadline)?;
            Ok((answer, question.counted(sources, &tenant, &query, deadline)))
        });
        let (answer, counts) = asked.await?;
        // No more than so many were asked for.
        let is_as_asked = is_first && answer.past.len() >= self.followed.first;
        let (lines, gap) = self.cursor.take(answer);
        let late = late.map_or(0, |late| self.late.take(late, counts));
        Ok(News {
            lines,
            gap: gap.filter(|_| !is_as_asked),
            late: (late > 0).then_some(Late {
                lines: late,
                before: question.from,
            }),
        })
    }

    /// What is to be counted of lines that come too late, when it is time.
    fn late_question(&mut self) -> Option<late::Question> {
        let now = Instant::now();
        if self.counted.is_some_and(|at| now < at + COUNT_EVERY) {
            return None;
        }
        self.counted = Some(now);
        Some(self.late.question(self.cursor.from()))
    }
}

/// A question to the store.
#[derive(Clone, Copy)]
struct Question {
    from: UnixNanos,
    to: UnixNanos,
    limit: usize,
    /// Whether lines whose time lies ahead are asked for too.
    ahead: bool,
    late: Option<late::Question>,
}

impl Question {
    fn answer(
        &self,
        sources: &Sources,
        tenant: &Tenant,
        query: &LogQuery,
        deadline: &Deadline,
    ) -> Result<Answer, ApiError> {
        let find = |start, end, limit| {
            let search = LineSearch {
                query: query.clone(),
                start,
                end,
                limit,
                direction: Direction::Backward,
                interval: Duration::ZERO,
                deadline: deadline.clone(),
            };
            let found = sources.logs.search(tenant, &search);
            let mut found = found.map_err(|error| ApiError::internal(error.to_string()))?;
            found.lines.reverse();
            Ok::<_, ApiError>(found)
        };
        let past = find(self.from, self.to, self.limit)?;
        let ahead = if self.ahead {
            find(self.from.max(self.to), self.to.plus(AHEAD), LINES_MAX)?.lines
        } else {
            Vec::new()
        };
        Ok(Answer {
            asked_to: self.to,
            is_full: past.lines.len() >= self.limit || past.reading.cut.is_some(),
            past: past.lines,
            ahead,
        })
    }

    fn counted(
        &self,
        sources: &Sources,
        tenant: &Tenant,
        query: &LogQuery,
        deadline: &Deadline,
    ) -> Counts {
        let deadline = deadline.at_most(COUNT_WITHIN);
        let count = |period| {
            let matchers = query.matchers();
            let found = sources.logs.streams(tenant, matchers, period, &deadline);
            let found = found.ok().filter(|found| found.reading.cut.is_none())?;
            Some(found.streams.iter().map(|stream| stream.entries).sum())
        };
        let Some(late) = self.late else {
            return Counts::default();
        };
        Counts {
            again: late.again.and_then(count),
            next: count(late.next),
        }
    }
}
