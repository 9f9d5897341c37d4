//! `| decolorize`: the line without the escape sequences of terminals.
//!
//! ```text
//! ESC [ parameters 0-? , intermediates space-/ , final @-~       colours, cursor
//! ESC ] … BEL  or  ESC ] … ESC \                                 titles, links
//! ESC intermediates space-/ , final 0-~                          all others
//! ```
//!
//! U+009B stands for `ESC [`. A sequence that is not complete stays.

/// What begins a sequence.
const ESCAPE: u8 = 0x1b;
/// U+009B in UTF-8.
const C1: [u8; 2] = [0xC2, 0x9B];

/// Writes the line without its sequences to `out`; `false` where there are none.
pub(super) fn decolorize(line: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(first) = next(line) else {
        return false;
    };
    out.clear();
    out.extend_from_slice(&line[..first]);
    let mut rest = &line[first..];
    while !rest.is_empty() {
        let length = sequence(rest);
        // One byte that begins no whole sequence stays.
        let kept = usize::from(length == 0);
        out.extend_from_slice(&rest[..kept]);
        rest = &rest[length.max(1)..];
        let plain = next(rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
    }
    true
}

fn next(line: &[u8]) -> Option<usize> {
    let escape = memchr::memchr(ESCAPE, line);
    let c1 = memchr::memmem::find(&line[..escape.unwrap_or(line.len())], &C1);
    c1.or(escape)
}

/// The length of the sequence that begins here; 0 where it is not complete.
fn sequence(rest: &[u8]) -> usize {
    if rest.starts_with(&C1) {
        return control(rest, 2);
    }
    match rest.get(1) {
        Some(b'[') => control(rest, 2),
        Some(b']') => command(rest),
        Some(_) => {
            let at = 1 + count(&rest[1..], |b| (0x20..=0x2F).contains(&b));
            match rest.get(at) {
                Some(0x30..=0x7E) => at + 1,
                _ => 0,
            }
        }
        None => 0,
    }
}

fn control(rest: &[u8], start: usize) -> usize {
    let mut at = start + count(&rest[start..], |b| (0x30..=0x3F).contains(&b));
    at += count(&rest[at..], |b| (0x20..=0x2F).contains(&b));
    match rest.get(at) {
        Some(0x40..=0x7E) => at + 1,
        _ => 0,
    }
}

fn command(rest: &[u8]) -> usize {
    match memchr::memchr2(0x07, ESCAPE, &rest[2..]) {
        Some(at) if rest[2 + at] == 0x07 => at + 3,
        Some(at) if rest.get(3 + at) == Some(&b'\\') => at + 4,
        Some(_) | None => 0,
    }
}

fn count(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| belongs(**b)).count()
}
