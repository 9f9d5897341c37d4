//! `sonde query logs --follow`: lines as they arrive.
//!
//! The collector writes one JSON object a line: a log line, `{"alive": time}` when nothing
//! came for a while, `{"gap": time}` when lines before that time came too fast and were left
//! out, `{"late": n, "before": time}` when lines came too late to be followed, or
//! `{"error": why}` before it ends. Where the connection breaks, it is asked again from a
//! while before the last line, and what was shown already is left out.

use super::line::{Line, Style};
use crate::client::{AskError, Client};
use crate::render::{self, Text};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::time::Duration;

/// After this time without a word the connection is taken for broken. The collector says
/// that it is alive every five seconds.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(15);
/// How many lines are caught up on after a connection was lost.
const MISSED_LINES_MAX: usize = 10_000;
/// The longest line of an answer.
const EVENT_BYTES_MAX: usize = 64 << 20;
/// Lines may arrive so much later than others that are newer.
const OVERLAP_NANOS: u64 = 60_000_000_000;
/// How many lines are remembered for the overlap.
const SHOWN_MAX: usize = 100_000;

/// Shows lines from `start` on, of what there is already the newest `limit`, until Ctrl-C, or
/// until nobody reads them.
///
/// # Errors
/// The collector refuses the query, or cannot be reached to begin with.
pub(super) async fn follow(
    client: &Client,
    query: &str,
    (start, limit): (u64, usize),
    style: Style,
) -> Result<ExitCode, AskError> {
    let mut follower = Follower {
        client,
        query,
        style,
        shown: Shown::new(start),
        is_first: true,
    };
    tokio::select! {
        ended = follower.run(limit) => ended.map(|()| ExitCode::SUCCESS),
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
    }
}

struct Follower<'a> {
    client: &'a Client,
    query: &'a str,
    style: Style,
    shown: Shown,
    /// Nothing was shown yet, and no connection was lost.
    is_first: bool,
}

/// Why a connection ended.
enum End {
    /// Nobody reads any more.
    ReaderGone,
    /// The collector ended it, or it broke.
    Lost(String),
}

impl Follower<'_> {
    async fn run(&mut self, mut limit: usize) -> Result<(), AskError> {
        let mut wait = WAIT_FIRST;
        let mut was_connected = false;
        loop {
            let (start, first) = (self.shown.resume().to_string(), limit.to_string());
            let parameters = [("query", self.query), ("start", &start), ("limit", &first)];
            let why = match self.client.open("/sonde/v1/logs/follow", &parameters).await {
                Ok(response) => {
                    if wait > WAIT_FIRST {
                        render::note("connected again");
                    }
                    (was_connected, wait) = (true, WAIT_FIRST);
                    match self.show(response).await {
                        End::ReaderGone => return Ok(()),
                        End::Lost(why) => why,
                    }
                }
                Err(AskError::Refused { status, message })
                    if !was_connected || !is_passing(status) =>
                {
                    return Err(AskError::Refused { status, message });
                }
                Err(error) if !was_connected => return Err(error),
                Err(error) => error.to_string(),
            };
            (self.is_first, limit) = (false, MISSED_LINES_MAX);
            if wait == WAIT_FIRST {
                render::note(&format!("{why}; trying again until it comes back"));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Shows what one connection brings.
    async fn show(&mut self, mut response: reqwest::Response) -> End {
        let mut events = Events::default();
        loop {
            let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return End::Lost("the collector ended the connection".into()),
                Ok(Err(_)) => return End::Lost("the connection to the collector broke".into()),
                Err(_) => return End::Lost("the collector is silent".into()),
            };
            events.add(&chunk);
            let mut out = Text::stdout();
            while let Some(event) = events.next() {
                if let Err(why) = self.event(&mut out, &event) {
                    let _ = out.flush();
                    return End::Lost(why);
                }
            }
            if out.flush().is_err() {
                return End::ReaderGone;
            }
            if events.is_too_long() {
                return End::Lost("the collector sent a line without an end".into());
            }
        }
    }

    fn event(&mut self, out: &mut Text, event: &[u8]) -> Result<(), String> {
        if event.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(event)
            .map_err(|_| "the collector sent something that is no JSON".to_owned())?;
        if let Some(why) = value["error"].as_str() {
            return Err(why.to_owned());
        }
        if let Some(before) = value["gap"].as_u64() {
            // The first answer has no more lines than were asked for, on purpose.
            if !self.is_first {
                render::note(&format!(
                    "lines before {} came faster than they could be sent and are not shown; a narrower query shows all",
                    render::time(Some(before))
                ));
            }
        } else if let Some(lines) = value["late"].as_u64() {
            render::note(&format!(
                "{lines} lines from before {} came too late to be shown here; a query without --follow finds them",
                render::time(value["before"].as_u64())
            ));
        } else if let Some(time) = value["alive"].as_u64() {
            self.shown.is_alive(time);
        } else if let Ok(line) = serde_json::from_value::<Line>(value)
            && self.shown.is_new(&line)
        {
            self.is_first = false;
            self.style.put(out, &line);
        }
        Ok(())
    }
}

/// Whether asking again may help: a collector that stops, or is loaded, says so.
fn is_passing(status: reqwest::StatusCode) -> bool {
    status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS
}

/// An answer cut into its lines.
#[derive(Default)]
struct Events {
    bytes: Vec<u8>,
    /// Where what is not cut yet begins, and from where on no end of a line is known.
    at: usize,
    searched: usize,
}

impl Events {
    fn add(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        self.bytes.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let found = self.bytes[self.searched..].iter().position(|b| *b == b'\n');
        let Some(end) = found.map(|found| self.searched + found) else {
            self.searched = self.bytes.len();
            return None;
        };
        let event = self.bytes[self.at..end].to_vec();
        (self.at, self.searched) = (end + 1, end + 1);
        Some(event)
    }

    fn is_too_long(&self) -> bool {
        self.bytes.len() - self.at > EVENT_BYTES_MAX
    }
}

/// Which lines of the last while were shown.
struct Shown {
    /// Everything before this time was shown, or is older than what was asked for.
    since: u64,
    /// Up to when the collector has told what it had.
    told: u64,
    /// Time and identity of what was shown from `since` on, in the order it was shown.
    lines: VecDeque<(u64, u64)>,
    /// What will come again, and how often, because the collector is asked again.
    repeated: HashMap<u64, usize>,
}

impl Shown {
    fn new(start: u64) -> Self {
        Self {
            since: start,
            told: start,
            lines: VecDeque::new(),
            repeated: HashMap::new(),
        }
    }

    fn is_alive(&mut self, time: u64) {
        self.told = self.told.max(time);
        self.forget();
    }

    /// Whether a line was not shown yet; from now on it was.
    fn is_new(&mut self, line: &Line) -> bool {
        let identity = line.identity();
        if let Some(count) = self.repeated.get_mut(&identity).filter(|n| **n > 0) {
            *count -= 1;
            return false;
        }
        self.lines.push_back((line.time, identity));
        self.told = self.told.max(line.time);
        self.forget();
        true
    }

    fn forget(&mut self) {
        self.since = self.since.max(self.told.saturating_sub(OVERLAP_NANOS));
        while let Some((time, _)) = self.lines.front().copied() {
            if self.lines.len() > SHOWN_MAX {
                self.since = self.since.max(time + 1);
            } else if time >= self.since {
                break;
            }
            self.lines.pop_front();
        }
    }

    /// From when on the collector is asked again.
    fn resume(&mut self) -> u64 {
        self.repeated.clear();
        for (time, identity) in &self.lines {
            if *time >= self.since {
                *self.repeated.entry(*identity).or_default() += 1;
            }
        }
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECOND: u64 = 1_000_000_000;

    fn line(time: u64, text: &str) -> Line {
        serde_json::from_value(json!({"time": time, "line": text, "labels": {}})).unwrap()
    }

    #[test]
    fn what_was_shown_is_not_shown_again_and_twins_are() {
        let mut shown = Shown::new(100 * SECOND);
        let stream = [
            line(100 * SECOND, "a"),
            line(101 * SECOND, "twin"),
            line(101 * SECOND, "twin"),
            line(105 * SECOND, "b"),
        ];
        assert!(stream.iter().all(|line| shown.is_new(line)));
        assert_eq!(shown.resume(), 100 * SECOND);
        assert!(stream.iter().all(|line| !shown.is_new(line)));
        assert!(shown.is_new(&line(101 * SECOND, "twin")), "a third twin");
        assert!(shown.is_new(&line(104 * SECOND, "late")));
        // A second break, before anything came again.
        shown.resume();
        assert_eq!(shown.resume(), 100 * SECOND);
        assert!(!shown.is_new(&stream[0]));
    }

    #[test]
    fn a_long_time_without_lines_is_not_asked_for_again() {
        let mut shown = Shown::new(100 * SECOND);
        assert!(shown.is_new(&line(100 * SECOND, "a")));
        shown.is_alive(5000 * SECOND);
        assert_eq!(shown.resume(), 4940 * SECOND);
        assert!(shown.lines.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut shown = Shown::new(0);
        for n in 0..2 * SHOWN_MAX as u64 {
            assert!(shown.is_new(&line(1000 + n, "x")));
        }
        assert_eq!(shown.lines.len(), SHOWN_MAX);
        assert_eq!(shown.resume(), 1000 + SHOWN_MAX as u64);
    }

    #[test]
    fn events_are_whole_wherever_chunks_are_cut() {
        let text = b"{\"a\":1}\n\n{\"b\":\"\xc3\xbc\"}\n{\"c\"";
        for size in 1..text.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for chunk in text.chunks(size) {
                events.add(chunk);
                while let Some(event) = events.next() {
                    found.push(event);
                }
            }
            assert_eq!(found, [&b"{\"a\":1}"[..], b"", "{\"b\":\"ü\"}".as_bytes()]);
            assert!(!events.is_too_long());
        }
    }
}
