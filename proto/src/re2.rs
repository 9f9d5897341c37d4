//! Regular expressions as Go's RE2 reads them, carried out by the `regex` crate.
//!
//! The query languages and Alertmanager's matchers come from Go. The two dialects agree on
//! most of what is written in practice. What differs is rewritten here:
//!
//! | written | in Go | handed on as |
//! |---|---|---|
//! | `\d \w \s \b` and their opposites | ASCII | explicit ranges, `(?-u:\b)` |
//! | `\Q…\E` | text | escaped text |
//! | `\<`, `\/`, `\"` | the character | the escaped character |
//! | `\123` | an octal character | `\x{53}` |
//! | `{` that begins no repetition, `{,3}` | the character | `\{` |
//! | `[`, `&&`, `--`, `~~` in a class | characters | escaped |
//! | flags other than `i`, `m`, `s`, `U` | an error | an error |
//!
//! Look-around and back references exist in neither.

mod budget;

pub use budget::{COMPILED_BYTES_MAX, PatternBudget};

use regex::bytes::{Regex, RegexBuilder};

/// The largest compiled pattern, in bytes: a pattern is input, its automaton is memory.
const SIZE_MAX: usize = 1 << 20;
/// The largest cache a pattern's lazy automaton may fill, in bytes; every thread has its own.
const CACHE_MAX: usize = 4 << 20;
/// The same of all patterns that are carried out together.
const CACHES_MAX: usize = 16 << 20;
/// How deep groups may nest.
pub const DEPTH_MAX: u32 = 100;
/// How much a pattern, or those of a request, may have of classes that are wide: each is kilobytes before anything is
/// compiled, and takes milliseconds where its characters are looked up for their other cases.
pub const WEIGHT_MAX: usize = 100;
/// What such a class counts where `i` was set before it; else one.
const FOLDED: usize = 5;
/// From so many characters on, a range is wide.
const WIDE: u32 = 1 << 10;

/// Why a text is no regular expression, or none that may be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRegex {
    /// It is not well-formed.
    #[error("{0}")]
    Syntax(String),
    /// Its automaton would be too large.
    #[error("it needs more than {SIZE_MAX} bytes of memory; use smaller repetitions")]
    TooLarge,
    /// It has too many classes that take long to read.
    #[error(
        "too many classes such as \\pL and ranges of more than {WIDE} characters; use fewer, or leave out (?i)"
    )]
    TooWide,
    /// Others of the same request have taken what it may have.
    #[error(
        "the regular expressions of a request may be {} and have {} bytes, and {} bytes of memory; join some with |, or ask in parts",
        budget::PATTERNS_MAX,
        budget::TEXT_BYTES_MAX,
        budget::COMPILED_BYTES_MAX
    )]
    TooMany,
}

impl BadRegex {
    fn new(reason: impl Into<String>) -> Self {
        Self::Syntax(reason.into())
    }

    /// What another parser says about a translated pattern. It draws a caret under a pattern
    /// that is not the one that was written; its last line says what is wrong.
    #[must_use]
    pub fn told(message: &str) -> Self {
        let line = message.lines().rev().find(|line| !line.trim().is_empty());
        let line = line.unwrap_or(message).trim();
        Self::new(line.trim_start_matches("error: "))
    }
}

/// What `.` matches where the pattern itself does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dot {
    /// Any character but a newline.
    InLine,
    /// Any character.
    Any,
}

/// Compiles a pattern that is searched for.
///
/// # Errors
/// [`BadRegex`] where it is no regular expression of Go, or too large a one.
pub fn compile(pattern: &str, dot: Dot) -> Result<Regex, BadRegex> {
    compile_beside(pattern, dot, 1)
}

/// Compiles one of `patterns` patterns that are searched for together: they share the memory
/// that few of them would have for each.
///
/// # Errors
/// As [`compile`].
pub fn compile_beside(pattern: &str, dot: Dot, patterns: usize) -> Result<Regex, BadRegex> {
    build(&translate(pattern)?, dot, cache(patterns), SIZE_MAX)
}

/// How large the cache of each may become.
fn cache(patterns: usize) -> usize {
    CACHE_MAX.min(CACHES_MAX / patterns.max(1))
}

/// Compiles a pattern that matches whole values.
///
/// # Errors
/// As [`compile`].
pub fn compile_whole(pattern: &str, dot: Dot) -> Result<Regex, BadRegex> {
    let anchored = Translation::read(pattern)?.anchored();
    build(&anchored, dot, CACHE_MAX, SIZE_MAX)
}

/// Compiles a search for any of several texts at once, beside so many other patterns.
///
/// # Errors
/// [`BadRegex`] where they are too many or too long.
pub fn compile_texts(texts: &[Vec<u8>], patterns: usize) -> Result<Regex, BadRegex> {
    let escape = |text: &Vec<u8>| regex::escape(&String::from_utf8_lossy(text));
    let escaped: Vec<String> = texts.iter().map(escape).collect();
    build(&escaped.join("|"), Dot::InLine, cache(patterns), SIZE_MAX)
}

fn build(pattern: &str, dot: Dot, cache: usize, size: usize) -> Result<Regex, BadRegex> {
    RegexBuilder::new(pattern)
        .dot_matches_new_line(dot == Dot::Any)
        .size_limit(size)
        .dfa_size_limit(cache)
        .nest_limit(DEPTH_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => BadRegex::TooLarge,
            other => BadRegex::told(&other.to_string()),
        })
}

/// Rewrites a regular expression of Go.
///
/// # Errors
/// [`BadRegex`] where it is seen here that it is none; other mistakes are seen by whoever
/// reads the result.
pub fn translate(pattern: &str) -> Result<String, BadRegex> {
    Ok(Translation::read(pattern)?.text)
}

/// How much of [`WEIGHT_MAX`] a pattern takes; one that cannot be read takes none.
#[must_use]
pub fn weight(pattern: &str) -> usize {
    Translation::read(pattern).map_or(0, |read| read.weight)
}

/// A rewritten pattern, and what was seen of it meanwhile.
#[derive(Default)]
struct Translation {
    text: String,
    /// How many groups are open.
    depth: usize,
    /// Whether a flag `i` was set, wherever that was.
    is_folded: bool,
    /// What its wide classes count.
    weight: usize,
}

impl Translation {
    fn read(pattern: &str) -> Result<Self, BadRegex> {
        let mut out = Self {
            text: String::with_capacity(pattern.len() + 8),
            ..Self::default()
        };
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            rest = out.take(first, rest)?;
        }
        if out.weight > WEIGHT_MAX {
            return Err(BadRegex::TooWide);
        }
        Ok(out)
    }

    /// Takes what begins with `first`, and returns what follows it.
    fn take<'p>(&mut self, first: char, rest: &'p str) -> Result<&'p str, BadRegex> {
        Ok(match first {
            '\\' => escape(rest, self)?,
            '[' => class(rest, self)?,
            '(' => group(rest, self)?,
            ')' => {
                // Else `a)|(b` would close the group around it, and so leave the anchors.
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| BadRegex::new("unopened group"))?;
                self.push(')');
                &rest[1..]
            }
            '{' if !begins_repetition(rest) => {
                self.push_str("\\{");
                &rest[1..]
            }
            '{' => {
                let end = rest.find('}').map_or(rest.len(), |at| at + 1);
                self.push_str(&rest[..end]);
                &rest[end..]
            }
            ']' | '}' => {
                self.push('\\');
                self.push(first);
                &rest[1..]
            }
            other => {
                self.push(other);
                &rest[other.len_utf8()..]
            }
        })
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Counts a wide class.
    fn weigh(&mut self) {
        self.weight += if self.is_folded { FOLDED } else { 1 };
    }

    /// As a pattern of whole values.
    fn anchored(&self) -> String {
        format!("^(?:{})$", self.text)
    }
}

/// `{3}`, `{3,}` or `{3,5}`.
fn begins_repetition(rest: &str) -> bool {
    let Some((inner, _)) = rest[1..].split_once('}') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match inner.split_once(',') {
        None => is_number(inner),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    }
}

/// `(`, `(?flags`, `(?P<name>`, `(?<name>`: everything up to what the group holds.
fn group<'p>(rest: &'p str, out: &mut Translation) -> Result<&'p str, BadRegex> {
    out.depth += 1;
    let Some(inner) = rest.strip_prefix("(?") else {
        out.push('(');
        return Ok(&rest[1..]);
    };
    let named = inner.strip_prefix('P').unwrap_or(inner);
    if let Some(name) = named.strip_prefix('<') {
        if name.starts_with(['=', '!']) {
            return Err(BadRegex::new("look-behind is not supported"));
        }
        let Some((name, after)) = name.split_once('>') else {
            return Err(BadRegex::new("the name of a group has no end"));
        };
        out.push_str("(?P<");
        out.push_str(name);
        out.push('>');
        return Ok(after);
    }
    let length = inner.find([':', ')']).unwrap_or(inner.len());
    let flags = &inner[..length];
    if let Some(bad) = flags.chars().find(|c| !"imsU-".contains(*c)) {
        return Err(BadRegex::new(format!(
            "(?{bad} is no flag; those are i, m, s and U"
        )));
    }
    out.is_folded |= flags.contains('i');
    out.push_str("(?");
    out.push_str(flags);
    Ok(&inner[length..])
}

/// A class's ranges, without its brackets.
fn perl_class(letter: char) -> Option<&'static str> {
    match letter {
        'd' | 'D' => Some("0-9"),
        'w' | 'W' => Some("0-9A-Za-z_"),
        's' | 'S' => Some("\\t\\n\\x0C\\r\\x20"),
        _ => None,
    }
}

/// An escape outside of a class.
fn escape<'p>(rest: &'p str, out: &mut Translation) -> Result<&'p str, BadRegex> {
    let Some(letter) = rest[1..].chars().next() else {
        return Err(BadRegex::new("a backslash at the end escapes nothing"));
    };
    let after = &rest[1 + letter.len_utf8()..];
    if let Some(ranges) = perl_class(letter) {
        let not = if letter.is_ascii_uppercase() { "^" } else { "" };
        out.push_str(&format!("[{not}{ranges}]"));
        return Ok(after);
    }
    match letter {
        'b' | 'B' => {
            out.push_str(&format!("(?-u:\\{letter})"));
            Ok(after)
        }
        'A' | 'z' => {
            out.push('\\');
            out.push(letter);
            Ok(after)
        }
        'Q' => {
            let (text, after) = after.split_once("\\E").unwrap_or((after, ""));
            for c in text.chars() {
                push_character(c, out);
            }
            Ok(after)
        }
        'p' | 'P' => Ok(property(rest, out)),
        _ => {
            let (character, after) = character(rest)?;
            push_character(character, out);
            Ok(after)
        }
    }
}

/// `\pL`, `\p{Greek}`, `\P{^Greek}`: as they are.
fn property<'p>(rest: &'p str, out: &mut Translation) -> &'p str {
    let length = match rest[2..].chars().next() {
        Some('{') => rest.find('}').map_or(rest.len(), |at| at + 1),
        Some(letter) => 2 + letter.len_utf8(),
        None => rest.len(),
    };
    out.weigh();
    out.push_str(&rest[..length]);
    &rest[length..]
}

/// The character that an escape stands for, and what follows.
fn character(rest: &str) -> Result<(char, &str), BadRegex> {
    let letter = rest[1..].chars().next().unwrap_or('\\');
    let after = &rest[(1 + letter.len_utf8()).min(rest.len())..];
    let simple = match letter {
        'a' => '\x07',
        'f' => '\x0c',
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'v' => '\x0b',
        'x' => return hexadecimal(rest, after),
        '0'..='7' => return octal(rest, &rest[1..]),
        c if c.is_ascii_punctuation() || c == ' ' => c,
        c if c.is_ascii_control() => c,
        _ => return Err(unknown_escape(rest)),
    };
    Ok((simple, after))
}

fn hexadecimal<'p>(rest: &'p str, digits: &'p str) -> Result<(char, &'p str), BadRegex> {
    let (digits, after) = match digits.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or_else(|| unknown_escape(rest))?,
        None => digits
            .split_at_checked(2)
            .ok_or_else(|| unknown_escape(rest))?,
    };
    let is_plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|_| is_plain)
        .and_then(char::from_u32)
        .map(|c| (c, after))
        .ok_or_else(|| unknown_escape(rest))
}

/// `\0`, `\07`, `\012`, `\123`: a single digit other than 0 would be a back reference.
fn octal<'p>(rest: &'p str, digits: &'p str) -> Result<(char, &'p str), BadRegex> {
    let count = digits
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(b))
        .count();
    if count == 1 && !digits.starts_with('0') {
        return Err(unknown_escape(rest));
    }
    u32::from_str_radix(&digits[..count], 8)
        .ok()
        .and_then(char::from_u32)
        .map(|c| (c, &digits[count..]))
        .ok_or_else(|| unknown_escape(rest))
}

fn unknown_escape(rest: &str) -> BadRegex {
    let shown: String = rest.chars().take(2).collect();
    BadRegex::new(format!("{shown} is no escape; for a backslash write \\\\"))
}

/// A character that means itself, inside of a class and outside.
fn push_character(c: char, out: &mut Translation) {
    match c {
        c if c.is_ascii_alphanumeric() || !c.is_ascii() || c == '_' => out.push(c),
        c => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
    }
}

/// `[…]`.
fn class<'p>(rest: &'p str, out: &mut Translation) -> Result<&'p str, BadRegex> {
    let unclosed = || BadRegex::new("unclosed character class");
    let mut inner = &rest[1..];
    out.push('[');
    if let Some(after) = inner.strip_prefix('^') {
        out.push('^');
        inner = after;
    }
    let mut is_first = true;
    loop {
        if inner.starts_with(']') && !is_first {
            out.push(']');
            return Ok(&inner[1..]);
        }
        is_first = false;
        inner = match inner.chars().next().ok_or_else(unclosed)? {
            '[' if inner.starts_with("[:") && inner.contains(":]") => posix(inner, out)?,
            '\\' if inner[1..].starts_with(|c| perl_class(c).is_some()) => {
                let letter = inner[1..].chars().next().unwrap_or('d');
                let ranges = perl_class(letter).unwrap_or_default();
                let not = if letter.is_ascii_uppercase() { "^" } else { "" };
                if !not.is_empty() {
                    out.weigh();
                }
                out.push_str(&format!("[{not}{ranges}]"));
                &inner[2..]
            }
            '\\' if inner[1..].starts_with(['p', 'P']) => property(inner, out),
            _ => range(inner, out)?,
        };
    }
}

/// The classes with names.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// `[:alpha:]`, `[:^alpha:]`.
fn posix<'p>(inner: &'p str, out: &mut Translation) -> Result<&'p str, BadRegex> {
    let end = inner.find(":]").unwrap_or(inner.len());
    let name = inner.get(2..end).unwrap_or_default();
    if !POSIX.contains(&name.trim_start_matches('^')) {
        return Err(BadRegex::new(format!(
            "[:{name}:] is no class of characters"
        )));
    }
    if name.starts_with('^') {
        out.weigh();
    }
    out.push_str(&inner[..end + 2]);
    Ok(&inner[end + 2..])
}

/// One character of a class, or `a-z`.
fn range<'p>(inner: &'p str, out: &mut Translation) -> Result<&'p str, BadRegex> {
    let (first, after) = class_character(inner)?;
    push_character(first, out);
    let Some(end) = after.strip_prefix('-').filter(|end| !end.starts_with(']')) else {
        return Ok(after);
    };
    if end.is_empty() {
        return Ok(after);
    }
    let (last, after) = class_character(end)?;
    if last < first {
        return Err(BadRegex::new(format!(
            "the range {first}-{last} runs backwards"
        )));
    }
    if u32::from(last) - u32::from(first) >= WIDE {
        out.weigh();
    }
    out.push('-');
    push_character(last, out);
    Ok(after)
}

fn class_character(inner: &str) -> Result<(char, &str), BadRegex> {
    match inner.chars().next() {
        Some('\\') if inner.len() > 1 => character(inner),
        Some(c) => Ok((c, &inner[c.len_utf8()..])),
        None => Err(BadRegex::new("unclosed character class")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_take_long_to_read_are_few() {
        let check = |class: &str, weight: usize| {
            let most = WEIGHT_MAX / weight;
            let folded = if weight == FOLDED { "(?i)" } else { "" };
            assert!(translate(&(folded.to_owned() + &class.repeat(most))).is_ok());
            let more = translate(&(folded.to_owned() + &class.repeat(most + 1)));
            assert_eq!(more, Err(BadRegex::TooWide), "{class}");
        };
        for class in [
            "\\pL",
            "\\P{Greek}",
            "[\\W]",
            "[[:^alpha:]]",
            "[ -\u{ffff}]",
        ] {
            check(class, 1);
            check(class, FOLDED);
        }
        let many = "(?i)\\W\\d[^a-z][\\w-][а-я][[:alpha:]]".repeat(1000);
        assert!(translate(&many).is_ok());
    }

    #[test]
    fn patterns_that_are_carried_out_together_share_their_memory() {
        let check = |patterns, expected| assert_eq!(cache(patterns), expected, "{patterns}");
        check(0, CACHE_MAX);
        check(4, CACHE_MAX);
        check(100, CACHES_MAX / 100);
        // However little that is, they find what they find.
        let regex = compile_beside("a.{3,9}b", Dot::Any, 100_000).unwrap();
        assert!(regex.is_match(b"xx a1234b") && !regex.is_match(b"xx a12b"));
    }
}
