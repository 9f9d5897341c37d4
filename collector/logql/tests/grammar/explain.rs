//! Why the grammar of the editor and the parser here judge a query differently.

use crate::tokens::tokens;

/// What only the editor takes, as the parser here refuses it: the editor reads the syntax,
/// and these are rules about what it says.
const MEANING: [(&str, &str); 12] = [
    (
        "expected a quantile",
        "functions without the number they need",
    ),
    (
        "behind the number",
        "functions with nothing but their number",
    ),
    ("and these are lines", "operators between lines"),
    (
        "and a number is none",
        "aggregations and set operators of a number",
    ),
    ("is not grouped", "groupings that a function does not have"),
    ("takes no number", "numbers that a function does not take"),
    (
        "expected a whole number above 0",
        "functions without the number they need",
    ),
    ("not a regular expression", "broken regular expressions"),
    ("this is no label's name", "texts that name no label"),
    ("is set by the stages", "labels that only stages set"),
    (
        "label's name or \")\", found \")\"",
        "a comma before the ) of a grouping",
    ),
    ("is set twice", "labels that are set twice"),
];
const COMPARISONS: [&str; 9] = ["=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="];
/// Words of the language that stand where names may stand.
const WORDS: [&str; 28] = [
    "json",
    "logfmt",
    "regexp",
    "pattern",
    "unpack",
    "decolorize",
    "drop",
    "keep",
    "by",
    "without",
    "and",
    "or",
    "unless",
    "unwrap",
    "offset",
    "rate",
    "sum",
    "bool",
    "on",
    "ip",
    "duration",
    "line_format",
    "label_format",
    "distinct",
    "bytes",
    "vector",
    "ignoring",
    "sort",
];

/// The reason of a difference, where there is a known one. `refusal` is what is said here
/// about a query that only the editor takes; without it, only the editor refuses the query.
pub(crate) fn why(query: &str, refusal: Option<&str>) -> Option<&'static str> {
    if let Some(refusal) = refusal {
        let rule = MEANING.iter().find(|(part, _)| refusal.contains(part));
        return rule.map(|(_, why)| *why);
    }
    let tokens = tokens(query);
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    let pair = |one: &str, two: &str| tokens.windows(2).any(|w| w == [one, two]);
    if tokens
        .first()
        .is_some_and(|first| first.starts_with(['|', '!']))
    {
        Some("a selector may be left out here")
    } else if pair("{", "}") {
        Some("{} is every stream here, and Loki refuses it")
    } else if pair(",", "}") {
        Some("a comma before } is taken here")
    } else if pair("|", "distinct") {
        Some("the editor does not know distinct")
    } else if tokens.contains(&"unwrap") && pair(")", "[") {
        Some("the editor does not know (… | unwrap x)[5m]")
    } else if tokens.contains(&"unwrap") && pair("]", "offset") {
        Some("the editor does not know … | unwrap x [5m] offset 1h")
    } else if pair("group_left", "(") || pair("group_right", "(") {
        Some("an operand in parentheses behind group_left is taken here")
    } else if tokens.windows(3).any(|w| w == [")", ")", "["]) {
        Some("the editor does not know ((…))[5m]")
    } else if tokens
        .windows(2)
        .any(|w| ["json", "logfmt"].contains(&w[0]) && w[1].starts_with('#'))
    {
        Some("the editor does not know a comment right behind json or logfmt")
    } else if tokens.contains(&"ip") && pair(")", "or") {
        Some("texts behind an ip(…) are taken here")
    } else if pair("offset", "-") {
        Some("the editor wants no blank within a negative offset")
    } else if tokens.windows(2).any(|w| is_word_as_name(w[0], w[1])) {
        Some("words of the language are names here where names stand")
    } else if tokens.windows(3).any(|w| is_juxtaposed(w[0], w[1], w[2])) {
        Some("the editor does not know label filters side by side in all places")
    } else {
        None
    }
}

/// `{json="x"}`, `| keep json`, `json rate`
fn is_word_as_name(first: &str, second: &str) -> bool {
    let begins_names = [
        "=",
        "json",
        "logfmt",
        "keep",
        "drop",
        ",",
        "--strict",
        "--keep-empty",
        "(",
    ];
    WORDS.contains(&first) && COMPARISONS.contains(&second)
        || begins_names.contains(&first) && WORDS.contains(&second)
}

/// A value, or the end of one, and then a filter: `a=1 b=2`, `a=1 (b=2)`
fn is_juxtaposed(value: &str, name: &str, op: &str) -> bool {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_alphabetic() || c == '_') && !["and", "or"].contains(&text)
    };
    let is_value =
        value.starts_with(['"', '`', ')']) || value.starts_with(|c: char| c.is_ascii_digit());
    is_value
        && (is_name(name) && COMPARISONS.contains(&op) || name == "(" && (op == "(" || is_name(op)))
}
