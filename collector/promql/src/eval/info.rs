//! `info()`: labels of info metrics (`target_info`) beside the series they belong to.
//!
//! An info series belongs to a series with the same `instance` and `job`. Of several of one
//! name the newest counts; so a change of its other labels is no conflict.

use super::stream::Take;
use super::{Column, Engine, Grid, is_absent};
use crate::ast::{Edges, Expr, ExprKind, Selector, When};
use crate::source::{Source, Stop};
use ahash::{AHashMap, AHashSet};
use sonde_proto::{Labels, METRIC_NAME, MatchOp, Matcher};
use std::collections::hash_map::Entry;

/// By these a series and an info series belong together.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info metric where none is named.
const DEFAULT: &str = "target_info";

/// What names of info metrics look like, where a matcher only says what they are not.
const ANY_INFO: &str = ".+_info";

/// What the second argument asks for.
struct Wanted {
    /// Which info metrics.
    names: Vec<Matcher>,
    /// Whether it says which.
    is_named: bool,
    /// Which of their labels; all where there are none.
    data: Vec<Matcher>,
}

/// Info series of one name with the same identifying labels. Their values are the times of
/// their samples, in milliseconds.
type Groups = AHashMap<[String; 2], Vec<(String, Vec<Column>)>>;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn info(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Column>, Stop> {
        let wanted = Wanted::new(args.get(1))?;
        let columns = self.vector(&args[0], grid)?;
        let (info, base): (Vec<Column>, Vec<Column>) = columns
            .into_iter()
            .partition(|column| wanted.is_info(&column.labels));
        let groups = self.info_series(&wanted, &base, grid)?;
        let mut results = info;
        for column in base {
            self.work(grid.len as u64)?;
            let infos = groups.get(&identity(&column.labels));
            self.enriched(
                &column,
                infos.map_or(&[], Vec::as_slice),
                &wanted,
                &mut results,
            )?;
        }
        self.merge_same(results)
    }

    /// The info series that may belong to any of the series.
    fn info_series(&self, wanted: &Wanted, base: &[Column], grid: &Grid) -> Result<Groups, Stop> {
        let mut groups = Groups::new();
        let known: AHashSet<[String; 2]> = base.iter().map(|c| identity(&c.labels)).collect();
        if known.iter().all(|id| id.iter().all(String::is_empty)) {
            return Ok(groups);
        }
        let mut matchers = wanted.names.clone();
        matchers.extend(wanted.data.iter().cloned());
        if known.len() == 1 {
            let values = known.iter().flatten();
            for (name, value) in IDENTIFYING.into_iter().zip(values) {
                matchers.extend(Matcher::new(name, MatchOp::Equal, value));
            }
        }
        let selector = Selector {
            name: None,
            matchers,
            when: When::default(),
            edges: Edges::Plain,
        };
        self.select(
            &selector,
            grid,
            Take::Time(|time| time as f64),
            &mut |column| {
                let id = identity(&column.labels);
                if !known.contains(&id) {
                    return Ok(());
                }
                self.keep_column(&column)?;
                let name = column.labels.get(METRIC_NAME).to_owned();
                let names = match groups.entry(id) {
                    Entry::Occupied(names) => names.into_mut(),
                    Entry::Vacant(place) => place.insert(Vec::new()),
                };
                match names.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, same)) => same.push(column),
                    None => names.push((name, vec![column])),
                }
                Ok(())
            },
        )?;
        for names in groups.values_mut() {
            names.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Ok(groups)
    }

    /// One series with the labels of what belongs to it at each step: one column for each
    /// label set that this gives.
    fn enriched(
        &self,
        base: &Column,
        infos: &[(String, Vec<Column>)],
        wanted: &Wanted,
        results: &mut Vec<Column>,
    ) -> Result<(), Stop> {
        let mut by_choice: AHashMap<Vec<Option<usize>>, Option<usize>> = AHashMap::new();
        let count: usize = infos.iter().map(|(_, same)| same.len()).sum();
        for step in (0..base.values.len()).filter(|step| base.is_present(*step)) {
            self.work(1 + count as u64)?;
            let choice = infos
                .iter()
                .map(|(_, same)| newest(same, step))
                .collect::<Result<Vec<_>, _>>()?;
            let place = match by_choice.entry(choice) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(place) => {
                    let chosen = infos.iter().zip(place.key());
                    let chosen = chosen.filter_map(|((_, same), n)| n.map(|n| &same[n].labels));
                    let labels = wanted.joined(&base.labels, chosen)?;
                    let at = match labels {
                        Some(labels) => {
                            self.keep_subset(&labels)?;
                            self.keep_values(base.values.len())?;
                            let values = vec![super::ABSENT; base.values.len()];
                            results.push(Column::of_floats(labels, values));
                            Some(results.len() - 1)
                        }
                        None => None,
                    };
                    *place.insert(at)
                }
            };
            if let Some(at) = place {
                results[at].values[step] = base.values[step];
                if let Some(histogram) = base.histograms.get(step) {
                    results[at].histograms.push(step, histogram.clone());
                }
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn new(selector: Option<&Expr>) -> Result<Self, Stop> {
        let matchers = match selector.map(|selector| &selector.kind) {
            Some(ExprKind::Selector(selector)) => selector.matchers.clone(),
            Some(_) => return Err(super::mistyped("label selector")),
            None => Vec::new(),
        };
        let is_name = |m: &Matcher| m.name == METRIC_NAME;
        let (mut names, data): (Vec<_>, Vec<_>) = matchers.into_iter().partition(is_name);
        let is_named = selector.is_none() || !names.is_empty();
        let implied = if names.is_empty() {
            Matcher::new(METRIC_NAME, MatchOp::Equal, DEFAULT).ok()
        } else if names
            .iter()
            .all(|m| matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex))
        {
            Matcher::new(METRIC_NAME, MatchOp::Regex, ANY_INFO).ok()
        } else {
            None
        };
        names.extend(implied);
        Ok(Self {
            names,
            is_named,
            data,
        })
    }

    /// Whether a series is itself one of the info series, which stay as they are.
    fn is_info(&self, labels: &Labels) -> bool {
        self.is_named && self.names.iter().all(|m| m.matches_labels(labels))
    }

    /// A series' labels with those of the info series that belong to it; `None` where it is
    /// asked for what is not there.
    fn joined<'l>(
        &self,
        base: &Labels,
        infos: impl Iterator<Item = &'l Labels>,
    ) -> Result<Option<Labels>, Stop> {
        let mut builder = base.to_builder();
        let mut added: AHashMap<&str, &str> = AHashMap::new();
        let mut found = false;
        for labels in infos {
            found = true;
            for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
                let asked = self.data.is_empty() || self.data.iter().any(|m| m.name == name);
                if !asked {
                    continue;
                }
                if added
                    .insert(name, value)
                    .is_some_and(|other| other != value)
                {
                    return Err(Stop::Expression(format!("conflicting label: {name}")));
                }
                if base.get(name).is_empty() {
                    builder.set(name, value);
                }
            }
        }
        let may_be_without = self.data.iter().all(|m| m.matches(""));
        Ok((found || may_be_without).then(|| builder.build()))
    }
}

fn identity(labels: &Labels) -> [String; 2] {
    IDENTIFYING.map(|name| labels.get(name).to_owned())
}

/// The series with the newest sample at a step.
fn newest(same: &[Column], step: usize) -> Result<Option<usize>, Stop> {
    let mut best: Option<(usize, f64)> = None;
    for (n, column) in same.iter().enumerate() {
        let time = column.values[step];
        if is_absent(time) {
            continue;
        }
        match best {
            Some((_, newest)) if newest > time => {}
            Some((other, newest)) if newest == time => {
                return Err(Stop::Expression(format!(
                    "found duplicate series for info metric: existing {} @ {newest}, new {} @ {time}",
                    same[other].labels, column.labels
                )));
            }
            _ => best = Some((n, time)),
        }
    }
    Ok(best.map(|(n, _)| n))
}
