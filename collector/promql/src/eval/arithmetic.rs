//! One operator on two numbers.

use crate::ast::BinaryOp;

/// What an operator does to two numbers. A comparison gives 1 or 0.
pub(crate) fn scalar(op: BinaryOp, l: f64, r: f64) -> f64 {
    match op {
        BinaryOp::Add => l + r,
        BinaryOp::Sub => l - r,
        BinaryOp::Mul => l * r,
        BinaryOp::Div => l / r,
        BinaryOp::Mod => l % r,
        BinaryOp::Pow => l.powf(r),
        BinaryOp::Atan2 => l.atan2(r),
        BinaryOp::Equal => f64::from(l == r),
        BinaryOp::NotEqual => f64::from(l != r),
        BinaryOp::Greater => f64::from(l > r),
        BinaryOp::Less => f64::from(l < r),
        BinaryOp::GreaterEqual => f64::from(l >= r),
        BinaryOp::LessEqual => f64::from(l <= r),
        // Nothing comes of trimming a number, and the parser lets no set operator see any.
        BinaryOp::TrimUpper
        | BinaryOp::TrimLower
        | BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::Unless => f64::NAN,
    }
}
