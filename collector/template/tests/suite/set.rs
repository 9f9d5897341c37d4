//! Sets of templates.

use crate::shared::{data, funcs};
use sonde_template::{Funcs, Host, Limits, Set, Value};

#[test]
fn a_set_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug>() {}
    shared::<Set>();
}

#[test]
fn a_clone_takes_a_text_without_changing_its_origin() {
    let mut files = Set::new(funcs());
    files
        .add("a.tmpl", "{{define \"title\"}}[{{.Str}}]{{end}}")
        .unwrap();
    let mut field = files.clone();
    field.add("", "{{template \"title\" .}}!").unwrap();
    assert_eq!(field.render("", &data()).unwrap(), "[hello]!");
    assert!(!files.has(""));
    assert_eq!(files.names(), ["a.tmpl", "title"]);
}

#[test]
fn an_empty_template_does_not_replace_another() {
    let mut set = Set::new(Funcs::new());
    set.add("a", "one").unwrap();
    set.add("a", " \n{{/* nothing */}}").unwrap();
    assert_eq!(set.render("a", &Value::Nil).unwrap(), "one");
    set.add("b", "{{define \"a\"}}two{{end}}").unwrap();
    assert_eq!(set.render("a", &Value::Nil).unwrap(), "two");
}

#[test]
fn a_text_that_is_refused_leaves_the_set_as_it_was() {
    let mut set = Set::new(Funcs::new());
    set.add("a", "one").unwrap();
    set.add("b", "{{define \"a\"}}two{{end}}{{").unwrap_err();
    assert_eq!(set.names(), ["a"]);
    assert_eq!(set.render("a", &Value::Nil).unwrap(), "one");
}

#[test]
fn a_missing_template_is_named() {
    let error = Set::default().render("nope", &Value::Nil).unwrap_err();
    assert!(error.message.contains("\"nope\""), "{error}");
}

struct Lender;

impl Host for Lender {
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        Ok(format!("{function}{}", args.len()).into())
    }
}

#[test]
fn a_declared_function_is_called_through_the_host() {
    let mut funcs = Funcs::new();
    funcs.declare("query");
    let mut set = Set::new(funcs);
    set.add("a", "{{query 1 2}}").unwrap();
    let done = set.execute("a", &Value::Nil, &Lender, &Limits::default());
    assert_eq!(done.unwrap(), "query2");
    let error = set.render("a", &Value::Nil).unwrap_err();
    assert!(error.message.contains("not available here"), "{error}");
}

#[test]
fn a_template_call_yields_the_output_of_a_template() {
    let mut funcs = Funcs::new();
    funcs.add_template_call("tmpl");
    let mut set = Set::new(funcs);
    set.add("in", "<b>{{.}}</b>").unwrap();
    set.add("out", "{{$x := tmpl \"in\" .}}{{len $x}}{{$x}}")
        .unwrap();
    set.add("bad", "{{tmpl .}}").unwrap();
    assert_eq!(set.render("out", &"<".into()).unwrap(), "8<b><</b>");
    assert_eq!(
        set.render_html("out", &"<".into()).unwrap(),
        "11<b>&lt;</b>"
    );
    set.render("bad", &Value::Int(1)).unwrap_err();
}

#[test]
fn a_function_replaces_a_built_in_of_its_name() {
    let mut funcs = Funcs::new();
    funcs.add("len", |_| Ok("own".into()));
    funcs.add("and", |args| Ok(args.len().into()));
    let mut set = Set::new(funcs);
    set.add("a", "{{len 1}}{{and 0 0}}").unwrap();
    assert_eq!(set.render("a", &Value::Nil).unwrap(), "own2");
}
