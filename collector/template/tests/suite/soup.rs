//! Random texts and random soups of tokens never panic and end within their limits.

use crate::shared::{data, funcs};
use proptest::prelude::*;
use sonde_template::{Limits, NoHost, Set};

const LIMITS: Limits = Limits {
    steps: 5_000,
    output_bytes: 4_096,
    depth: 32,
};

const TOKENS: [&str; 84] = [
    "{{",
    "{{",
    "{{",
    "{{",
    "}}",
    "}}",
    "}}",
    "}}",
    "{{- ",
    " -}}",
    "{{/*",
    "*/}}",
    " ",
    " ",
    " ",
    "\n",
    "if ",
    "else ",
    "{{else}}",
    "{{end}}",
    "{{end}}",
    "{{end}}",
    "{{end}}",
    "range ",
    "with ",
    "define ",
    "template ",
    "block ",
    "{{break}}",
    "{{continue}}",
    "\"a\"",
    "\"a\"",
    "`b`",
    "'c'",
    "$",
    "$x",
    "$x := ",
    "$x = ",
    "$i, $x := ",
    ":=",
    "=",
    ",",
    "|",
    " | ",
    "(",
    ")",
    ".",
    ".Str",
    ".List",
    ".Map",
    ".Labels",
    ".Missing",
    ".KV",
    ".Person",
    ".Hello",
    ".StartsAt",
    ".Int",
    "1",
    "-2",
    "3.5",
    "0x1f",
    "9999999999",
    "true ",
    "nil ",
    "and ",
    "or ",
    "not ",
    "eq ",
    "lt ",
    "len ",
    "index ",
    "slice ",
    "print ",
    "println ",
    "html ",
    "list ",
    "upper ",
    "printf \"%v %5.2f %[3]*.[2]*[1]f %x\" ",
    "<a href=\"",
    "<b title=",
    "\">",
    "<script>",
    "<style>",
    "<!--",
];

fn run(text: &str) {
    let mut set = Set::new(funcs());
    set.add("a", "{{.}}").unwrap();
    if set.add("t", text).is_ok() {
        for done in [
            set.execute("t", &data(), &NoHost, &LIMITS),
            set.execute_html("t", &data(), &NoHost, &LIMITS),
        ] {
            assert!(done.map_or(0, |output| output.len()) <= LIMITS.output_bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_random_text_never_panics(text in any::<String>()) {
        run(&text);
    }

    #[test]
    fn a_random_action_never_panics(text in "[{}() .$a\"'`|:=,0-9%\\\\é☃/*-]{0,60}") {
        run(&format!("{{{{{text}}}}}"));
    }

    #[test]
    fn a_soup_of_tokens_never_panics(tokens in prop::collection::vec(prop::sample::select(TOKENS.as_slice()), 0..60)) {
        run(&tokens.concat());
    }

    #[test]
    fn a_random_format_never_panics(format in "(%[-+# 0]{0,3}[0-9*]{0,3}(\\.[0-9*]{0,3})?(\\[[0-9]\\])?[a-zA-Z%é]?|[ é]){0,6}") {
        run(&format!("{{{{printf `{format}` .Int .Str .Float .List .Map .Nil .StartsAt}}}}"));
    }
}
