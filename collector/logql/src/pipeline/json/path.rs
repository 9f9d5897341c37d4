//! `| json first="a.b[0]", second="[\"c d\"]"`: values at given places.
//!
//! All places are looked for in one pass; of equal keys the first counts. An object or an
//! array is taken as it is written. A place that the line does not have yields an empty label.
//! A key with an escape that is none ends the search; as in Loki, that is no mistake here.

use super::Names;
use super::scan::{Bad, Scan, Value};
use crate::ast::Extraction;
use crate::pipeline::labels::Mistake;
use crate::pipeline::take::Taker;

/// How many places one stage may ask for: they are the bits of a number.
const PATHS_MAX: usize = 64;
/// How many steps a place may have.
const STEPS_MAX: usize = 32;

/// The places a stage asks for.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct Paths {
    paths: Vec<(String, Vec<Step>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A set of paths.
type Set = u64;

impl Paths {
    pub(in crate::pipeline) fn compile(extractions: &[Extraction]) -> Result<Self, String> {
        if extractions.len() > PATHS_MAX {
            return Err(format!(
                "more than {PATHS_MAX} labels; divide them among several stages"
            ));
        }
        let paths = extractions.iter().map(|extraction| {
            let steps = steps(&extraction.path)
                .map_err(|reason| format!("{:?} is no path: {reason}", extraction.path))?;
            Ok((extraction.label.clone(), steps))
        });
        Ok(Self {
            paths: paths.collect::<Result<_, String>>()?,
        })
    }

    /// Takes the values out of the line.
    pub(in crate::pipeline) fn run(&self, line: &str, names: &mut Names, taker: &mut Taker<'_>) {
        if line.is_empty() {
            return;
        }
        if !line.trim_start().starts_with(['{', '[', '"']) {
            taker.fail(
                Mistake::Json,
                "neither an object, an array nor a string at byte 1",
            );
            return;
        }
        let all = (0..self.paths.len()).fold(0, |set, at| set | 1 << at);
        let mut visit = Visit {
            paths: &self.paths,
            open: all,
            is_over: false,
            key: &mut names.key,
            taker,
        };
        let done = visit.value(&mut Scan::new(line), all, 0);
        let open = visit.open;
        if let Err(bad) = done {
            taker.fail(Mistake::Json, &bad.to_string());
        }
        for (at, (label, _)) in self.paths.iter().enumerate() {
            if open & 1 << at != 0 {
                taker.take_missing(label);
            }
        }
    }
}

struct Visit<'v, 't> {
    paths: &'v [(String, Vec<Step>)],
    /// Those not found yet.
    open: Set,
    /// Nothing more can be found.
    is_over: bool,
    key: &'v mut String,
    taker: &'v mut Taker<'t>,
}

impl Visit<'_, '_> {
    /// Reads a value that the paths of `set` lead to or through; `depth` of their steps are
    /// taken.
    fn value(&mut self, scan: &mut Scan<'_>, set: Set, depth: usize) -> Result<(), Bad> {
        let ends = self.those(set, |steps| steps.len() == depth);
        let value = scan.value()?;
        if ends != 0 {
            // Taken as a whole; what leads further in is looked for in its text.
            let whole = match &value {
                Value::Object | Value::Array => Some(scan.whole()?),
                Value::String(_) | Value::Plain(_) | Value::Null => None,
            };
            self.take(ends, &value, whole);
            let further = set & !ends & self.open;
            return match whole {
                Some(whole) if further != 0 => self.value(&mut Scan::new(whole), further, depth),
                _ => Ok(()),
            };
        }
        match value {
            Value::Object => self.object(scan, set, depth),
            Value::Array => self.array(scan, set, depth),
            Value::String(_) | Value::Plain(_) | Value::Null => Ok(()),
        }
    }

    fn object(&mut self, scan: &mut Scan<'_>, set: Set, depth: usize) -> Result<(), Bad> {
        let mut is_first = true;
        while let Some(key) = scan.next_key(is_first)? {
            is_first = false;
            let Ok(key) = key.text(self.key) else {
                self.is_over = true;
                return Ok(());
            };
            let matching = those(
                self.paths,
                set & self.open,
                |steps| matches!(&steps[depth], Step::Key(wanted) if wanted == key),
            );
            self.inner(scan, matching, depth)?;
            if self.open == 0 || self.is_over {
                return Ok(());
            }
        }
        Ok(())
    }

    fn array(&mut self, scan: &mut Scan<'_>, set: Set, depth: usize) -> Result<(), Bad> {
        let mut at = 0;
        while scan.next_element(at == 0)? {
            let matching = self.those(set & self.open, |steps| steps[depth] == Step::Index(at));
            self.inner(scan, matching, depth)?;
            if self.open == 0 || self.is_over {
                return Ok(());
            }
            at += 1;
        }
        Ok(())
    }

    fn inner(&mut self, scan: &mut Scan<'_>, set: Set, depth: usize) -> Result<(), Bad> {
        if set == 0 {
            let value = scan.value()?;
            return scan.skip(&value);
        }
        self.value(scan, set, depth + 1)
    }

    fn those(&self, set: Set, is_one: impl Fn(&[Step]) -> bool) -> Set {
        those(self.paths, set, is_one)
    }

    fn take(&mut self, set: Set, value: &Value<'_>, whole: Option<&str>) {
        for (at, (label, _)) in self.paths.iter().enumerate() {
            if set & 1 << at == 0 {
                continue;
            }
            self.taker.take_asked(label, |out| match value {
                Value::String(text) => text.push_value(out),
                Value::Plain(text) => out.push_str(text),
                Value::Null => {}
                Value::Object | Value::Array => out.push_str(whole.unwrap_or_default()),
            });
        }
        self.open &= !set;
    }
}

fn those(paths: &[(String, Vec<Step>)], set: Set, is_one: impl Fn(&[Step]) -> bool) -> Set {
    let mut found = 0;
    for (at, (_, steps)) in paths.iter().enumerate() {
        if set & 1 << at != 0 && is_one(steps) {
            found |= 1 << at;
        }
    }
    found
}

/// Reads `a.b[0]["c d"]`.
fn steps(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while let Some(first) = rest.chars().next() {
        rest = if first == '[' {
            let (step, after) = bracket(&rest[1..])?;
            steps.push(step);
            after
        } else {
            let field = if first == '.' && !steps.is_empty() {
                &rest[1..]
            } else {
                rest
            };
            if !steps.is_empty() && first != '.' {
                return Err("a point or [ is missing between two keys");
            }
            let length = field
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(field.len());
            if length == 0 || field.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("write a key of other characters as [\"key\"]");
            }
            steps.push(Step::Key(field[..length].to_owned()));
            &field[length..]
        };
        if steps.len() > STEPS_MAX {
            return Err("it has too many steps");
        }
    }
    if steps.is_empty() {
        return Err("it is empty; name a key, as in \"request.method\"");
    }
    Ok(steps)
}

/// `0]` or `"c d"]`.
fn bracket(inner: &str) -> Result<(Step, &str), &'static str> {
    let inner = inner.trim_start();
    let (step, after) = if let Some(text) = inner.strip_prefix('"') {
        let (key, after) = quoted(text).ok_or("a quote is missing")?;
        (Step::Key(key), after)
    } else {
        let (index, _) = inner.split_once(']').ok_or("a ] is missing")?;
        let is_number = index.trim().bytes().all(|b| b.is_ascii_digit());
        let number = index.trim().parse().ok().filter(|_| is_number);
        let number = number.ok_or("in [ ] stands a number or a key in quotes")?;
        (Step::Index(number), &inner[index.len()..])
    };
    let after = after
        .trim_start()
        .strip_prefix(']')
        .ok_or("a ] is missing")?;
    Ok((step, after))
}

/// A key up to its quote; a backslash takes the next character as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((key, &text[at + 1..])),
            '\\' => key.push(characters.next()?.1),
            c => key.push(c),
        }
    }
    None
}
