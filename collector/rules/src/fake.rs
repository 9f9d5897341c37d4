//! For tests: a store that answers what it was told to, and engines made of a few lines.

use crate::engine::{Engine, EngineConfig, Evaluation};
use crate::file::{RuleFile, read};
use crate::query::{ExprError, Query, RuleSample, Sample};
use prometheus_client::registry::Registry;
use sonde_proto::{Labels, SampleValue, UnixNanos};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A store with an answer for each expression; none is an empty answer.
#[derive(Default)]
pub(crate) struct Store {
    answers: RefCell<HashMap<String, Result<Vec<Sample>, String>>>,
    pub(crate) asked: RefCell<Vec<(String, UnixNanos)>>,
    /// How much time passes with each query.
    pub(crate) takes: Cell<Duration>,
    elapsed: Cell<Duration>,
}

impl Store {
    pub(crate) fn set(&self, expr: &str, samples: &[(&[(&str, &str)], f64)]) {
        let samples = samples.iter().map(|(pairs, value)| Sample {
            labels: labels(pairs),
            value: SampleValue::Float(*value),
        });
        self.answer(expr, samples.collect());
    }

    pub(crate) fn answer(&self, expr: &str, samples: Vec<Sample>) {
        self.answers.borrow_mut().insert(expr.into(), Ok(samples));
    }

    pub(crate) fn fail(&self, expr: &str, why: &str) {
        self.answers
            .borrow_mut()
            .insert(expr.into(), Err(why.into()));
    }
}

impl Query for Store {
    fn instant(&self, expr: &str, time: UnixNanos) -> Result<Vec<Sample>, String> {
        self.elapsed.set(self.elapsed.get() + self.takes.get());
        self.asked.borrow_mut().push((expr.into(), time));
        let answers = self.answers.borrow();
        answers.get(expr).cloned().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn check(&self, expr: &str) -> Result<(), ExprError> {
        any(expr)
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }
}

/// Takes every expression that does not end with an operator.
pub(crate) fn any(expr: &str) -> Result<(), ExprError> {
    match expr.strip_suffix('+') {
        None => Ok(()),
        Some(before) => {
            let last_line = before.rsplit('\n').next().unwrap_or_default();
            Err(ExprError {
                message: "nothing follows the operator".into(),
                line: before.matches('\n').count() + 1,
                column: last_line.chars().count() + 1,
            })
        }
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

pub(crate) fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_secs(seconds)
}

pub(crate) fn file(text: &str) -> RuleFile {
    read("f.yaml", text, &any).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn engine(text: &str) -> Engine {
    engine_with(text, &EngineConfig::default())
}

pub(crate) fn engine_with(text: &str, config: &EngineConfig) -> Engine {
    Engine::new(vec![file(text)], config, &mut Registry::default())
}

/// The engine after a restart, with rules that may have been edited.
pub(crate) fn restarted(engine: &Engine, text: &str) -> Engine {
    let mut next = self::engine(text);
    next.restore(&engine.state()).unwrap();
    next
}

/// Evaluates at the next slot. Returns its time and what came out.
pub(crate) fn evaluate(
    engine: &mut Engine,
    store: &Store,
    not_before: UnixNanos,
) -> (UnixNanos, Evaluation) {
    let mut now = engine.next_due(not_before).max(not_before);
    if engine.groups.iter().all(|group| group.last.is_none()) {
        start(engine, now);
        now = engine.next_due(now);
    }
    (now, evaluate_due(engine, now, store))
}

/// Evaluates every group that is due.
pub(crate) fn evaluate_due(engine: &mut Engine, now: UnixNanos, store: &Store) -> Evaluation {
    let mut all = Evaluation::default();
    while let Some(evaluation) = engine.evaluate_next(now, store) {
        all.samples.extend(evaluation.samples);
        all.alerts.extend(evaluation.alerts);
    }
    all
}

/// Starts the schedules of an engine; nothing is evaluated.
pub(crate) fn start(engine: &mut Engine, now: UnixNanos) {
    let store = Store::default();
    assert_eq!(engine.evaluate_next(now, &store), None);
    assert!(store.asked.borrow().is_empty());
}

/// Samples as texts: `{labels} value`, or `{labels} stale`.
pub(crate) fn texts(samples: &[RuleSample]) -> Vec<String> {
    let text = |sample: &RuleSample| {
        let value = match is_stale(sample) {
            true => "stale".into(),
            false => match &sample.value {
                SampleValue::Float(value) => value.to_string(),
                SampleValue::Histogram(histogram) => format!("histogram of {}", histogram.count),
            },
        };
        format!("{} {value}", sample.labels)
    };
    samples.iter().map(text).collect()
}

pub(crate) fn is_stale(sample: &RuleSample) -> bool {
    matches!(sample.value, SampleValue::Float(value) if value.to_bits() == 0x7ff0_0000_0000_0002)
}

/// Which series a store would show after having taken these samples too.
pub(crate) fn show(alive: &mut BTreeSet<Labels>, samples: &[RuleSample]) {
    for sample in samples {
        if is_stale(sample) {
            alive.remove(&sample.labels);
        } else {
            alive.insert(sample.labels.clone());
        }
    }
}
