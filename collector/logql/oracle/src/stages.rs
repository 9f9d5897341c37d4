//! A pipeline, stage by stage.

use crate::filters;
use crate::parsers;
use crate::state::State;
use crate::template::render;
use crate::{Key, Record, Stream};
use sonde_logql::ast::{LabelFormatValue, LabelSelector, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// What `distinct` remembers: the values each of its stages has seen.
pub(crate) type Seen = BTreeMap<usize, BTreeSet<String>>;

/// A record before the first stage.
pub(crate) fn begin(stream: &Stream, record: &Record) -> State {
    let pairs = stream.metadata.iter().chain(&record.metadata);
    State::new(
        &record.line,
        stream.labels.iter(),
        pairs.map(|(n, v)| (n.as_str(), v.as_str())),
    )
}

/// Whether a record passes all stages.
pub(crate) fn run(stages: &[Stage], state: &mut State, seen: &mut Seen) -> bool {
    stages
        .iter()
        .enumerate()
        .all(|(number, stage)| step(stage, state, seen.entry(number).or_default()))
}

/// Whether a record passes a stage.
pub(crate) fn step(stage: &Stage, state: &mut State, seen: &mut BTreeSet<String>) -> bool {
    match stage {
        Stage::Line(filter) => return filters::line(filter, state),
        Stage::Label(filter) => return filters::labels(filter, state),
        Stage::Json(extractions) if extractions.is_empty() => parsers::json(state),
        Stage::Json(extractions) => parsers::json_paths(state, extractions),
        Stage::Logfmt {
            strict,
            keep_empty,
            extractions,
        } => {
            if extractions.is_empty() {
                parsers::logfmt(state, *strict, *keep_empty);
            } else {
                parsers::logfmt_keys(state, *strict, extractions);
            }
        }
        Stage::Regexp(pattern) => parsers::regexp(state, pattern),
        Stage::Pattern(pattern) => parsers::pattern(state, pattern),
        Stage::Unpack => parsers::unpack(state),
        Stage::Decolorize => decolorize(state),
        Stage::LineFormat(template) => {
            state.line = render(template, &state.template_data(), &state.line).into_bytes();
        }
        Stage::LabelFormat(formats) => {
            // All templates of a stage see the labels as the first of them found them.
            let mut data: Option<Key> = None;
            for format in formats {
                match &format.value {
                    LabelFormatValue::Rename(from) => {
                        if let Some(value) = state.get(from).map(str::to_owned) {
                            state.set(&format.name, &value);
                            state.remove(from);
                        }
                    }
                    LabelFormatValue::Template(template) => {
                        let data = data.get_or_insert_with(|| state.template_data());
                        let value = render(template, data, &state.line);
                        state.set(&format.name, &value);
                    }
                }
            }
        }
        Stage::Drop(selectors) => selectors.iter().for_each(|selector| drop(selector, state)),
        Stage::Keep(selectors) => keep(selectors, state),
        Stage::Distinct(names) => {
            return names.iter().all(|name| match state.get(name) {
                Some(value) => seen.insert(format!("{name}={value}")),
                None => false,
            });
        }
    }
    true
}

fn drop(selector: &LabelSelector, state: &mut State) {
    let name = match selector {
        LabelSelector::Name(name) => name,
        LabelSelector::Matching(matcher) => &matcher.name,
    };
    let goes = |value: &str| match selector {
        LabelSelector::Name(_) => true,
        LabelSelector::Matching(matcher) => filters::matcher_matches(matcher, value),
    };
    match name.as_str() {
        "__error__" => {
            if goes(&state.error) {
                state.error.clear();
            }
        }
        "__error_details__" => {}
        name => {
            if goes(state.get(name).unwrap_or("")) {
                state.remove(name);
            }
        }
    }
}

fn keep(selectors: &[LabelSelector], state: &mut State) {
    for (name, value) in state.labels() {
        let stays = selectors.iter().any(|selector| match selector {
            LabelSelector::Name(kept) => *kept == name,
            LabelSelector::Matching(matcher) => {
                matcher.name == name && filters::matcher_matches(matcher, &value)
            }
        });
        if !stays {
            state.remove(&name);
        }
    }
}

/// Takes out colours: `ESC [ digits and semicolons m`, the only sequences that worlds have,
/// in either case.
fn decolorize(state: &mut State) {
    let mut out = Vec::new();
    let mut rest = state.line.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == 0x1b && after.first() == Some(&b'[') {
            let end = after
                .iter()
                .position(|b| *b == b'm' || *b == b'M')
                .unwrap_or(0);
            rest = &after[end + 1..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    state.line = out;
}
