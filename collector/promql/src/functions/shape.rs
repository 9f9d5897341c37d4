//! Functions over the vector as a whole, or over nothing: their names and arguments. How
//! they are computed is in `eval::shape`.

use super::{Function, Shape, shaped};
use crate::ast::Type;

pub(crate) const TABLE: &[Function] = &[
    shaped("absent", Type::Vector, &[Type::Vector], Shape::Absent),
    shaped(
        "absent_over_time",
        Type::Vector,
        &[Type::Matrix],
        Shape::AbsentOverTime,
    ),
    shaped("scalar", Type::Scalar, &[Type::Vector], Shape::Scalar),
    shaped("sort", Type::Vector, &[Type::Vector], Shape::Sort),
    shaped("sort_desc", Type::Vector, &[Type::Vector], Shape::SortDesc),
    Function {
        repeats: usize::MAX,
        experimental: true,
        optional: 1,
        ..shaped(
            "sort_by_label",
            Type::Vector,
            &[Type::Vector, Type::String],
            Shape::SortByLabel,
        )
    },
    Function {
        repeats: usize::MAX,
        experimental: true,
        optional: 1,
        ..shaped(
            "sort_by_label_desc",
            Type::Vector,
            &[Type::Vector, Type::String],
            Shape::SortByLabelDesc,
        )
    },
    Function {
        optional: 1,
        experimental: true,
        ..shaped(
            "info",
            Type::Vector,
            &[Type::Vector, Type::Vector],
            Shape::Info,
        )
    },
    of_query("start", Shape::Start),
    of_query("end", Shape::End),
    of_query("range", Shape::Range),
    of_query("step", Shape::Step),
    of_scalars("min_of", Shape::MinOf),
    of_scalars("max_of", Shape::MaxOf),
    shaped("time", Type::Scalar, &[], Shape::Time),
    Function {
        experimental: true,
        ..shaped(
            "start_timestamp",
            Type::Vector,
            &[Type::Vector],
            Shape::StartTimestamp,
        )
    },
    shaped("timestamp", Type::Vector, &[Type::Vector], Shape::Timestamp),
    shaped("vector", Type::Vector, &[Type::Scalar], Shape::Vector),
];

/// What the query was asked for.
const fn of_query(name: &'static str, shape: Shape) -> Function {
    Function {
        experimental: true,
        ..shaped(name, Type::Scalar, &[], shape)
    }
}

const fn of_scalars(name: &'static str, shape: Shape) -> Function {
    Function {
        experimental: true,
        ..shaped(name, Type::Scalar, &[Type::Scalar, Type::Scalar], shape)
    }
}
