//! The few templates that queries are generated with: text, `{{.label}}`,
//! `{{.label | ToUpper}}`, `{{ToLower .label}}` and `{{__line__}}`.

use crate::Key;

/// What a template yields.
///
/// # Panics
/// On a template that the generator does not make.
pub(crate) fn render(template: &str, data: &Key, line: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        out.push_str(text);
        let (action, after) = after
            .split_once("}}")
            .expect("the generator closes actions");
        out.push_str(&act(action.trim(), data, line));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn act(action: &str, data: &Key, line: &[u8]) -> String {
    let operand = |text: &str| match text.trim() {
        "__line__" => String::from_utf8_lossy(line).into_owned(),
        field => {
            let name = field
                .strip_prefix('.')
                .expect("the generator knows fields only");
            data.get(name).cloned().unwrap_or_default()
        }
    };
    if let Some((value, function)) = action.split_once('|') {
        return call(function.trim(), &operand(value));
    }
    if let Some((function, value)) = action.split_once(' ') {
        return call(function, &operand(value));
    }
    operand(action)
}

fn call(function: &str, text: &str) -> String {
    match function {
        "ToUpper" | "upper" => text.chars().map(|c| only(c, c.to_uppercase())).collect(),
        "ToLower" | "lower" => text.chars().map(|c| only(c, c.to_lowercase())).collect(),
        other => panic!("the generator does not know {other}"),
    }
}

/// Go's mapping: a character becomes one, so `ß` stays.
fn only(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}
