//! Queries from a seed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng as Rng;

/// The names that spans have.
pub const NAMES: [&str; 5] = ["GET /", "POST /pay", "send", "query", "retry loop"];
/// The services that there are.
pub const SERVICES: [&str; 4] = ["checkout", "cart", "pay", "mail"];
/// Attributes of spans and resources, and texts of values that they have.
pub const ATTRIBUTES: [(&str, &[&str]); 6] = [
    (
        "http.route",
        &["\"/a\"", "\"/b\"", "\"/c d\"", "\"/nowhere\""],
    ),
    (
        "http.response.status_code",
        &["200", "404", "404.0", "500", "\"404\""],
    ),
    ("retry", &["true", "false", "1"]),
    ("size", &["1.5", "2", "0", "-1", "1000"]),
    ("tags", &["\"a\"", "\"b\"", "\"z\"", "7"]),
    ("nothing", &["\"here\"", "1"]),
];

fn pick<'a, T: ?Sized>(rng: &mut Rng, of: &[&'a T]) -> &'a T {
    of[rng.random_range(0..of.len())]
}

/// A query for spans.
pub fn query(rng: &mut Rng) -> String {
    let mut stages = vec![spansets(rng, 2)];
    while rng.random_bool(0.3) && stages.len() < 5 {
        stages.push(match rng.random_range(0..6) {
            0 => format!("by({})", field(rng)),
            1 => "coalesce()".to_owned(),
            2 => format!("select({})", field(rng)),
            3 => spansets(rng, 1),
            _ => {
                let op = pick(rng, &["=", "!=", ">", ">=", "<", "<="]);
                format!("{} {op} {}", scalar(rng), rng.random_range(0..4))
            }
        });
    }
    stages.join(" | ")
}

fn scalar(rng: &mut Rng) -> String {
    let aggregate = pick(rng, &["avg", "min", "max", "sum"]);
    match rng.random_range(0..5) {
        0 => format!("{aggregate}(duration)"),
        1 => format!(
            "{aggregate}({})",
            pick(rng, &[".size", "span.http.response.status_code"])
        ),
        2 => format!("count() {} 2", pick(rng, &["+", "-", "*", "/", "%", "^"])),
        _ => "count()".to_owned(),
    }
}

fn spansets(rng: &mut Rng, depth: u32) -> String {
    if depth == 0 || rng.random_bool(0.4) {
        return match rng.random_range(0..12) {
            0 => "{ }".to_owned(),
            1 => format!("({{ {} }} | count() > 1)", condition(rng, 1)),
            _ => format!("{{ {} }}", condition(rng, 2)),
        };
    }
    let ops = [
        "&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<",
        "&<<", "&~",
    ];
    let (left, op) = (spansets(rng, depth - 1), pick(rng, &ops));
    format!("({left}) {op} ({})", spansets(rng, depth - 1))
}

fn condition(rng: &mut Rng, depth: u32) -> String {
    if depth > 0 && rng.random_bool(0.5) {
        let (left, right) = (condition(rng, depth - 1), condition(rng, depth - 1));
        return match rng.random_range(0..7) {
            0 => format!("!({left})"),
            1..3 => format!("({left}) || ({right})"),
            _ => format!("({left}) && ({right})"),
        };
    }
    let op = pick(rng, &["=", "=", "=", "!=", ">", ">=", "<", "<="]);
    let equality = pick(rng, &["=", "=", "!="]);
    let pattern = pick(rng, &["=~", "!~"]);
    match rng.random_range(0..19) {
        0..2 => format!(
            "resource.service.name {equality} \"{}\"",
            pick(rng, &SERVICES)
        ),
        2 => format!("name {equality} \"{}\"", pick(rng, &NAMES)),
        3 => format!(
            "name {pattern} \"{}|{}\"",
            pick(rng, &NAMES),
            pick(rng, &["send", ".*y", ""])
        ),
        4 => format!("status {equality} {}", pick(rng, &["error", "ok", "unset"])),
        5 => format!(
            "kind {equality} {}",
            pick(rng, &["server", "client", "internal"])
        ),
        6 => format!("duration {op} {}us", rng.random_range(0..3000)),
        7 => format!("{} {equality} nil", field(rng)),
        8 => format!("{}us {op} duration", rng.random_range(0..3000)),
        9 => format!("childCount {op} {}", rng.random_range(0..3)),
        10 => format!(
            "event:name {equality} \"{}\"",
            pick(rng, &["start", "exception"])
        ),
        11 => format!(
            "event.exception.type {pattern} \"{}\"",
            pick(rng, &["io", "i.*", "x"])
        ),
        12 => format!("nestedSetParent {op} {}", rng.random_range(-1..4)),
        13 => format!("rootName {equality} \"{}\"", pick(rng, &NAMES)),
        14 => format!("traceDuration {op} {}us", rng.random_range(0..9000)),
        _ => {
            let (name, values) = ATTRIBUTES[rng.random_range(0..ATTRIBUTES.len())];
            let scope = pick(
                rng,
                &[".", ".", "span.", "resource.", "parent.", "parent.span."],
            );
            format!("{scope}{name} {op} {}", pick(rng, values))
        }
    }
}

fn field(rng: &mut Rng) -> String {
    let (name, _) = ATTRIBUTES[rng.random_range(0..ATTRIBUTES.len())];
    match rng.random_range(0..6) {
        0 => "name".to_owned(),
        1 => "status".to_owned(),
        2 => "resource.service.name".to_owned(),
        3 => "parent".to_owned(),
        4 => format!("parent.{name}"),
        _ => format!(".{name}"),
    }
}
