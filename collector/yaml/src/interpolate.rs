//! `${VAR}` in values: from the environment, never in keys.
//!
//! | written | becomes |
//! |---|---|
//! | `${A}` | the value of `A`; a problem when it is not set |
//! | `${A:-x}` | the value of `A`, or `x` when it is not set or empty |
//! | `${A:?why}` | the value of `A`; the problem `why` when it is not set or empty |
//! | `${1}` | itself: no variable begins with a digit, and it stands for a group of an expression |
//! | `$$` | `$` |

use crate::BYTES_MAX;
use crate::problem::Report;
use crate::tree::{Content, Kind, Node, Scalar};

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces the variables of every value under `node`.
pub(crate) fn tree(node: &mut Node, env: Env<'_>, report: &mut Report) {
    let mut bytes_left = BYTES_MAX;
    walk(node, env, &mut bytes_left, report);
}

fn walk(node: &mut Node, env: Env<'_>, bytes_left: &mut usize, report: &mut Report) {
    match &mut node.content {
        Content::List(items) => items
            .iter_mut()
            .for_each(|item| walk(item, env, bytes_left, report)),
        Content::Map(entries) => {
            for entry in entries {
                walk(&mut entry.value, env, bytes_left, report);
            }
        }
        Content::Scalar(scalar) if scalar.text.contains('$') => {
            if let Err(message) = scalar_in_place(scalar, env, bytes_left) {
                report.add(node.place, message, None);
                scalar.kind = Kind::Unset;
            }
        }
        Content::Scalar(_) => {}
    }
}

fn scalar_in_place(
    scalar: &mut Scalar,
    env: Env<'_>,
    bytes_left: &mut usize,
) -> Result<(), String> {
    let text = expand(&scalar.text, env)?;
    *bytes_left = bytes_left
        .checked_sub(text.len())
        .ok_or_else(|| format!("the values of environment variables exceed {BYTES_MAX} bytes"))?;
    scalar.substituted = scalar.text.contains("${");
    if scalar.plain {
        scalar.kind = Kind::of(&text);
    }
    scalar.text = text;
    Ok(())
}

/// The text with its variables replaced.
fn expand(text: &str, env: Env<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after
                .find('}')
                .ok_or("`${` without `}`; write `$$` for a dollar sign")?;
            if after.starts_with(|c: char| c.is_ascii_digit()) {
                out.push_str("${");
                out.push_str(&after[..=end]);
            } else {
                out.push_str(&variable(&after[..end], env)?);
            }
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of what stands between the braces.
fn variable(inside: &str, env: Env<'_>) -> Result<String, String> {
    let end = inside.find(':').unwrap_or(inside.len());
    let (name, rest) = inside.split_at(end);
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(letter) {
        return Err(
            "`${…}` must name an environment variable; write `$$` for a dollar sign".into(),
        );
    }
    let value = env(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    if let Some(default) = rest.strip_prefix(":-") {
        return Ok(filled.unwrap_or_else(|| default.to_owned()));
    }
    if let Some(why) = rest.strip_prefix(":?") {
        return filled.ok_or_else(|| format!("environment variable {name} is not set: {why}"));
    }
    if !rest.is_empty() {
        return Err(format!("after `${{{name}:` comes `-default` or `?message`"));
    }
    value.ok_or_else(|| {
        format!("environment variable {name} is not set; set it or write `${{{name}:-default}}`")
    })
}
