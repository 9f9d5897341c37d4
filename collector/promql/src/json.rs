//! A tree as Prometheus' `parse_query` shows it: objects with a `type`, times in
//! milliseconds, numbers as text.

use super::ast::{Aggregate, At, Binary, Expr, ExprKind, Length, Many, Selector, Type, When};
use super::functions::Function;
use super::number::label_number;
use serde_json::{Map, Value, json};
use sonde_proto::Matcher;

/// An expression as JSON.
#[must_use]
pub fn to_json(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(n) => literal(*n),
        ExprKind::Duration(millis) => literal(*millis as f64 / 1e3),
        ExprKind::String(text) => json!({ "type": "stringLiteral", "val": text }),
        ExprKind::Paren(inner) => json!({ "type": "parenExpr", "expr": to_json(inner) }),
        ExprKind::Plus(inner) => unary("+", inner),
        ExprKind::Negate(inner) => unary("-", inner),
        ExprKind::Selector(selector) => Value::Object(selected("vectorSelector", selector)),
        ExprKind::Matrix(selector, range) => {
            let mut map = selected("matrixSelector", selector);
            map.insert("range".into(), range.millis().into());
            add_computed(&mut map, "rangeExpr", Some(range));
            Value::Object(map)
        }
        ExprKind::Subquery(subquery) => {
            let mut map = Map::new();
            map.insert("type".into(), "subquery".into());
            map.insert("expr".into(), to_json(&subquery.expr));
            map.insert("range".into(), subquery.range.millis().into());
            let step = subquery.step.as_ref();
            map.insert("step".into(), step.map_or(0, Length::millis).into());
            add_when(&mut map, &subquery.when);
            add_computed(&mut map, "rangeExpr", Some(&subquery.range));
            add_computed(&mut map, "stepExpr", step);
            Value::Object(map)
        }
        ExprKind::Binary(b) => binary(b),
        ExprKind::Aggregate(a) => aggregation(a),
        ExprKind::Call { function, args } => json!({
            "type": "call",
            "func": described(function),
            "args": args.iter().map(to_json).collect::<Vec<_>>(),
        }),
    }
}

fn literal(n: f64) -> Value {
    json!({ "type": "numberLiteral", "val": label_number(n) })
}

fn unary(op: &str, inner: &Expr) -> Value {
    json!({ "type": "unaryExpr", "op": op, "expr": to_json(inner) })
}

fn selected(kind: &str, selector: &Selector) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".into(), kind.into());
    let name = selector.name.as_deref().unwrap_or_default();
    map.insert("name".into(), name.into());
    // The name before the braces comes last.
    let mut matchers: Vec<Value> = selector.matchers.iter().map(matcher).collect();
    if selector.name.is_some() && !matchers.is_empty() {
        matchers.rotate_left(1);
    }
    map.insert("matchers".into(), matchers.into());
    let word = selector.edges.word();
    map.insert("anchored".into(), (word == Some("anchored")).into());
    map.insert("smoothed".into(), (word == Some("smoothed")).into());
    add_when(&mut map, &selector.when);
    map
}

fn matcher(matcher: &Matcher) -> Value {
    json!({ "name": matcher.name, "type": matcher.op.as_str(), "value": matcher.value })
}

fn add_when(map: &mut Map<String, Value>, when: &When) {
    let (time, edge) = match when.at {
        None => (None, None),
        Some(At::Time(millis)) => (Some(millis), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    };
    let offset = when.offset.as_ref();
    map.insert("offset".into(), offset.map_or(0, Length::millis).into());
    map.insert("timestamp".into(), time.into());
    map.insert("startOrEnd".into(), edge.into());
    add_computed(map, "offsetExpr", offset);
}

/// A length that depends on the query is shown as it is written.
fn add_computed(map: &mut Map<String, Value>, name: &str, length: Option<&Length>) {
    if let Some(Length::Computed(computed)) = length {
        map.insert(name.into(), super::format::duration(&computed.expr).into());
    }
}

fn binary(b: &Binary) -> Value {
    let vectors = b.lhs.returns() == Type::Vector && b.rhs.returns() == Type::Vector;
    let card = match b.matching.many {
        _ if b.op.is_set() => "many-to-many",
        None => "one-to-one",
        Some(Many::Left) => "many-to-one",
        Some(Many::Right) => "one-to-many",
    };
    let matching = vectors.then(|| {
        let mut matching = json!({
            "card": card,
            "labels": b.matching.labels,
            "on": b.matching.on,
            "include": b.matching.include,
        });
        let fill = b.matching.fill;
        if !fill.is_none() {
            let [lhs, rhs] = [fill.left, fill.right].map(|value| value.map(label_number));
            matching["fillValues"] = json!({ "lhs": lhs, "rhs": rhs });
        }
        matching
    });
    json!({
        "type": "binaryExpr",
        "op": b.op.as_str(),
        "lhs": to_json(&b.lhs),
        "rhs": to_json(&b.rhs),
        "matching": matching,
        "bool": b.is_bool,
    })
}

fn aggregation(a: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": a.op.as_str(),
        "expr": to_json(&a.expr),
        "param": a.param.as_ref().map(to_json),
        "grouping": a.labels,
        "without": a.without,
    })
}

fn described(function: &Function) -> Value {
    let types: Vec<&str> = function.args.iter().map(|t| t.short()).collect();
    let variadic = match function.repeats {
        usize::MAX => -1,
        repeats => (function.optional + repeats) as i64,
    };
    json!({
        "name": function.name,
        "argTypes": types,
        "variadic": variadic,
        "returnType": function.returns.short(),
    })
}
