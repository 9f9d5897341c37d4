//! How far one that follows has come, without I/O.
//!
//! Lines do not arrive in the order of their times. So every question goes back a little
//! behind where the last one ended, whether that found lines or not, and what was sent already
//! is recognised by its time, text and labels, and by how often it was there. Lines that come
//! later than that are not followed ([`super::late`] counts them); a query finds them. Lines
//! whose time lies ahead are asked for apart: they do not carry the cursor there, and where
//! there are many of them they come when it is their time.

use crate::logs::Line;
use sonde_logql::Category;
use sonde_proto::UnixNanos;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::time::Duration;

/// How much later than its time a line may come and still be followed.
const OVERLAP: Duration = Duration::from_secs(60);

/// How many lines of the past, and how many of those ahead, are remembered as sent. Where more
/// come in the overlap, there is none.
const SENT_MAX: usize = 50_000;

/// Where following goes on.
#[derive(Debug)]
pub(super) struct Cursor {
    from: UnixNanos,
    /// The newest line of the past that was there at the last question.
    newest: Option<UnixNanos>,
    /// How often each line from `from` on was sent.
    sent: HashMap<(UnixNanos, u64), u32>,
    /// Whether lines whose time lies ahead wait for it.
    ahead_waits: bool,
    hash: RandomState,
}

/// An answer, oldest first.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The end of the past: before this time lines were asked for.
    pub(super) asked_to: UnixNanos,
    /// Lines up to there.
    pub(super) past: Vec<Line>,
    /// Whether there may have been more of them: the answer could not hold them, or there was
    /// no time to find them.
    pub(super) is_full: bool,
    /// Lines whose time lies ahead.
    pub(super) ahead: Vec<Line>,
}

/// Lines before this one may not have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Gap {
    pub(in crate::api) before: UnixNanos,
    pub(in crate::api) labels: BTreeMap<String, String>,
}

impl Cursor {
    pub(super) fn new(start: UnixNanos) -> Self {
        Self {
            from: start,
            newest: None,
            sent: HashMap::new(),
            ahead_waits: false,
            hash: RandomState::new(),
        }
    }

    /// From when on to ask.
    pub(super) fn from(&self) -> UnixNanos {
        self.from
    }

    /// Whether to ask for what lies ahead.
    pub(super) fn wants_ahead(&self) -> bool {
        !self.ahead_waits
    }

    /// Takes an answer: what of it is new, and whether more of that was left out.
    pub(super) fn take(&mut self, answer: Answer) -> (Vec<Line>, Option<Gap>) {
        let Answer {
            asked_to,
            past,
            is_full,
            ahead,
        } = answer;
        let gap = is_full.then(|| self.gap(&past, asked_to)).flatten();
        self.newest = past.last().map(|line| line.time).max(self.newest);
        if let Some(oldest) = past.first().filter(|_| is_full) {
            // What was left out before it is left out for good, and does not come as new.
            self.from = self.from.max(oldest.time);
        }
        self.ahead_waits |= ahead.len() + self.ahead_sent(asked_to) > SENT_MAX;
        let ahead = if self.ahead_waits { Vec::new() } else { ahead };
        let mut there: HashMap<(UnixNanos, u64), u32> = HashMap::new();
        let mut new = Vec::new();
        for line in past.into_iter().chain(ahead) {
            let key = (line.time, self.key(&line));
            let count = there.entry(key).or_default();
            *count += 1;
            if *count > self.sent.get(&key).copied().unwrap_or(0) {
                self.sent.insert(key, *count);
                new.push(line);
            }
        }
        self.forget(asked_to);
        (new, gap)
    }

    /// What a full answer does not have.
    fn gap(&self, past: &[Line], asked_to: UnixNanos) -> Option<Gap> {
        let Some(oldest) = past.first() else {
            return Some(Gap {
                before: asked_to,
                labels: BTreeMap::new(),
            });
        };
        // What lies before the newest line that was sent was asked for then.
        let before = self.newest.unwrap_or_default().max(self.from);
        (oldest.time > before).then(|| Gap {
            before: oldest.time,
            labels: stream_labels(oldest),
        })
    }

    /// Forgets what will not be asked for again, and asks for less where that is too much.
    fn forget(&mut self, asked_to: UnixNanos) {
        let newest = self.newest.unwrap_or_default();
        let next = UnixNanos(newest.0.saturating_add(1));
        for from in [
            asked_to.minus(OVERLAP),
            asked_to.minus(OVERLAP / 10),
            asked_to.minus(OVERLAP / 100),
            next,
        ] {
            // What was sent and is not in an answer may be in the next: only time forgets.
            self.from = self.from.max(from);
            let from = self.from;
            self.sent.retain(|(time, _), _| *time >= from);
            if self.sent.len() - self.ahead_sent(asked_to) <= SENT_MAX {
                return;
            }
        }
    }

    /// How many lines were sent before their time.
    fn ahead_sent(&self, asked_to: UnixNanos) -> usize {
        let times = self.sent.keys().map(|(time, _)| *time);
        times.filter(|time| *time >= asked_to).count()
    }

    fn key(&self, line: &Line) -> u64 {
        let mut hasher = self.hash.build_hasher();
        line.text.hash(&mut hasher);
        for (name, value, _) in &line.labels {
            (name, value).hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn stream_labels(line: &Line) -> BTreeMap<String, String> {
    let labels = line.labels.iter();
    let own = labels.filter(|(_, _, category)| *category == Category::Stream);
    own.map(|(name, value, _)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seconds: u64, text: &str) -> Line {
        Line {
            time: UnixNanos::from_secs(seconds),
            text: text.into(),
            labels: Vec::new(),
        }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// An answer to a question up to this second.
    fn past(to: u64, lines: &[Line]) -> Answer {
        Answer {
            asked_to: UnixNanos::from_secs(to),
            past: lines.to_vec(),
            ..Answer::default()
        }
    }

    fn full(to: u64, lines: &[Line]) -> Answer {
        Answer {
            is_full: true,
            ..past(to, lines)
        }
    }

    #[test]
    fn each_line_is_sent_once_and_late_ones_too() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(800));
        let mut take = |to, lines: &[Line]| {
            let (new, gap) = cursor.take(past(to, lines));
            assert_eq!(gap, None);
            let new: Vec<String> = new.into_iter().map(|l| l.text).collect();
            (new, cursor.from())
        };
        let a = line(950, "a");
        assert_eq!(take(951, std::slice::from_ref(&a)).0, ["a"]);
        // One that came late, and one that is the same line again.
        let (new, from) = take(
            1000,
            &[line(899, "late"), a.clone(), a.clone(), line(960, "b")],
        );
        assert_eq!(new, ["late", "a", "b"]);
        assert_eq!(from, UnixNanos::from_secs(940));
        let again = take(1001, &[a.clone(), a, line(960, "b")]);
        assert_eq!(again.0, Vec::<String>::new());
    }

    #[test]
    fn what_rarely_matches_is_not_asked_for_all_over_again() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(1000));
        cursor.take(past(5000, &[line(1200, "once")]));
        for to in [5000, 5001, 9000] {
            assert_eq!(cursor.take(past(to, &[])), (Vec::new(), None));
            assert_eq!(cursor.from(), UnixNanos::from_secs(to - 60));
        }
        // A clock that is set back does not lead there again.
        cursor.take(past(4000, &[]));
        assert_eq!(cursor.from(), UnixNanos::from_secs(8940));
    }

    #[test]
    fn a_question_that_found_nothing_in_its_time_leaves_a_gap() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(900));
        let (new, gap) = cursor.take(full(1000, &[]));
        assert_eq!(new, []);
        assert_eq!(gap.unwrap().before, UnixNanos::from_secs(1000));
        assert_eq!(cursor.from(), UnixNanos::from_secs(940));
        assert_eq!(cursor.take(past(1001, &[])).1, None);
    }

    #[test]
    fn a_line_from_ahead_keeps_nothing_out_and_comes_once() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(900));
        let ahead = line(5000, "ahead");
        let both = |to, lines: &[Line]| Answer {
            ahead: vec![ahead.clone()],
            ..past(to, lines)
        };
        assert_eq!(texts(&cursor.take(both(999, &[])).0), ["ahead"]);
        let (new, _) = cursor.take(both(1000, &[line(999, "now")]));
        assert_eq!(texts(&new), ["now"]);
        // When its time has come it is of the past.
        let (new, _) = cursor.take(past(5002, &[ahead, line(5001, "next")]));
        assert_eq!(texts(&new), ["next"]);
    }

    #[test]
    fn many_lines_from_ahead_wait_for_their_time() {
        let mut cursor = Cursor::new(UnixNanos(0));
        cursor.take(past(11, &[line(10, "now")]));
        let mut sent = 0;
        for round in 0..30 {
            let ahead = (0..5000).map(|n| line(100, &format!("{round} {n}")));
            let answer = Answer {
                ahead: ahead.collect(),
                ..past(11, &[])
            };
            sent += cursor.take(answer).0.len();
        }
        assert_eq!((sent, cursor.wants_ahead()), (SENT_MAX, false));
        // Each of them once, when it is their time.
        let due: Vec<Line> = (9..11)
            .flat_map(|round| (0..5000).map(move |n| line(100, &format!("{round} {n}"))))
            .collect();
        assert_eq!(cursor.take(past(101, &due)).0.len(), 5000);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_comes_twice() {
        let mut cursor = Cursor::new(UnixNanos(0));
        for round in 0..30_u64 {
            let lines = (0..5000).map(|n| line(100 + round / 20, &format!("{round} {n}")));
            let (new, _) = cursor.take(past(102, &lines.collect::<Vec<_>>()));
            assert_eq!(new.len(), 5000, "{round}");
            assert!(cursor.sent.len() <= SENT_MAX);
        }
        assert!(cursor.from() > UnixNanos::from_secs(100));
    }

    #[test]
    fn what_was_left_out_before_a_full_answer_does_not_come_later() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(900));
        let answer = full(1000, &[line(998, "y"), line(999, "z")]);
        assert_eq!(texts(&cursor.take(answer).0), ["y", "z"]);
        assert_eq!(cursor.from(), UnixNanos::from_secs(998));
        let lines = [line(998, "y"), line(999, "z"), line(1000, "new")];
        let (new, gap) = cursor.take(past(1001, &lines));
        assert_eq!((texts(&new), gap), (vec!["new"], None));
    }

    #[test]
    fn what_was_too_much_is_told_and_what_was_sent_before_is_none_of_it() {
        let mut cursor = Cursor::new(UnixNanos::from_secs(900));
        cursor.take(past(951, &[line(950, "a")]));
        let (_, gap) = cursor.take(full(952, &[line(945, "old"), line(950, "a")]));
        assert_eq!(gap, None);
        let (new, gap) = cursor.take(full(972, &[line(970, "b"), line(971, "c")]));
        assert_eq!(texts(&new), ["b", "c"]);
        assert_eq!(gap.unwrap().before, UnixNanos::from_secs(970));
    }
}
