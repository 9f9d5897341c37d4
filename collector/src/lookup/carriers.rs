//! What carries an identifier: traces, and log lines.

use super::part::{Cuts, Part, both};
use super::place::Place;
use super::{Kind, TRACES_MAX, read};
use crate::stores::Stores;
use sonde_logs::{Belonging, LogRecord, SearchError};
use sonde_proto::{Deadline, SpanId, Tenant, TraceId, UnixNanos};
use sonde_traces::Trace;

const LOGS_MAX: usize = 1000;
/// About how many bytes of lines an answer has; the last lines that were read may go beyond.
const LOG_BYTES_MAX: usize = 16 << 20;
/// One part may take so much of the time of the whole.
const PARTS: u32 = 6;

/// One question.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) stores: &'a Stores,
    pub(super) tenant: &'a Tenant,
    pub(super) id: &'a str,
    pub(super) deadline: &'a Deadline,
}

/// What an identifier leads to.
pub(super) struct Carriers<'a> {
    pub(super) kind: Kind,
    /// The place that it names, where it carries nothing else.
    pub(super) place: Option<Place<'a>>,
    pub(super) trace_ids: Vec<TraceId>,
    pub(super) traces: Vec<Trace>,
    /// Oldest first.
    pub(super) logs: Vec<LogRecord>,
}

impl<'a> Asked<'a> {
    /// Until when one part of the answer is worked for.
    pub(super) fn part(&self) -> Deadline {
        self.deadline.part(PARTS)
    }

    /// A trace that is named and was not kept, and why.
    pub(super) fn why_not_kept(&self, carriers: &Carriers<'_>) -> Option<(TraceId, String)> {
        let own = TraceId::from_hex(self.id).ok();
        let named = carriers.trace_ids.iter().copied().chain(own);
        let is_there = |id: &TraceId| carriers.traces.iter().any(|t| t.trace_id == *id);
        let mut missing = named.filter(|id| !is_there(id));
        let why = |id| Some((id, self.stores.traces.not_kept(self.tenant, &id)?));
        missing.find_map(why)
    }

    /// Everything that carries the identifier.
    pub(super) fn carriers(&self, cuts: &mut Cuts) -> Carriers<'a> {
        let mut lines = Lines::default();
        let (mentions, (kind, traces, known)) = both(|| self.mentions(), || self.trace_ids());
        let trace_ids = cuts.take("traces", traces);
        let place = Place::of(self.id).filter(|_| trace_ids.is_empty());
        if let Some(place) = place
            && let Some(found) = self.of_place(place, &mentions, cuts)
        {
            return found;
        }
        lines.add(mentions);
        let trace_ids = with_traces_of(&lines.part.found, trace_ids);
        if trace_ids.len() >= TRACES_MAX {
            cuts.note(
                "traces",
                Some(format!("there may be more than these {TRACES_MAX} traces")),
            );
        }
        let own = TraceId::from_hex(self.id).ok();
        let own = own.filter(|own| !trace_ids.contains(own));
        let (of_traces, traces) = both(
            || self.lines_of(trace_ids.iter().chain(&own)),
            || read::traces(self.stores, self.tenant, &trace_ids, known, &self.part()),
        );
        lines.add(of_traces);
        let traces = cuts.take("traces", traces);
        let logs = cuts.take("logs", lines.each_once());
        Carriers {
            kind,
            place: place.filter(|_| traces.is_empty() && logs.is_empty()),
            trace_ids,
            traces,
            logs,
        }
    }

    /// What ran in a place; nothing where no span and no line did.
    fn of_place(
        &self,
        place: Place<'a>,
        mentions: &Part<LogRecord>,
        cuts: &mut Cuts,
    ) -> Option<Carriers<'a>> {
        let (logs, ids) = both(
            || place.logs(self.stores, self.tenant, &self.part()),
            || place.traces(self.stores, self.tenant, TRACES_MAX, &self.part()),
        );
        if logs.found.is_empty() && ids.found.is_empty() {
            cuts.take("logs", logs);
            cuts.take("traces", ids);
            return None;
        }
        let newest_first = logs.found.iter().filter_map(|line| line.trace_id);
        let trace_ids = with_more(cuts.take("traces", ids), newest_first);
        if trace_ids.len() >= TRACES_MAX {
            cuts.note(
                "traces",
                Some(format!("these are the newest {TRACES_MAX} traces")),
            );
        }
        let traces = read::traces(self.stores, self.tenant, &trace_ids, None, &self.part());
        let mut lines = Lines::default();
        lines.add(logs);
        match &mentions.cut {
            None => lines.add(Part::new(mentions.found.clone(), None)),
            // What there is are the oldest, and of a place the newest are wanted.
            Some(_) => cuts.note(
                "logs",
                Some("more lines mention it than can be looked through; they are left out".into()),
            ),
        }
        Some(Carriers {
            kind: place.kind,
            place: Some(place),
            traces: cuts.take("traces", traces),
            logs: cuts.take("logs", lines.each_once()),
            trace_ids,
        })
    }

    /// The lines that hold the identifier.
    fn mentions(&self) -> Part<LogRecord> {
        let logs = &self.stores.logs;
        of_lines(logs.by_id(self.tenant, self.id, LOGS_MAX, &self.part()))
    }

    /// The lines of traces.
    fn lines_of<'i>(&self, ids: impl Iterator<Item = &'i TraceId>) -> Part<LogRecord> {
        let (logs, within) = (&self.stores.logs, self.part());
        let mut lines = Lines::default();
        for id in ids {
            if lines.is_full() {
                break;
            }
            lines.add(of_lines(logs.by_trace(self.tenant, id, LOGS_MAX, &within)));
        }
        lines.part
    }

    /// The traces that carry the identifier, the newest first, and the one that it is the ID of.
    fn trace_ids(&self) -> (Kind, Part<TraceId>, Option<Trace>) {
        let traces = &self.stores.traces;
        let own = TraceId::from_hex(self.id).ok();
        if let Some(own) = own {
            match traces.trace(self.tenant, &own) {
                Ok(Some(trace)) => return (Kind::Trace, Part::new(vec![own], None), Some(trace)),
                Ok(None) => {}
                Err(error) => return (Kind::Trace, Part::failed(error), None),
            }
        }
        let part = match traces.lookup(self.tenant, self.id, TRACES_MAX, &self.part()) {
            Ok(found) => Part::new(found.trace_ids, found.cut),
            Err(error) => Part::failed(error),
        };
        let kind = match (own, SpanId::from_hex(self.id)) {
            (Some(_), _) if part.found.is_empty() => Kind::Trace,
            (_, Ok(_)) => Kind::Span,
            _ => Kind::Request,
        };
        (kind, part, None)
    }
}

fn of_lines(answer: Result<Belonging, SearchError>) -> Part<LogRecord> {
    match answer {
        Ok(answer) => Part::new(answer.records, answer.cut),
        Err(error) => Part::failed(error),
    }
}

/// A line may carry the identifier where no span does: it names its trace.
fn with_traces_of(lines: &[LogRecord], ids: Vec<TraceId>) -> Vec<TraceId> {
    with_more(ids, lines.iter().filter_map(|line| line.trace_id))
}

fn with_more(mut ids: Vec<TraceId>, more: impl Iterator<Item = TraceId>) -> Vec<TraceId> {
    for id in more {
        if ids.len() >= TRACES_MAX {
            break;
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Lines that were found in several ways.
#[derive(Default)]
struct Lines {
    part: Part<LogRecord>,
    bytes: usize,
}

impl Lines {
    fn add(&mut self, more: Part<LogRecord>) {
        if more.is_failed {
            self.part.fail(more.cut.unwrap_or_default());
        } else if let Some(cut) = more.cut {
            self.part.cut(cut);
        }
        for line in more.found {
            if self.is_full() {
                self.part.cut(format!(
                    "the log lines make more than {LOG_BYTES_MAX} bytes; the first that were found are shown"
                ));
                return;
            }
            self.bytes += bytes(&line);
            self.part.found.push(line);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= LOG_BYTES_MAX
    }

    /// Each line once, oldest first: one may have been found in two ways.
    fn each_once(mut self) -> Part<LogRecord> {
        let found = &mut self.part.found;
        found.sort_by(|a, b| order(a).cmp(&order(b)));
        found.dedup_by(|a, b| order(a) == order(b) && a.attributes == b.attributes);
        if found.len() > LOGS_MAX {
            found.truncate(LOGS_MAX);
            self.part
                .cut(format!("there are more than {LOGS_MAX} log lines"));
        }
        self.part
    }
}

fn order(record: &LogRecord) -> (UnixNanos, &sonde_proto::Labels, &str, Option<SpanId>) {
    (record.time, &record.labels, &record.body, record.span_id)
}

/// About how much memory a line takes; its labels are shared.
fn bytes(line: &LogRecord) -> usize {
    let attributes = line.attributes.iter().chain(&line.resource);
    let attributes =
        attributes.map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
    size_of::<LogRecord>() + line.body.len() + attributes.sum::<usize>()
}

#[cfg(test)]
mod tests;
