//! Where dropping the metric's name can make two series one.
//!
//! That is an error at every function and operator that does it, also where the result is
//! only added up. Series of one metric cannot become alike, so they go on one at a time; where
//! names may differ, the results are collected and compared.

use crate::ast::{AggregateOp, BinaryOp, Expr, ExprKind, Selector, Type};
use crate::functions::{Kind, Shape};
use sonde_proto::{METRIC_NAME, MatchOp};

/// Whether the expression drops the name of what may have several.
pub(super) fn may_collide(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Negate(inner) => !has_one_name(inner),
        ExprKind::Call { function, args } => {
            let drops = match function.kind {
                Kind::Window { keeps_name, .. } => !keeps_name,
                Kind::Math(_) | Kind::Histogram(_) | Kind::Calendar(_) => true,
                Kind::Shape(_) => false,
            };
            drops && !args.iter().all(has_one_name)
        }
        _ => false,
    }
}

/// Whether all series of an expression have the same name, or none.
fn has_one_name(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Plus(inner) => has_one_name(inner),
        ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => is_of_one(selector),
        ExprKind::Subquery(subquery) => has_one_name(&subquery.expr),
        ExprKind::Binary(b) if expr.returns() == Type::Vector => match b.op {
            BinaryOp::Or => false,
            BinaryOp::And | BinaryOp::Unless => has_one_name(&b.lhs),
            op if op.is_trim() || (op.is_comparison() && !b.is_bool) => {
                has_one_name(&b.lhs) && has_one_name(&b.rhs)
            }
            _ => true,
        },
        ExprKind::Aggregate(a) => match a.op {
            AggregateOp::TopK
            | AggregateOp::BottomK
            | AggregateOp::LimitK
            | AggregateOp::LimitRatio => has_one_name(&a.expr),
            AggregateOp::CountValues => false,
            _ => a.without || !a.labels.iter().any(|name| name == METRIC_NAME),
        },
        ExprKind::Call { function, args } => match function.kind {
            Kind::Window { keeps_name, .. } => !keeps_name || args.iter().all(has_one_name),
            Kind::Math(_) | Kind::Histogram(_) | Kind::Calendar(_) => true,
            Kind::Shape(Shape::LabelJoin | Shape::LabelReplace | Shape::Info) => false,
            Kind::Shape(_) => args.iter().all(has_one_name),
        },
        ExprKind::Number(_)
        | ExprKind::Duration(_)
        | ExprKind::String(_)
        | ExprKind::Binary(_)
        | ExprKind::Negate(_) => true,
    }
}

fn is_of_one(selector: &Selector) -> bool {
    let fixes = |m: &sonde_proto::Matcher| {
        m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty()
    };
    selector.matchers.iter().any(fixes)
}
