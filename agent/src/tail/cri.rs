//! Container runtime lines, as kubelet's log directory holds them:
//!
//! ```text
//! 2026-01-02T03:04:05.123456789Z stdout F the text of the line
//! └ RFC 3339, 0 to 9 decimals    │      │ └ up to the newline
//!                                │      └ P: the record goes on in the stream's next line; F: it ends
//!                                └ stdout or stderr
//! ```
//!
//! Parsed by hand at fixed places: a regular expression here is most of an agent's CPU.

/// Which of a container's outputs a line came from. The numbers are the low bits of the
/// identity in `log.record.uid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Stream {
    /// Not known: the file is no container's, or the line is not of this form.
    #[default]
    None = 0,
    Stdout = 1,
    Stderr = 2,
}

/// How many streams there are.
pub(crate) const STREAMS: usize = 3;

impl Stream {
    pub(crate) const ALL: [Self; STREAMS] = [Self::None, Self::Stdout, Self::Stderr];

    /// The value of `log.iostream`, where there is one.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Stdout => Some("stdout"),
            Self::Stderr => Some("stderr"),
        }
    }
}

/// One line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CriLine<'a> {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) stream: Stream,
    /// The record goes on in the stream's next line.
    pub(crate) partial: bool,
    pub(crate) text: &'a [u8],
}

/// Takes a line (without its newline) apart; `None` when it is not of this form.
pub(crate) fn parse(line: &[u8]) -> Option<CriLine<'_>> {
    let (time, rest) = time(line)?;
    let rest = rest.strip_prefix(b" ")?;
    let (stream, rest) = match rest {
        [b's', b't', b'd', b'o', b'u', b't', b' ', rest @ ..] => (Stream::Stdout, rest),
        [b's', b't', b'd', b'e', b'r', b'r', b' ', rest @ ..] => (Stream::Stderr, rest),
        _ => return None,
    };
    let (tag, rest) = rest.split_first()?;
    let partial = match tag {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    // Further tags may follow a colon; a line without text may end here.
    let text = match rest {
        [] => rest,
        [b' ', text @ ..] => text,
        [b':', more @ ..] => match memchr::memchr(b' ', more) {
            Some(at) => &more[at + 1..],
            None => &[],
        },
        _ => return None,
    };
    Some(CriLine {
        time,
        stream,
        partial,
        text,
    })
}

/// Reads an RFC 3339 time, and what follows it.
pub(crate) fn time(text: &[u8]) -> Option<(u64, &[u8])> {
    let fixed = text.get(..19)?;
    let shape = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if shape.iter().any(|(at, byte)| fixed[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (
        digits(&fixed[..4])?,
        digits(&fixed[5..7])?,
        digits(&fixed[8..10])?,
    );
    let (hour, minute, second) = (
        digits(&fixed[11..13])?,
        digits(&fixed[14..16])?,
        digits(&fixed[17..19])?,
    );
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (nanos, rest) = fraction(&text[19..])?;
    let (east, rest) = zone(rest)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - east;
    let nanos = u64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)?;
    Some((nanos, rest))
}

/// `.123456789`, in nanoseconds; digits beyond the ninth are ignored.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let len = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    if len == 0 {
        return None;
    }
    let kept = &text[..len.min(9)];
    let value = kept.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
    Some((value * 10_u64.pow(9 - kept.len() as u32), &text[len..]))
}

/// `Z` or `+02:00`, in seconds east of UTC.
fn zone(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, rest) = match text {
        [b'Z', rest @ ..] => return Some((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let at = rest.get(..5).filter(|at| at[2] == b':')?;
    let seconds = digits(&at[..2])? * 3_600 + digits(&at[3..])? * 60;
    Some((sign * seconds, &rest[5..]))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

/// Days since 1970-01-01 in the Gregorian calendar, by counting years from March: leap days
/// then come last, and a month's start is linear in its number.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests;
