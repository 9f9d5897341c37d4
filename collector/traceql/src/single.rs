//! Whether a query looks at each span by itself, so that it finds the same spans of a trace however
//! the trace is divided.

use crate::ast::{Field, Intrinsic, Pipeline, Query, SetOp, Spansets, Stage};

impl Query {
    /// Whether what it finds is one set of spans, of which each is found for what it is itself:
    /// neither for its parent or children, nor for others of its trace, nor for how many there are.
    #[must_use]
    pub fn is_of_single_spans(&self) -> bool {
        self.metrics.is_none() && of_pipeline(&self.pipeline)
    }
}

fn of_pipeline(pipeline: &Pipeline) -> bool {
    pipeline.stages.iter().all(|stage| match stage {
        Stage::Spansets(spansets) => of_spansets(spansets),
        Stage::Select(fields) => fields.iter().all(of_field),
        Stage::Scalar { .. } | Stage::By(_) | Stage::Coalesce => false,
    })
}

fn of_spansets(spansets: &Spansets) -> bool {
    match spansets {
        Spansets::Filter(field) => field.as_ref().is_none_or(of_field),
        Spansets::Pipeline(pipeline) => of_pipeline(pipeline),
        Spansets::Binary { left, op, right } => {
            *op == SetOp::Or && of_spansets(left) && of_spansets(right)
        }
    }
}

fn of_field(field: &Field) -> bool {
    match field {
        Field::Literal(_) => true,
        Field::Attribute(attribute) => !attribute.of_parent,
        Field::Intrinsic(intrinsic) => !matches!(
            intrinsic,
            Intrinsic::ChildCount
                | Intrinsic::NestedSetLeft
                | Intrinsic::NestedSetRight
                | Intrinsic::NestedSetParent
                | Intrinsic::TraceDuration
                | Intrinsic::RootName
                | Intrinsic::RootService
        ),
        Field::Binary { left, right, .. } => of_field(left) && of_field(right),
        Field::Match { field, .. } | Field::Not(field) | Field::Minus(field) => of_field(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_of_single_spans_unless_it_looks_at_others() {
        let check = |text: &str, expected: bool| {
            let query = Query::parse(text).unwrap();
            assert_eq!(query.is_of_single_spans(), expected, "{text}");
        };
        for text in [
            "",
            "{}",
            "{ status = error && (.a = 1 || duration > 1s) } | select(.b)",
            "{ name =~ \"a.*\" } || { !.b }",
            "({ .a = 1 } | { .b = 2 })",
            "{ parent = nil && trace:id != \"\" && event:name = \"exception\" }",
        ] {
            check(text, true);
        }
        for text in [
            "{} >> {}",
            "{} && {}",
            "{} | count() > 1",
            "{} | by(name)",
            "{} | coalesce()",
            "{} | rate()",
            "{ parent.a = 1 }",
            "{ childCount > 1 }",
            "{ traceDuration > 1s || .a = 1 }",
            "{ nestedSetParent < 0 }",
            "{ rootName = \"a\" }",
        ] {
            check(text, false);
        }
    }
}
