//! One file's turn: open, compare, read whole lines, encode them.

use super::decode::Text;
use super::disk::{Disk, Stat};
use super::follow::{Follow, Origin, Presence};
use super::identity::{self, Tail};
use super::{FollowId, Tailer, Turn, end};
use crate::enrich::Reading;
use crate::export::batch::Builder;
use crate::export::encode::Record;
use crate::telemetry::Telemetry;
use sonde_proto::UnixNanos;

/// What consuming a run of bytes came to.
struct Consumed {
    bytes: usize,
    /// It stopped because the lane is full.
    full: bool,
}

impl<D: Disk> Tailer<D> {
    /// Reads on in one file.
    pub(super) fn read(&mut self, id: FollowId, now: UnixNanos) -> Turn {
        let Some(follow) = self.follows.get(&id) else {
            return Turn::AtEnd;
        };
        let decided = matches!(follow.origin, Origin::Known(_));
        // That it was truncated needs no room, and others wait to know it.
        if decided && self.is_full(follow.lane) && !follow.has_shrunk() {
            return Turn::Blocked;
        }
        if follow.handle.is_none() && !self.open_now(id, now) {
            return if self.open >= self.config.open_files_max {
                Turn::Blocked
            } else {
                Turn::AtEnd
            };
        }
        if !self.established(id, now) {
            return Turn::AtEnd;
        }
        let Some(stat) = self.stat(id) else {
            return Turn::AtEnd;
        };
        self.read_open(id, &stat, now)
    }

    pub(super) fn is_full(&self, lane: usize) -> bool {
        self.lanes[lane].next.bytes() >= self.batch_bytes
    }

    pub(super) fn stat(&mut self, id: FollowId) -> Option<Stat> {
        let handle = self.follows.get(&id)?.handle.as_ref()?;
        self.disk.stat(handle).ok()
    }

    /// Opens the file, if there is room for one more and it is still the one that was found.
    pub(super) fn open_now(&mut self, id: FollowId, now: UnixNanos) -> bool {
        if self.open >= self.config.open_files_max && !self.close_idlest() {
            return false;
        }
        let Some(follow) = self.follows.get_mut(&id) else {
            return false;
        };
        let opened = self
            .disk
            .open(&follow.path)
            .and_then(|handle| Ok((self.disk.stat(&handle)?, handle)));
        match opened {
            Ok((stat, handle)) if stat.key == follow.key => {
                follow.handle = Some(handle);
                follow.reported = false;
                follow.update(&stat, now);
                self.open += 1;
                true
            }
            // Rotated since it was found: the next scan says where it is.
            Ok(_) => false,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                if !follow.reported {
                    follow.reported = true;
                    self.telemetry.drop("unreadable", 1);
                    tracing::error!(path = %follow.path.display(), %error, "cannot open the log file; trying on");
                }
                false
            }
        }
    }

    /// Closes the file that has not grown for the longest time.
    fn close_idlest(&mut self) -> bool {
        let closable = |f: &Follow<D::Handle>| {
            f.handle.is_some() && f.presence == Presence::Present && !f.has_news()
        };
        let idlest = self
            .follows
            .values_mut()
            .filter(|f| closable(f))
            .min_by_key(|f| f.active);
        let Some(follow) = idlest else { return false };
        follow.handle = None;
        self.open -= 1;
        true
    }

    fn read_open(&mut self, id: FollowId, stat: &Stat, now: UnixNanos) -> Turn {
        let Some(follow) = self.follows.get(&id) else {
            return Turn::AtEnd;
        };
        let (pos, back) = (follow.pos, follow.tail.as_bytes().len());
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = match &follow.handle {
            Some(handle) if stat.size >= pos => {
                self.disk.read_at(handle, pos - back as u64, &mut buffer)
            }
            _ => Ok(0),
        };
        let turn = match read {
            Ok(n) if stat.size < pos || n < back || buffer[..back] != *follow.tail.as_bytes() => {
                self.truncated(id, now)
            }
            Ok(n) if self.is_another(id, stat, &buffer[..n]) => self.truncated(id, now),
            Ok(n) => self.take(id, stat, &buffer[..n], back, n < buffer.len(), now),
            Err(error) => {
                self.cannot_read(id, &error);
                Turn::AtEnd
            }
        };
        self.buffer = buffer;
        turn
    }

    /// Whether the open file is not the one that was known, although the bytes before `pos`
    /// are the same: it was seen to shrink, its inode was given away, or nothing was read of
    /// it and it begins anew.
    fn is_another(&self, id: FollowId, stat: &Stat, bytes: &[u8]) -> bool {
        let Some(follow) = self.follows.get(&id) else {
            return false;
        };
        if follow.has_shrunk() {
            return true;
        }
        let Some(entry) = follow.identity().and_then(|i| self.ledger.get(i)) else {
            return false;
        };
        let known = &entry.known;
        known.was_given_away(stat) || (follow.pos == 0 && !known.begins(bytes))
    }

    fn cannot_read(&mut self, id: FollowId, error: &std::io::Error) {
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        if !follow.reported {
            follow.reported = true;
            self.telemetry.drop("unreadable", 1);
            tracing::error!(path = %follow.path.display(), offset = follow.pos, %error, "cannot read the log file; trying on");
        }
    }

    /// Takes what was read: `bytes` from `back` on are new.
    fn take(
        &mut self,
        id: FollowId,
        stat: &Stat,
        bytes: &[u8],
        back: usize,
        at_end: bool,
        now: UnixNanos,
    ) -> Turn {
        let Some(follow) = self.follows.get(&id) else {
            return Turn::AtEnd;
        };
        let ending = at_end && end::is_due(follow, now, &self.config);
        if matches!(follow.origin, Origin::Undecided { .. }) {
            match identity::head(bytes).or_else(|| (ending && !bytes.is_empty()).then_some(bytes)) {
                Some(head) => {
                    let start = &bytes[..bytes.len().min(identity::HEAD_BYTES_MAX)];
                    if !self.decide(id, stat, head, start, now) {
                        return Turn::AtEnd;
                    }
                    // Its lane is known only now, and its place may have moved.
                    return Turn::More;
                }
                None if ending => return self.end(id, stat, &[], now),
                None => {
                    self.looked(id, stat);
                    return Turn::AtEnd;
                }
            }
        }
        let Some(follow) = self.follows.get_mut(&id) else {
            return Turn::AtEnd;
        };
        let limits = Limits {
            line_bytes_max: self.config.line_bytes_max,
            batch_bytes: self.batch_bytes,
        };
        let lane = &mut self.lanes[follow.lane].next;
        let new = &bytes[back..];
        let consumed = consume(follow, lane, new, &limits, &self.telemetry, now);
        if consumed.bytes > 0 {
            self.telemetry.bytes.inc_by(consumed.bytes as u64);
            follow.pos += consumed.bytes as u64;
            follow.tail = Tail::of(&bytes[..back + consumed.bytes]);
            follow.active = now;
            lane.touch(id, &mut follow.touched, now);
        }
        match (consumed.full, at_end) {
            (true, _) => Turn::Blocked,
            (false, false) => Turn::More,
            (false, true) if ending && consumed.bytes == 0 => {
                self.end(id, stat, &new[consumed.bytes..], now)
            }
            (false, true) => {
                self.looked(id, stat);
                Turn::AtEnd
            }
        }
    }

    pub(super) fn looked(&mut self, id: FollowId, stat: &Stat) {
        if let Some(follow) = self.follows.get_mut(&id) {
            follow.looked = Some((stat.size, stat.modified));
        }
    }
}

struct Limits {
    line_bytes_max: usize,
    batch_bytes: usize,
}

/// Turns the whole lines at the start of `bytes` into records, until the lane is full.
fn consume<H>(
    follow: &mut Follow<H>,
    lane: &mut Builder,
    bytes: &[u8],
    limits: &Limits,
    telemetry: &Telemetry,
    now: UnixNanos,
) -> Consumed {
    let (mut from, mut lines) = (0, 0);
    while from < bytes.len() {
        if lane.bytes() >= limits.batch_bytes {
            telemetry.lines.inc_by(lines);
            return Consumed {
                bytes: from,
                full: true,
            };
        }
        let rest = &bytes[from..];
        let newline = memchr::memchr(b'\n', rest);
        let (line, len) = match newline {
            Some(at) => (&rest[..at], at + 1),
            // A line that does not end here is read again from its start, unless it is too
            // long already: then its beginning is sent and the rest skipped.
            None if rest.len() > limits.line_bytes_max || follow.in_cut_line => (rest, rest.len()),
            None => break,
        };
        if !std::mem::replace(&mut follow.in_cut_line, newline.is_none()) {
            let kept = &line[..line.len().min(limits.line_bytes_max)];
            if kept.len() < line.len() {
                telemetry.damage("line_cut");
            }
            push_line(follow, lane, follow.pos + from as u64, kept, telemetry, now);
            lines += 1;
        }
        from += len;
    }
    telemetry.lines.inc_by(lines);
    Consumed {
        bytes: from,
        full: false,
    }
}

/// Takes one line and pushes the record it ends, if it does.
pub(super) fn push_line<H>(
    follow: &mut Follow<H>,
    lane: &mut Builder,
    offset: u64,
    line: &[u8],
    telemetry: &Telemetry,
    now: UnixNanos,
) {
    let Follow {
        decoder,
        sent,
        origin,
        slots,
        resources,
        ..
    } = follow;
    let Origin::Known(identity) = origin else {
        return;
    };
    if let Some(text) = decoder.line(offset, line, telemetry) {
        let at = text.stream as usize;
        push(
            lane,
            &mut slots[at],
            &resources[at],
            *identity,
            &mut sent[at],
            &text,
            telemetry,
            now,
        );
    }
}

/// Encodes one record, unless it was sent before the place reading resumed at.
#[expect(
    clippy::too_many_arguments,
    reason = "the disjoint parts of a followed file, borrowed apart"
)]
pub(super) fn push(
    lane: &mut Builder,
    slot: &mut Option<crate::export::batch::Slot>,
    resource: &bytes::Bytes,
    identity: identity::Identity,
    sent: &mut Option<u64>,
    text: &Text<'_>,
    telemetry: &Telemetry,
    now: UnixNanos,
) {
    if sent.is_some_and(|sent| text.offset <= sent) {
        return;
    }
    *sent = Some(text.last);
    let body = String::from_utf8_lossy(text.bytes);
    if matches!(body, std::borrow::Cow::Owned(_)) {
        telemetry.damage("invalid_utf8");
    }
    let reading = Reading::of(body.as_bytes());
    let uid = (identity.of_stream(text.stream), text.offset);
    lane.push(
        slot,
        resource,
        &Record {
            time: text.time,
            observed: now.0,
            body: &body,
            reading: &reading,
            uid,
        },
    );
    telemetry.records.inc();
}
