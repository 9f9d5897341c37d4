//! The results of queries in templates: `query`, `first`, `label`, `value`, `strvalue`,
//! `sortByLabel`.

use super::functions::{string, wrong_args};
use crate::query::Sample;
use sonde_template::{Funcs, Object, Value};

/// A sample as templates see it.
struct Element {
    labels: Value,
    value: f64,
}

impl Object for Element {
    fn type_name(&self) -> &str {
        "sample"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Labels" => Some(Ok(self.labels.clone())),
            "Value" => Some(Ok(Value::Float(self.value))),
            _ => None,
        }
    }
}

pub(super) fn value(sample: &Sample) -> Value {
    Value::object(Element {
        labels: Value::strings(sample.labels.iter()),
        value: sample.number(),
    })
}

pub(super) fn add(funcs: &mut Funcs) {
    funcs.add("first", |args| match args {
        [Value::List(elements)] => elements
            .first()
            .cloned()
            .ok_or_else(|| "first() called on vector with no elements".into()),
        _ => Err(wrong_args("first", "the result of a query", args)),
    });
    funcs.add("label", |args| match args {
        [name, element] => label(element, string("label", name)?),
        _ => Err(wrong_args("label", "a name and a sample", args)),
    });
    funcs.add("value", |args| match args {
        [element] => member(element, "Value"),
        _ => Err(wrong_args("value", "a sample", args)),
    });
    funcs.add("strvalue", |args| match args {
        [element] => label(element, "__value__"),
        _ => Err(wrong_args("strvalue", "a sample", args)),
    });
    funcs.add("sortByLabel", |args| match args {
        [name, Value::List(elements)] => sorted(elements, string("sortByLabel", name)?),
        _ => Err(wrong_args(
            "sortByLabel",
            "a name and the result of a query",
            args,
        )),
    });
}

fn sorted(elements: &[Value], by: &str) -> Result<Value, String> {
    let mut keyed = Vec::with_capacity(elements.len());
    for element in elements {
        let key = label(element, by)?;
        keyed.push((key.as_str().unwrap_or_default().to_owned(), element.clone()));
    }
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let sorted: Vec<Value> = keyed.into_iter().map(|(_, element)| element).collect();
    Ok(sorted.into())
}

fn label(element: &Value, name: &str) -> Result<Value, String> {
    match member(element, "Labels")? {
        Value::Map(labels) => Ok(labels.get(name)),
        other => Err(format!("expected labels; found {}", other.type_name())),
    }
}

fn member(element: &Value, name: &str) -> Result<Value, String> {
    match element {
        Value::Object(object) => object
            .member(name, &[])
            .unwrap_or_else(|| Err(format!("expected a sample; found {}", object.type_name()))),
        other => Err(format!("expected a sample; found {}", other.type_name())),
    }
}
