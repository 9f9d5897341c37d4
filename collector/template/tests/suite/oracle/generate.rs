//! Templates from seeds: the same seed gives the same template.

/// Numbers that look random: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const OPERANDS: [&str; 34] = [
    ".Str",
    ".Empty",
    ".Quoted",
    ".Wide",
    ".Int",
    ".Zero",
    ".Negative",
    ".Float",
    ".True",
    ".False",
    ".Nil",
    ".List",
    ".Ints",
    ".None",
    ".Nested",
    ".Map",
    ".Map.a",
    ".Map.c.d",
    ".Labels",
    ".Labels.job",
    ".Labels.nope",
    ".Missing",
    ".KV",
    ".KV.x",
    ".KV.Names",
    ".Person.Name",
    ".StartsAt.Year",
    ".WaitFor",
    "\"text\"",
    "3",
    "-1",
    "2.5",
    "true",
    "$",
];

const FUNCTIONS: [&str; 18] = [
    "len", "not", "print", "println", "html", "js", "urlquery", "upper", "and", "or", "eq", "ne",
    "lt", "le", "gt", "ge", "index", "slice",
];

fn operand(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(6) {
        0 if depth > 0 => format!("({})", pipe(dice, depth - 1)),
        1 => ".".into(),
        _ => dice.pick(&OPERANDS[..OPERANDS.len() - 1]).into(),
    }
}

fn command(dice: &mut Dice, depth: usize) -> String {
    let function = dice.pick(&FUNCTIONS);
    let count = 1 + dice.roll(3);
    let args: Vec<_> = (0..count).map(|_| operand(dice, depth)).collect();
    format!("{function} {}", args.join(" "))
}

fn pipe(dice: &mut Dice, depth: usize) -> String {
    let mut out = if dice.roll(2) == 0 {
        operand(dice, depth)
    } else {
        command(dice, depth)
    };
    for _ in 0..dice.roll(3) {
        out.push_str(" | ");
        let piped = [
            "print",
            "len",
            "html",
            "not",
            "printf \"<%v>\"",
            "eq 3",
            "upper",
            "and 1",
        ];
        out.push_str(dice.pick(&piped));
    }
    out
}

fn body(dice: &mut Dice, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..1 + dice.roll(3) {
        let inner = if depth > 0 { dice.roll(9) } else { 0 };
        let pipe = pipe(dice, 1);
        match inner {
            0 | 1 => out.push_str(&format!("[{{{{{pipe}}}}}]")),
            2 => out.push_str(dice.pick(&[
                "text",
                " \n",
                "{{- 1 -}} ",
                "{{/* c */}}",
                "a {{- \"b\"}}",
            ])),
            3 => out.push_str(&format!(
                "{{{{if {pipe}}}}}{}{{{{else}}}}{}{{{{end}}}}",
                body(dice, depth - 1),
                body(dice, depth - 1)
            )),
            4 => out.push_str(&format!(
                "{{{{with {pipe}}}}}{}{{{{else}}}}no{{{{end}}}}",
                body(dice, depth - 1)
            )),
            5 => {
                let over = dice.pick(&[
                    ".List", ".Ints", ".Map", ".Labels", ".None", "3", ".KV", ".Nested",
                ]);
                out.push_str(&format!(
                    "{{{{range $i, $e := {over}}}}}{{{{$i}}}}={{{{$e}}}}{}{{{{end}}}}",
                    body(dice, depth - 1)
                ));
            }
            6 => {
                let over = dice.pick(&[".List", ".Ints", "$.List", ".None", "4", ".Nested"]);
                let leave = dice.pick(&[
                    "",
                    "{{break}}",
                    "{{continue}}",
                    "{{if eq $e 1}}{{break}}{{end}}",
                ]);
                out.push_str(&format!(
                    "{{{{range $e := {over}}}}}{{{{.}}}}{leave}{}{{{{else}}}}none{{{{end}}}}",
                    body(dice, depth - 1)
                ));
            }
            7 => out.push_str(&format!(
                "{{{{$x := {pipe}}}}}{{{{$x}}}}{{{{$x = 1}}}}{{{{$x}}}}"
            )),
            _ => out.push_str(&format!("{{{{template \"sub\" {pipe}}}}}")),
        }
    }
    out
}

/// A template of the whole language.
pub(super) fn template(seed: u64) -> String {
    let mut dice = Dice(seed);
    let sub = dice.pick(&[
        "({{.}})",
        "{{$.x}}",
        "{{print . .}}",
        "{{with .}}{{.}}{{end}}",
    ]);
    format!(
        "{{{{define \"sub\"}}}}{sub}{{{{end}}}}{}",
        body(&mut dice, 2)
    )
}

/// A page with values in many places.
pub(super) fn page(seed: u64) -> String {
    let mut dice = Dice(seed ^ 0x9A6E);
    let mut out = String::new();
    let values = [
        ".Str",
        ".Quoted",
        ".Empty",
        ".Script",
        ".Link",
        ".HTML",
        ".URL",
        ".Wide",
        ".Int",
        ".List",
        ".Nil",
        ".StartsAt",
        ".Labels.job",
        ".Quoted | html",
        ".Link | urlquery",
        "\"a=b`c\\t+\"",
        "\"/path:x\"",
        "\"HTTPS://x\"",
        "\"tel:1\"",
        "\" http://x\"",
        "\"%zz%41\"",
        ".HTML | html",
        "\"<b title='x>y'>in</b>&lt;\" | print",
    ];
    for _ in 0..1 + dice.roll(4) {
        let value = format!("{{{{{}}}}}", dice.pick(&values));
        let more = format!("{{{{{}}}}}", dice.pick(&values));
        let place = dice.pick(&[
            "<p>V</p>",
            "V",
            "<b title=\"V\">M</b>",
            "<b title='aVb'>",
            "<i id=xM class=\"V\">",
            "<a href=\"V\">M</a>",
            "<a href='V'>",
            "<a href=\"/p/V?a=M\">",
            "<a href=\"VM\">",
            "<a href=\"V?q=M#V\">",
            "<img src='V'>",
            "<img srcset=\"V\">",
            "<img alt=\"V\" data-href='M'>",
            "<title>V</title>",
            "<textarea rows=\"M\">V</textarea>",
            "1 < 2 V",
            "a<!-- x V -->M",
            "<br/>V",
            "<td data-label='V' width=\"M\">",
            "<svg:rect x=\"V\"/>",
            "{{range .List}}<li class=\"{{.}}\">V{{end}}",
            "{{if .True}}<hr title=\"V\">{{else}}<hr>{{end}}",
            "<a class=\"x\" {{if .True}}href=\"V\"{{end}}>M",
            "<a\nhref = \"V\"\n>",
            "<a href=\"mailto:V?subject=M\">",
            "<input checked value=\"V\">",
            "<a title=V>M</a>",
            "<style>p{}</style>V",
            "<script>f()</script>V",
            "</p>V",
            "<table><tr><td bgcolor=\"V\" style=\"margin:0\">M</td></tr></table>",
            "<form action=\"V\">",
            "<x-y z=\"V\">",
            "<p hidden>V",
            "<p hidden title='V'>",
            "{{with .Str}}<u title=\"{{.}}\">V{{end}}",
            "<meta name=\"a\" content=\"V\">",
        ]);
        out.push_str(&place.replace('V', &value).replace('M', &more));
    }
    out
}

/// A `printf`.
pub(super) fn format(seed: u64) -> String {
    let mut dice = Dice(seed ^ 0xF0);
    let values = [
        ".Str",
        ".Empty",
        ".Quoted",
        ".Wide",
        ".Int",
        ".Zero",
        ".Negative",
        ".Big",
        ".Float",
        ".Small",
        ".Huge",
        ".True",
        ".Nil",
        ".List",
        ".Ints",
        ".Map",
        ".Labels",
        ".WaitFor",
        "1.0",
        "100.0",
        "1e6",
        "123456789.0",
        "-0.5",
        "9731",
        "97",
        "\"a`b\"",
        "\"tab\\t\"",
        "0.1",
        "33.333333",
        "1e100",
        ".Nested",
        ".Mixed",
    ];
    let mut format = String::new();
    let mut args = Vec::new();
    for _ in 0..1 + dice.roll(2) {
        let flags = dice.pick(&["", "", "", "-", "+", "0", " ", "#", "+0", "-0", "# "]);
        let width = dice.pick(&["", "", "", "5", "12", "*", "1"]);
        let precision = dice.pick(&["", "", "", ".2", ".0", ".10", ".", ".*"]);
        let index = dice.pick(&["", "", "", "", "", "[1]", "[2]", "[9]", "[x]"]);
        let verb = dice.pick(&[
            "v", "v", "s", "s", "q", "d", "d", "f", "g", "e", "x", "X", "t", "T", "c", "U", "o",
            "b", "O", "E", "G", "%", "z", "é", "",
        ]);
        format.push_str(&format!("a%{flags}{width}{precision}{index}{verb}"));
        args.extend(std::iter::repeat_n(
            "3",
            width.matches('*').count() + precision.matches('*').count(),
        ));
        args.push(dice.pick(&values));
    }
    match dice.roll(12) {
        0 => args.push("\"extra\""),
        1 => drop(args.pop()),
        _ => {}
    }
    format!("{{{{printf \"{format}\" {}}}}}", args.join(" "))
}
