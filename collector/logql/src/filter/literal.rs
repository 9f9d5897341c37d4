//! The texts without which a regular expression cannot match.
//!
//! Only exact texts count: a class of many characters, a repetition and an anchor yield
//! nothing by themselves, and a text that is compared in any case yields all its spellings
//! as long as they are few.

use regex_syntax::hir::{Class, Hir, HirKind};

/// How many texts may stand for an expression: a store looks each of them up.
const TEXTS_MAX: usize = 32;
/// How long a text may get while parts are joined.
const TEXT_BYTES_MAX: usize = 256;

type Texts = Vec<Vec<u8>>;

/// The texts of which a line must contain any, where the expression asks for nothing more:
/// `error`, `.*error.*`, `error|warn`, `(?:time|read)out`.
pub(super) fn only_texts(hir: &Hir) -> Option<Texts> {
    let hir = without_ends(hir);
    let texts = exact(&hir)?;
    // What is shown as U+FFFD matches too where a line is not UTF-8.
    let is_plain = texts.iter().all(|text| !has_replacement(text));
    let is_class = texts.len() > 1 && texts.iter().any(|text| text.len() == 1);
    (is_plain && !is_class && !texts.is_empty()).then_some(texts)
}

/// Texts of which every match contains at least one.
pub(super) fn required(hir: &Hir) -> Option<Texts> {
    let found = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => None,
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Repetition(_) => None,
        HirKind::Alternation(parts) => union(parts.iter().map(required)),
        HirKind::Concat(parts) => required_of_sequence(parts),
    };
    let found = best(found, exact(hir))?;
    // Single characters of several are nothing to look up.
    let length_min = if found.len() > 1 { 2 } else { 1 };
    found
        .iter()
        .all(|text| text.len() >= length_min && !has_replacement(text))
        .then_some(found)
}

/// All texts of several sets; `None` where one is unknown or they are too many.
pub(super) fn union(sets: impl Iterator<Item = Option<Texts>>) -> Option<Texts> {
    let mut all = Texts::new();
    for set in sets {
        all.extend(set?);
    }
    all.sort();
    all.dedup();
    let is_useful = !all.is_empty() && all.len() <= TEXTS_MAX && all.iter().all(|t| !t.is_empty());
    is_useful.then_some(all)
}

/// Neighbours with exact texts are joined; the best run stands for the sequence.
fn required_of_sequence(parts: &[Hir]) -> Option<Texts> {
    let mut chosen = None;
    let mut run: Option<Texts> = None;
    for part in parts {
        let texts = exact(part);
        let joined = match (&run, &texts) {
            (Some(run), Some(texts)) => product(run, texts),
            _ => None,
        };
        if joined.is_none() {
            chosen = best(chosen, run.take());
        }
        if texts.is_none() {
            chosen = best(chosen, required(part));
        }
        run = joined.or(texts);
    }
    best(chosen, run)
}

/// The set whose shortest text is longer; of equals, the smaller set.
fn best(a: Option<Texts>, b: Option<Texts>) -> Option<Texts> {
    let worth = |set: &Texts| {
        let shortest = set.iter().map(Vec::len).min().unwrap_or(0);
        (shortest, std::cmp::Reverse(set.len()))
    };
    let useful = |set: Option<Texts>| set.filter(|set| worth(set).0 > 0);
    match (useful(a), useful(b)) {
        (Some(a), Some(b)) if worth(&b) > worth(&a) => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// All texts that an expression matches, where they are few and nothing depends on what
/// stands around them.
fn exact(hir: &Hir) -> Option<Texts> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Look(_) => None,
        HirKind::Class(class) => characters(class),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Repetition(repetition) => {
            let (least, most) = (repetition.min, repetition.max?);
            if most > 4 {
                return None;
            }
            let sub = exact(&repetition.sub)?;
            let (mut all, mut times) = (Texts::new(), vec![Vec::new()]);
            for count in 0..=most {
                if count >= least {
                    all.extend(times.iter().cloned());
                }
                if count < most {
                    times = product(&times, &sub)?;
                }
            }
            bounded(all)
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Vec::new()], |texts, part| {
            product(&texts, &exact(part)?)
        }),
        HirKind::Alternation(parts) => {
            let mut all = Texts::new();
            for part in parts {
                all.extend(exact(part)?);
                if all.len() > TEXTS_MAX {
                    return None;
                }
            }
            bounded(all)
        }
    }
}

fn characters(class: &Class) -> Option<Texts> {
    let mut texts = Texts::new();
    match class {
        Class::Unicode(class) => {
            for range in class.ranges() {
                if range.len() > TEXTS_MAX - texts.len() {
                    return None;
                }
                for c in range.start()..=range.end() {
                    texts.push(c.to_string().into_bytes());
                }
            }
        }
        // Only ASCII: a byte above is not a text.
        Class::Bytes(class) => {
            for range in class.ranges() {
                if range.len() > TEXTS_MAX - texts.len() || !range.end().is_ascii() {
                    return None;
                }
                texts.extend((range.start()..=range.end()).map(|byte| vec![byte]));
            }
        }
    }
    (!texts.is_empty()).then_some(texts)
}

/// Each of `a` followed by each of `b`.
fn product(a: &Texts, b: &Texts) -> Option<Texts> {
    if a.len() * b.len() > TEXTS_MAX {
        return None;
    }
    let mut all = Texts::with_capacity(a.len() * b.len());
    for first in a {
        for second in b {
            if first.len() + second.len() > TEXT_BYTES_MAX {
                return None;
            }
            all.push([first.as_slice(), second.as_slice()].concat());
        }
    }
    bounded(all)
}

fn bounded(mut all: Texts) -> Option<Texts> {
    all.sort();
    all.dedup();
    (all.len() <= TEXTS_MAX).then_some(all)
}

/// Without what may be nothing at both ends: a search is not anchored there.
fn without_ends(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Capture(capture) => without_ends(&capture.sub),
        HirKind::Concat(parts) => {
            let may_be_nothing =
                |hir: &Hir| matches!(hir.kind(), HirKind::Repetition(r) if r.min == 0);
            let first = parts.iter().position(|part| !may_be_nothing(part));
            let last = parts.iter().rposition(|part| !may_be_nothing(part));
            match (first, last) {
                (Some(first), Some(last)) => Hir::concat(parts[first..=last].to_vec()),
                _ => Hir::empty(),
            }
        }
        HirKind::Repetition(repetition) if repetition.min == 0 => Hir::empty(),
        _ => hir.clone(),
    }
}

fn has_replacement(text: &[u8]) -> bool {
    memchr::memmem::find(text, "\u{FFFD}".as_bytes()).is_some()
}
