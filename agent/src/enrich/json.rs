//! The members of a JSON object, without parsing what is not asked for.

/// Calls `visit` with each top-level member's key and value until it returns false. A
/// string's value is what stands between its quotes, escapes and all; other values are
/// as written. Text that is no JSON ends the walk silently: this reads logs, it does not judge.
pub(super) fn members<'a>(text: &'a [u8], mut visit: impl FnMut(&'a [u8], &'a [u8]) -> bool) {
    let [b'{', rest @ ..] = skip_space(text) else {
        return;
    };
    let mut rest = rest;
    while let [b'"', after @ ..] = skip_space(rest) {
        let Some((key, after)) = string(after) else {
            return;
        };
        let [b':', after @ ..] = skip_space(after) else {
            return;
        };
        let Some((value, after)) = value(skip_space(after)) else {
            return;
        };
        if !visit(key, value) {
            return;
        }
        let [b',', after @ ..] = skip_space(after) else {
            return;
        };
        rest = after;
    }
}

fn skip_space(text: &[u8]) -> &[u8] {
    let at = text
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(text.len());
    &text[at..]
}

/// The string whose opening quote is already taken, and what follows its closing one.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = (at + 2).min(text.len());
    }
}

fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text.first()? {
        b'"' => string(&text[1..]),
        b'{' | b'[' => nested(text),
        _ => {
            let len = text
                .iter()
                .position(|b| matches!(b, b',' | b'}' | b' ' | b'\n'))?;
            Some(text.split_at(len))
        }
    }
}

/// An object or list, whole, by counting brackets outside strings.
fn nested(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let (_, after) = string(&text[at + 1..])?;
                at = text.len() - after.len() - 1;
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(text.split_at(at));
        }
    }
}
