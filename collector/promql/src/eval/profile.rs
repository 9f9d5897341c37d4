//! What each part of an expression takes.
//!
//! Series go through the parts of an expression one at a time, so what is inside and what is
//! outside take turns. [`Profile`] keeps a stack of who is at work: time goes to the one on
//! top, from one change to the next, and what is read to whoever reads. No time counts twice.

use crate::ast::{Expr, ExprKind, Span};
use crate::format::format;
use crate::source::ReadCost;
use ahash::AHashMap;
use std::cell::RefCell;
use std::time::Duration;

/// One part of an expression, and what it took itself, without the parts below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The part, as it is written.
    pub text: String,
    /// What it is: the function, the operator or the aggregation, or what it reads.
    pub kind: String,
    /// How many parts it stands in.
    pub depth: usize,
    /// At how many times it was evaluated, over all evaluations.
    pub steps: u64,
    /// How many series it gave.
    pub series: u64,
    /// How many series it read from the store,
    pub series_read: u64,
    /// in how many chunks,
    pub chunks: u64,
    /// of how many bytes,
    pub bytes: u64,
    /// and how many samples those held in its ranges.
    pub samples: u64,
    /// How long it was at work.
    pub time: Duration,
}

/// How long ago something was: whoever asks for a profile has the clock.
pub type Clock<'c> = &'c dyn Fn() -> Duration;

/// How many parts are told apart; those behind them count for the one around them.
const NODES_MAX: usize = 1_000;
/// How much of a part's text is shown.
const TEXT_CHARS_MAX: usize = 300;

/// Measures an evaluation.
pub(crate) struct Profile<'c> {
    clock: Clock<'c>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    /// Which node stands where in the text.
    at: AHashMap<(u32, u32), usize>,
    /// Who is at work, the innermost last.
    stack: Vec<usize>,
    since: Duration,
}

impl<'c> Profile<'c> {
    pub(crate) fn new(expr: &Expr, clock: Clock<'c>) -> Self {
        let mut state = State {
            since: clock(),
            ..State::default()
        };
        state.add(expr, 0);
        Self {
            clock,
            state: RefCell::new(state),
        }
    }

    /// A part begins to work.
    pub(super) fn enter(&self, span: Span, steps: usize) {
        let mut state = self.state.borrow_mut();
        let around = state.stack.last().copied();
        let known = state.at.get(&(span.start, span.end)).copied();
        let node = known.or(around).unwrap_or(0);
        state.turn(self.clock);
        if around != Some(node)
            && let Some(node) = state.nodes.get_mut(node)
        {
            node.steps += steps as u64;
        }
        state.stack.push(node);
    }

    /// It has done its work, and gave series that were not told of yet.
    pub(super) fn leave(&self, series: usize) {
        self.gave(series);
        let mut state = self.state.borrow_mut();
        state.turn(self.clock);
        state.stack.pop();
    }

    /// It hands on series, which counts once however often it passes through its own hands.
    pub(super) fn gave(&self, series: usize) {
        let mut state = self.state.borrow_mut();
        let [.., around, node] = state.stack[..] else {
            let node = state.stack.last().copied().unwrap_or(0);
            if let Some(node) = state.nodes.get_mut(node) {
                node.series += series as u64;
            }
            return;
        };
        if around != node
            && let Some(node) = state.nodes.get_mut(node)
        {
            node.series += series as u64;
        }
    }

    /// Whoever is around the one at work goes on.
    pub(super) fn outside<T>(&self, work: impl FnOnce() -> T) -> T {
        let inner = {
            let mut state = self.state.borrow_mut();
            state.turn(self.clock);
            state.stack.pop()
        };
        let result = work();
        let mut state = self.state.borrow_mut();
        state.turn(self.clock);
        state.stack.extend(inner);
        result
    }

    /// A series was read.
    pub(super) fn read(&self, cost: ReadCost, samples: usize) {
        let mut state = self.state.borrow_mut();
        let node = state.stack.last().copied().unwrap_or(0);
        if let Some(node) = state.nodes.get_mut(node) {
            node.series_read += 1;
            node.chunks += cost.chunks;
            node.bytes += cost.bytes;
            node.samples += samples as u64;
        }
    }

    /// The parts, each before those it is made of.
    pub(crate) fn finish(self) -> Vec<Node> {
        self.state.into_inner().nodes
    }
}

impl State {
    /// Gives the time since the last turn to whoever was at work.
    fn turn(&mut self, clock: Clock<'_>) {
        let now = clock();
        let passed = now.saturating_sub(self.since);
        self.since = now;
        let node = self.stack.last().copied().unwrap_or(0);
        if let Some(node) = self.nodes.get_mut(node) {
            node.time += passed;
        }
    }

    fn add(&mut self, expr: &Expr, depth: usize) {
        if self.nodes.len() >= NODES_MAX {
            return;
        }
        let depth_below = match &expr.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::String(_) => return,
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => {
                self.add(inner, depth);
                // The same work, however it is wrapped.
                let inner = self.at.get(&(inner.span.start, inner.span.end)).copied();
                if let Some(inner) = inner {
                    self.at.insert((expr.span.start, expr.span.end), inner);
                }
                return;
            }
            _ => depth + 1,
        };
        let next = self.nodes.len();
        self.at.insert((expr.span.start, expr.span.end), next);
        self.nodes.push(Node {
            text: format(expr).chars().take(TEXT_CHARS_MAX).collect(),
            kind: kind(expr),
            depth,
            ..Node::default()
        });
        match &expr.kind {
            ExprKind::Negate(inner) => self.add(inner, depth_below),
            ExprKind::Subquery(subquery) => self.add(&subquery.expr, depth_below),
            ExprKind::Binary(b) => {
                self.add(&b.lhs, depth_below);
                self.add(&b.rhs, depth_below);
            }
            ExprKind::Aggregate(a) => {
                a.param
                    .iter()
                    .for_each(|param| self.add(param, depth_below));
                self.add(&a.expr, depth_below);
            }
            ExprKind::Call { args, .. } => {
                args.iter().for_each(|arg| self.add(arg, depth_below));
            }
            _ => {}
        }
    }
}

fn kind(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Selector(_) => "selector".into(),
        ExprKind::Matrix(..) => "range".into(),
        ExprKind::Subquery(_) => "subquery".into(),
        ExprKind::Binary(b) => b.op.as_str().into(),
        ExprKind::Aggregate(a) => a.op.as_str().into(),
        ExprKind::Call { function, .. } => function.name.into(),
        _ => "negation".into(),
    }
}
