//! Sweeping: segments are rewritten without what is hidden in them.
//!
//! A request to delete is carried out on a segment when it cannot be cancelled any more. What
//! streams have outlived their retention by is swept when it is a fifth of a segment. The
//! segments are looked at in the background: most have nothing of what is looked for, and are
//! noted as clean in the manifest; one that has is rewritten as a merge of one.

use super::LogStore;
use super::merge::{self, Merged, Rewritten};
use super::retention::ages_until;
use super::seal::{Task, last_time};
use super::writer::Writer;
use crate::hidden::{Hidden, Place, Veil};
use crate::search::{Ask, Chosen, Direction, Lines, Room, Search};
use crate::segment::{Handle, ReadError, Segment};
use serde_json::Value;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::SegmentMeta;
use sonde_segment::work::Pace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many segments are looked at in one go.
const SEGMENTS_MAX: usize = 32;
/// A segment is rewritten when one in so many of its records has outlived its retention.
const PAST_SHARE: u64 = 5;
/// After a failure, a full disk say, sweeping rests for so long.
const REST: Duration = Duration::from_secs(30);
/// How much later than its retention allows something may be noticed to be past it, as a
/// share of the retention, and the bounds of that.
const LOOKS: u64 = 50;
const LOOK_SECONDS_MAX: u64 = 600;

/// What sweeping remembers.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    /// When segments were looked at for what is past its retention.
    looked_at: BTreeMap<u64, UnixNanos>,
    /// Nothing is swept before.
    rests_until: UnixNanos,
    /// Whether the work in the background before was sweeping: then it is merging's turn.
    pub(super) was_last: bool,
}

/// Segments of one tenant to be looked at.
#[derive(Clone)]
pub(super) struct Sweep {
    task: Task,
    hidden: Hidden,
    through: u64,
    segments: Vec<(Arc<Handle>, Veil)>,
}

/// The requests up to this number were carried out on the segment.
pub(super) fn deletes_through(meta: &SegmentMeta) -> u64 {
    let through = meta.extra.get("deletes_through").and_then(Value::as_u64);
    through.unwrap_or(0)
}

/// Notes that requests up to a number were carried out on the segment.
pub(super) fn note_deletes(meta: &mut SegmentMeta, through: u64) {
    if through > deletes_through(meta)
        && let Some(extra) = meta.extra.as_object_mut()
    {
        extra.insert("deletes_through".into(), through.into());
    }
}

/// Where the records of a segment lie.
pub(crate) fn place(meta: &SegmentMeta) -> Place {
    Place {
        positions: meta.positions,
        times: (meta.start, meta.end),
        received: last_time(meta),
        deletes_through: deletes_through(meta),
    }
}

impl Sweeping {
    /// Sweeping failed.
    pub(super) fn rest(&mut self, now: UnixNanos) {
        self.rests_until = now.plus(REST);
    }

    /// Segments were looked at.
    pub(super) fn note(&mut self, segments: impl Iterator<Item = u64>, now: UnixNanos) {
        self.looked_at.extend(segments.map(|id| (id, now)));
    }

    /// Forgets segments that are gone.
    fn forget(&mut self, segments: &[SegmentMeta]) {
        if self.looked_at.len() > 2 * segments.len() {
            let there = |id: u64| segments.iter().any(|s| s.id == id);
            self.looked_at.retain(|id, _| there(*id));
        }
    }

    fn rests(&self, now: UnixNanos) -> bool {
        now < self.rests_until && self.rests_until.since(now) <= REST
    }

    fn is_due(&self, id: u64, shortest: u64, now: UnixNanos) -> bool {
        let pause = Duration::from_secs((shortest / LOOKS).min(LOOK_SECONDS_MAX));
        let looked = self.looked_at.get(&id);
        // Where the clock stepped back, nobody knows how long it has been.
        looked.is_none_or(|at| now < *at || now.since(*at) >= pause && now > *at)
    }
}

impl LogStore {
    /// The segments to be looked at next, where there are any.
    pub(super) fn next_sweep(&self, writer: &mut Writer) -> Option<Sweep> {
        let now = writer.now;
        if writer.sweeping.rests(now) {
            return None;
        }
        writer.sweeping.forget(&writer.manifest.segments);
        let cancel = self.config.delete_cancel_seconds;
        let through = writer.requests.due_through(now, cancel);
        let until = ages_until(&writer.manifest.segments, now);
        let tenants = self.view.read().tenants();
        for tenant in tenants {
            let mut hidden = self.view.read().hidden(&tenant).through(through);
            hidden.ages = self
                .retention
                .ages(&tenant)
                .map(|ages| (Arc::clone(ages), until));
            if hidden.requests.is_empty() && hidden.ages.is_none() {
                continue;
            }
            let segments = self.to_be_looked_at(writer, &tenant, &hidden);
            let Some((first, _)) = segments.first() else {
                continue;
            };
            let task = Task {
                dir: Arc::clone(&self.dir),
                common: Arc::clone(&self.common),
                tenant,
                id: writer.manifest.take_id(),
                positions: first.meta.positions,
            };
            return Some(Sweep {
                task,
                hidden,
                through,
                segments,
            });
        }
        None
    }

    fn to_be_looked_at(
        &self,
        writer: &Writer,
        tenant: &Tenant,
        hidden: &Hidden,
    ) -> Vec<(Arc<Handle>, Veil)> {
        let shortest = hidden.ages.as_ref().and_then(|(ages, _)| ages.shortest());
        let view = self.view.read();
        let of_tenant = writer.manifest.segments.iter();
        let of_tenant =
            of_tenant.filter(|meta| meta.tenant == *tenant && !view.suspects.has(meta.id));
        let due = of_tenant.filter_map(|meta| {
            let by_age = shortest.is_some_and(|s| writer.sweeping.is_due(meta.id, s, writer.now));
            let mut hidden = hidden.clone();
            hidden.ages.take_if(|_| !by_age);
            let veil = hidden.at(&place(meta));
            if veil.is_empty() {
                return None;
            }
            Some((view.segment(meta.id)?, veil))
        });
        due.take(SEGMENTS_MAX).collect()
    }
}

/// What a look at a segment says.
enum Look {
    /// Nothing is to be done there.
    Stays,
    /// It is rewritten without what is hidden.
    Rewrite,
    /// All of it is hidden.
    Goes,
}

impl Sweep {
    /// Looks at the segments until one is to be rewritten, and rewrites that.
    pub(super) fn run(&self, pace: &Pace) -> Result<Merged, String> {
        let started = Instant::now();
        let mut done = Rewritten {
            through: self.through,
            ..Rewritten::default()
        };
        let mut before = 0;
        for (segment, veil) in &self.segments {
            let mut bytes = 0;
            let look = look(segment, veil, |more| {
                bytes = more;
                pace.may_go_on(before + bytes, started)
            });
            before += bytes;
            match look {
                Err(error) => return Ok(merge::unread(segment.meta.id, error)),
                Ok(None) => return Err("the store is closing".into()),
                Ok(Some(Look::Stays)) => done.clean.push(segment.meta.id),
                Ok(Some(Look::Goes)) => {
                    done.gone.push(segment.meta.id);
                    done.past += segment.meta.records;
                }
                Ok(Some(Look::Rewrite)) => {
                    let task = Task {
                        positions: segment.meta.positions,
                        ..self.task.clone()
                    };
                    let sources = match segment.open() {
                        Ok(segment) => [segment],
                        Err(error) => return Ok(merge::unread(segment.meta.id, error)),
                    };
                    let merged = task.merge(&sources, pace, &self.hidden, self.through)?;
                    return Ok(match merged {
                        Merged::Written(rewritten) => Merged::Written(rewritten.and(done)),
                        unread => unread,
                    });
                }
            }
        }
        Ok(Merged::Written(done))
    }
}

fn look(
    segment: &Handle,
    veil: &Veil,
    go_on: impl FnMut(u64) -> bool,
) -> Result<Option<Look>, ReadError> {
    let streams = segment.streams()?;
    let Some(veils) = veil.clone().over(&streams) else {
        return Ok(Some(Look::Stays));
    };
    let segment = segment.open()?;
    let may_have = may_have(&segment, veil)?;
    let may_have = |block| may_have.as_ref().is_none_or(|all| all.contains(&block));
    let share = segment.hidden_share(&veils, may_have, go_on)?;
    Ok(share.map(|share| {
        if share.deleted > 0 {
            Look::Rewrite
        } else if share.past == share.all {
            Look::Goes
        } else if share.past * PAST_SHARE >= share.all {
            Look::Rewrite
        } else {
            Look::Stays
        }
    }))
}

/// The blocks that can have what is asked to be deleted, by their words; nothing where any
/// can have something hidden.
fn may_have(segment: &Segment, veil: &Veil) -> Result<Option<BTreeSet<u32>>, ReadError> {
    let Some(requests) = veil.only_requests() else {
        return Ok(None);
    };
    let (mut blocks, unlimited) = (BTreeSet::new(), Arc::new(Room::new(0)));
    for request in requests {
        let search = Search {
            query: request.query.clone(),
            start: request.start,
            end: UnixNanos(request.end.0.saturating_add(1)),
            limit: usize::MAX,
            direction: Direction::Forward,
            interval: Duration::ZERO,
            deadline: sonde_proto::Deadline::never(),
        };
        let lines = Lines::of_search(&search);
        let ask = Ask::Lines(&lines);
        let chosen = match Chosen::of_segment(segment, ask, Veil::default(), &unlimited) {
            Ok(chosen) => chosen,
            Err(error) => {
                error.or_stop(drop)?;
                return Ok(None);
            }
        };
        if chosen.any() {
            let candidates = segment.candidates(&ask, &chosen)?;
            blocks.extend(candidates.iter().map(|candidate| candidate.block));
        }
    }
    Ok(Some(blocks))
}

/// Where the records of the tail lie: anywhere.
pub(crate) fn anywhere(received: UnixNanos) -> Place {
    Place {
        positions: (Position(0), Position(u64::MAX)),
        times: (UnixNanos(0), UnixNanos(u64::MAX)),
        received,
        deletes_through: 0,
    }
}
