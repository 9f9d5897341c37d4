//! What an order leads to, by its number: which services take part, and how each ends.

use std::collections::BTreeSet;

/// What is asked, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// The frontend is to place an order.
    Place,
    /// The frontend is asked for a cart.
    Browse,
    /// The cart is asked directly.
    Look,
}

/// The kind of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
    Internal,
}

/// The status of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Unset,
    Error,
}

/// Within which span of its trace a span happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    Root,
    Of(usize),
    /// Within one that is not there.
    Lost,
}

/// A span, as it is planned and as it is found.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) service: String,
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) parent: Parent,
    /// How long it took; of one that is planned 0.
    pub(super) nanos: u64,
}

impl Outcome {
    /// As in RED.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Unset => "STATUS_CODE_UNSET",
            Self::Error => "STATUS_CODE_ERROR",
        }
    }
}

/// The operation that a number stands for.
pub(super) fn operation(number: u32) -> Operation {
    match number % 8 {
        3 | 7 => Operation::Browse,
        5 => Operation::Look,
        _ => Operation::Place,
    }
}

/// The status of the answer.
///
/// | number ends with | what happens |
/// |---|---|
/// | 3 | there is no such cart: an error of who asked for it |
/// | 5 | the card is refused: an exception within payment, which answers as it should |
/// | 6 | the cart breaks |
/// | 7 | shipping has no courier |
/// | 9 | the bank is slow |
pub(super) fn status(number: u32) -> u16 {
    match (number % 10, operation(number)) {
        (3, _) => 404,
        (5, Operation::Place) => 402,
        (6, _) => 500,
        (7, Operation::Place) => 503,
        _ => 200,
    }
}

/// The spans of an order, parents first.
pub(super) fn spans(number: u32) -> Vec<Span> {
    match operation(number) {
        Operation::Place => place(number % 10),
        Operation::Browse => browse(number % 10),
        Operation::Look => vec![cart(number % 10, Parent::Root)],
    }
}

/// A span that fails where the order's number ends with one of some digits.
fn span(
    digit: u32,
    (service, role, name): (&str, Role, &str),
    parent: Parent,
    fails: &[u32],
) -> Span {
    Span {
        service: service.into(),
        role,
        name: name.into(),
        outcome: match fails.contains(&digit) {
            true => Outcome::Error,
            false => Outcome::Unset,
        },
        parent,
        nanos: 0,
    }
}

fn cart(digit: u32, parent: Parent) -> Span {
    let what = ("cart", Role::Server, "GET /carts/<int:number>");
    span(digit, what, parent, &[6])
}

fn browse(digit: u32) -> Vec<Span> {
    use Role::{Client, Internal, Server};
    let of = |service, role, name, parent, fails: &[u32]| {
        span(digit, (service, role, name), parent, fails)
    };
    vec![
        of("frontend", Server, "GET /carts/:number", Parent::Root, &[6]),
        of("frontend", Internal, "request handler", Parent::Of(0), &[]),
        of("frontend", Client, "GET", Parent::Of(1), &[3, 6]),
        cart(digit, Parent::Of(2)),
    ]
}

/// That a cart is not there or a card is refused is an error of who asks for it; of who answers
/// it is none, in HTTP (404) as in gRPC (`NOT_FOUND`, `FAILED_PRECONDITION`).
fn place(digit: u32) -> Vec<Span> {
    use Parent::{Of, Root};
    use Role::{Client, Internal, Server};
    let of = |service, role, name, parent, fails: &[u32]| {
        span(digit, (service, role, name), parent, fails)
    };
    let (place, charge) = ("shop.Checkout/Place", "shop.Payment/Charge");
    let asked = "grpc.shop.Checkout/Place";
    let mut all = vec![
        of("frontend", Server, "POST /orders/:number", Root, &[6, 7]),
        of("frontend", Internal, "request handler", Of(0), &[]),
        of("frontend", Client, asked, Of(1), &[3, 5, 6, 7]),
        of("checkout", Server, place, Of(2), &[6, 7]),
        of("checkout", Client, "HTTP GET", Of(3), &[3, 6]),
        cart(digit, Of(4)),
    ];
    if ![3, 6].contains(&digit) {
        all.extend([
            of("checkout", Client, charge, Of(3), &[5, 7]),
            of("payment", Server, charge, Of(6), &[7]),
            of("payment", Internal, "charge card", Of(7), &[5]),
        ]);
    }
    if ![3, 5, 6].contains(&digit) {
        all.extend([
            of("payment", Client, "POST /parcels", Of(7), &[7]),
            of("shipping", Server, "POST /parcels", Of(9), &[7]),
        ]);
    }
    all
}

/// The spans of a trace as they are compared: each with the one that it happens within. No two
/// of a trace are the same.
pub(super) fn shapes(spans: &[Span]) -> BTreeSet<(String, String)> {
    let words = |span: &Span| {
        let (role, outcome) = (span.role, span.outcome);
        format!("{} {role:?} {} {outcome:?}", span.service, span.name)
    };
    let shape = |span: &Span| {
        let parent = match span.parent {
            Parent::Of(parent) => words(&spans[parent]),
            other => format!("{other:?}"),
        };
        (words(span), parent)
    };
    spans.iter().map(shape).collect()
}
