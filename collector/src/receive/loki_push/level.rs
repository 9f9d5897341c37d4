//! How serious a line is, where its sender did not say it apart: by a key `level`, as JSON
//! and logfmt have it, or else by a word that stands where loggers write their levels.

/// How much of a line is looked at for a key.
const KEY_BYTES: usize = 4096;
/// How much is looked at for a word.
const WORD_BYTES: usize = 256;
/// The names under which levels are written; case does not matter.
pub(crate) const KEYS: [&str; 9] = [
    "level",
    "severity",
    "lvl",
    "loglevel",
    "log_level",
    "log.level",
    "severity_text",
    "severitytext",
    "detected_level",
];

/// Whether a label or key of that name tells the level.
pub(super) fn is_key(name: &[u8]) -> bool {
    KEYS.iter()
        .any(|key| name.eq_ignore_ascii_case(key.as_bytes()))
}

/// OpenTelemetry's severity number, the first of its range, of a word or of one of the numbers
/// 10, 20, … 60 that several loggers write.
pub(super) fn of_word(word: &[u8]) -> Option<u8> {
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    let first = word.first()? | 0x20;
    match first {
        b't' if is(&["trace", "trc"]) => Some(1),
        b'd' if is(&["debug", "dbg"]) => Some(5),
        b'v' if is(&["verbose"]) => Some(5),
        b'i' if is(&["info", "inf", "information", "informational"]) => Some(9),
        b'n' if is(&["notice"]) => Some(9),
        b'w' if is(&["warn", "warning", "wrn"]) => Some(13),
        b'e' if is(&["error", "err"]) => Some(17),
        b's' if is(&["severe"]) => Some(17),
        b'f' if is(&["fatal", "ftl"]) => Some(21),
        b'c' if is(&["critical", "crit"]) => Some(21),
        b'e' if is(&["emerg", "emergency"]) => Some(21),
        b'p' if is(&["panic"]) => Some(21),
        b'a' if is(&["alert"]) => Some(21),
        _ => match word {
            b"10" => Some(1),
            b"20" => Some(5),
            b"30" => Some(9),
            b"40" => Some(13),
            b"50" => Some(17),
            b"60" => Some(21),
            _ => None,
        },
    }
}

/// The severity number that a line itself tells.
pub(super) fn of_line(line: &[u8]) -> Option<u8> {
    by_key(&line[..line.len().min(KEY_BYTES)])
        .or_else(|| by_word(&line[..line.len().min(WORD_BYTES)]))
}

fn by_key(head: &[u8]) -> Option<u8> {
    memchr::memchr2_iter(b'=', b':', head).find_map(|at| {
        let key = match head[at] {
            b'=' => last_run(&head[..at], is_name_byte),
            _ => last_run(
                head[..at].trim_ascii_end().strip_suffix(b"\"")?,
                is_name_byte,
            ),
        };
        if !is_key(key) {
            return None;
        }
        let value = head[at + 1..].trim_ascii_start();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        of_word(first_run(value, |b| b.is_ascii_alphanumeric()))
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

fn last_run(bytes: &[u8], is: impl Fn(u8) -> bool) -> &[u8] {
    let start = bytes.iter().rposition(|b| !is(*b)).map_or(0, |at| at + 1);
    &bytes[start..]
}

fn first_run(bytes: &[u8], is: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|b| !is(*b)).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The first word that names a level and is written as levels are: in capitals, in brackets,
/// or before a colon. `no error occurred` tells no level.
fn by_word(head: &[u8]) -> Option<u8> {
    let mut at = 0;
    while at < head.len() {
        let word = first_run(&head[at..], |b| b.is_ascii_alphabetic());
        if word.is_empty() {
            at += 1;
            continue;
        }
        let end = at + word.len();
        let before = at.checked_sub(1).and_then(|at| head.get(at));
        let after = head.get(end);
        let is_alone = !before.is_some_and(|b| b.is_ascii_digit() || *b == b'_')
            && !after.is_some_and(|b| b.is_ascii_digit() || *b == b'_');
        let is_marked = word.iter().all(u8::is_ascii_uppercase)
            || matches!(after, Some(b':' | b']' | b'>'))
            || matches!(before, Some(b'[' | b'<'));
        if is_alone
            && is_marked
            && let Some(number) = of_word(word)
        {
            return Some(number);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_its_level_by_key_or_by_word() {
        let check = |line: &str, expected: Option<u8>| {
            assert_eq!(of_line(line.as_bytes()), expected, "{line}");
        };
        check(r#"{"ts": 1, "level": "error", "msg": "x"}"#, Some(17));
        check(r#"{"Severity":"WARNING"}"#, Some(13));
        check(r#"{"level":30,"time":1}"#, Some(9));
        check("ts=1 lvl=dbg msg=\"level is fine\"", Some(5));
        check(r#"time=1 level="warn" msg=x"#, Some(13));
        check("2024-01-01 12:00:00 ERROR main: it broke", Some(17));
        check("[info] started", Some(9));
        check("warning: unused variable", Some(13));
        check("FATAL_ERRORS=0", None);
        check("no error occurred, more information below", None);
        check("sublevel=error", None);
        check(r#"{"msg":"level=error"}"#, Some(17));
        check("level=", None);
        check("", None);
        check("\"", None);
        check(":", None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            failure_persistence: None,
            ..Default::default()
        })]
        #[test]
        fn no_line_does_harm(line in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = of_line(&line);
        }
    }
}
