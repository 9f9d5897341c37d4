//! A template as it is executed.

use crate::error::Place;
use crate::value::Value;
use std::sync::Arc;

/// One thing after another.
pub(crate) type Body = Vec<Node>;

/// A text or an action.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    /// `{{pipe}}`
    Action(Pipe),
    /// `{{if pipe}} then {{else}} otherwise {{end}}`
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{template "name" pipe}}`
    Template {
        name: String,
        pipe: Option<Pipe>,
        place: Place,
    },
    Break,
    Continue,
}

/// The parts of `if`, `with` and `range`.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) then: Body,
    pub(crate) otherwise: Option<Body>,
}

/// `$a, $b := command | command`
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) variables: Vec<String>,
    /// Whether the variables exist and are only set.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
    pub(crate) place: Place,
}

/// `printf "%d" .Count`
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) operands: Vec<Operand>,
}

/// One word of a command.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) kind: OperandKind,
    pub(crate) place: Place,
}

/// What a word of a command is.
#[derive(Clone, Debug)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    /// A constant.
    Constant(Value),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`
    Variable(String, Vec<String>),
    /// `(pipe).A.B` or `function.A.B`
    Chain(Box<Operand>, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
}

/// A named template.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The name of the text it stands in, for messages.
    pub(crate) text: Arc<str>,
    pub(crate) body: Body,
}

impl Definition {
    /// Whether it yields nothing: such a one does not replace another of its name.
    pub(crate) fn is_empty(&self) -> bool {
        self.body
            .iter()
            .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
    }
}
