//! Whatever a template says, it ends: within its steps, its depth and its bytes.

use crate::shared::funcs;
use sonde_template::{DEPTH_MAX, Limits, NoHost, Set, TEXT_BYTES_MAX, Value};

fn run(text: &str, limits: Limits) -> Result<String, String> {
    let mut funcs = funcs();
    funcs.add_template_call("tmpl");
    let mut set = Set::new(funcs);
    set.add("t", text).map_err(|error| error.to_string())?;
    let done = set.execute("t", &Value::Int(0), &NoHost, &limits);
    done.map_err(|error| error.to_string())
}

fn refused(text: &str, limits: Limits, message: &str) {
    let error = run(text, limits).unwrap_err();
    assert!(error.contains(message), "{error}");
}

fn steps(steps: u64) -> Limits {
    Limits {
        steps,
        ..Limits::default()
    }
}

fn bytes(output_bytes: usize) -> Limits {
    Limits {
        output_bytes,
        ..Limits::default()
    }
}

fn depth(depth: usize) -> Limits {
    Limits {
        depth,
        ..Limits::default()
    }
}

#[test]
fn the_last_step_is_allowed_and_the_next_is_not() {
    // The action and its command.
    assert_eq!(run("{{1}}", steps(2)).unwrap(), "1");
    refused("{{1}}", steps(1), "more than 1 steps");
    // The range and its command; a round and a text, ten times.
    assert_eq!(run("{{range 10}}x{{end}}", steps(22)).unwrap().len(), 10);
    refused("{{range 10}}x{{end}}", steps(21), "more than 21 steps");
}

#[test]
fn an_endless_loop_ends() {
    refused(
        "{{range 9223372036854775807}}{{end}}",
        Limits::default(),
        "steps",
    );
    let nested = "{{range 100000}}{{range 100000}}{{end}}{{end}}";
    refused(nested, Limits::default(), "steps");
}

#[test]
fn the_last_byte_is_allowed_and_the_next_is_not() {
    assert_eq!(run("ab{{\"cde\"}}", bytes(5)).unwrap(), "abcde");
    refused("ab{{\"cde\"}}", bytes(4), "longer than 2 bytes");
    refused("abcde", bytes(4), "longer than 4 bytes");
    assert_eq!(
        run("{{len (print \"abc\" \"de\")}}", bytes(5)).unwrap(),
        "5"
    );
    refused(
        "{{len (print \"abc\" \"de\")}}",
        bytes(4),
        "longer than 4 bytes",
    );
}

#[test]
fn a_string_that_doubles_ends() {
    let text = "{{$x := \"ab\"}}{{range 1000}}{{$x = print $x $x}}{{end}}";
    refused(text, Limits::default(), "longer than 1048576 bytes");
    let wide = "{{printf \"%1000000d%1000000d\" 1 2}}";
    refused(wide, Limits::default(), "longer than 1048576 bytes");
    let precise = "{{range 10000}}{{$x := printf \"%.900000f\" 1.5}}{{end}}";
    refused(precise, Limits::default(), "steps");
}

#[test]
fn a_list_that_nests_or_doubles_ends() {
    let nests = "{{$x := list 1}}{{range 1000}}{{$x = list $x}}{{end}}";
    refused(nests, Limits::default(), "nested more than 64 deep");
    let doubles = "{{$x := list 1}}{{range 40}}{{$x = list $x $x}}{{end}}";
    refused(doubles, Limits::default(), "steps");
    let printed = "{{$x := list 1}}{{range 16}}{{$x = list $x $x $x}}{{end}}{{$x}}";
    refused(printed, steps(1 << 40), "longer than 1048576 bytes");
}

#[test]
fn the_last_level_is_allowed_and_the_next_is_not() {
    // The template, the branch, the branch.
    assert_eq!(
        run("{{if 1}}{{if 1}}x{{end}}{{end}}", depth(3)).unwrap(),
        "x"
    );
    refused(
        "{{if 1}}{{if 1}}x{{end}}{{end}}",
        depth(2),
        "nested more than 2 deep",
    );
    assert_eq!(run("{{((1))}}", depth(3)).unwrap(), "1");
    refused("{{((1))}}", depth(2), "nested more than 2 deep");
}

#[test]
fn a_template_that_calls_itself_ends() {
    refused(
        "{{template \"t\" .}}",
        depth(usize::MAX),
        "nested more than 128 deep",
    );
    refused(
        "{{tmpl \"t\" .}}",
        depth(usize::MAX),
        "nested more than 128 deep",
    );
    let text = "{{define \"a\"}}{{if 1}}{{range 1}}{{with (((1)))}}{{template \"a\"}}{{end}}{{end}}{{end}}{{end}}{{template \"a\"}}";
    refused(text, Limits::default(), "nested more than 128 deep");
}

#[test]
fn texts_nest_as_deep_as_is_allowed() {
    let nested = |open: &str, close: &str, levels| {
        let (open, close) = (open.repeat(levels), close.repeat(levels));
        format!("{open}1{close}")
    };
    let blocks = |levels| nested("{{if 1}}", "{{end}}", levels);
    let parens = |levels| format!("{{{{{}}}}}", nested("(", ")", levels));
    // One level is the template itself.
    assert_eq!(run(&blocks(DEPTH_MAX - 1), Limits::default()).unwrap(), "1");
    assert_eq!(run(&parens(DEPTH_MAX - 1), Limits::default()).unwrap(), "1");
    refused(
        &blocks(DEPTH_MAX + 1),
        Limits::default(),
        "nested more than",
    );
    refused(
        &parens(DEPTH_MAX + 1),
        Limits::default(),
        "nested more than",
    );
    refused(&blocks(10_000), Limits::default(), "nested more than");
    refused(&parens(10_000), Limits::default(), "nested more than");
    let otherwise = format!("{}{{{{end}}}}", "{{if 0}}{{else if 0}}".repeat(10_000));
    refused(&otherwise, Limits::default(), "nested more than");
}

#[test]
fn a_text_has_a_longest_length_and_a_most_of_variables() {
    assert!(run(&"x".repeat(TEXT_BYTES_MAX), Limits::default()).is_ok());
    refused(
        &"x".repeat(TEXT_BYTES_MAX + 1),
        Limits::default(),
        "divide it",
    );
    let variables =
        |count: usize| -> String { (0..count).map(|n| format!("{{{{$v{n} := 1}}}}")).collect() };
    assert_eq!(run(&variables(999), Limits::default()).unwrap(), "");
    refused(
        &variables(1_000),
        Limits::default(),
        "more than 1000 variables",
    );
}

/// Each place is found from the one before: a long text is read once.
#[test]
fn a_long_text_on_one_line_is_read_in_one_pass() {
    let text = "{{.}}".repeat(TEXT_BYTES_MAX / 5);
    assert_eq!(
        run(&text, Limits::default()).unwrap().len(),
        TEXT_BYTES_MAX / 5
    );
}
