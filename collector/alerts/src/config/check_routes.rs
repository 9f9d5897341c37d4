//! The routing tree is built and checked: what is not said is inherited.

use super::Receivers;
use super::check::Check;
use super::check_intervals::Intervals;
use super::raw::{RawConfig, RawRoute};
use crate::route::{GroupBy, Route, RouteTree, matchers_key};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// How deep routes may be nested.
const DEPTH_MAX: usize = 32;

struct Building<'a> {
    receivers: &'a Receivers,
    intervals: &'a Intervals,
    routes: Vec<Route>,
    /// Keys that are taken, with the receiver: a second route gets a number.
    keys: HashSet<(String, String)>,
}

impl Check<'_> {
    pub(super) fn routes(
        &mut self,
        raw: &RawConfig,
        receivers: &Receivers,
        intervals: &Intervals,
    ) -> RouteTree {
        let Some(root) = &raw.route else {
            self.problem("route", "the key `route` is missing: it says who is told");
            return RouteTree(vec![]);
        };
        self.root(root);
        let defaults = Route {
            key: String::new(),
            matchers: vec![],
            continues: false,
            children: vec![],
            receiver: String::new(),
            group_by: GroupBy::Labels(BTreeSet::new()),
            group_wait: super::GROUP_WAIT,
            group_interval: super::GROUP_INTERVAL,
            repeat_interval: super::REPEAT_INTERVAL,
            mute: vec![],
            active: vec![],
        };
        let mut building = Building {
            receivers,
            intervals,
            routes: vec![],
            keys: HashSet::new(),
        };
        self.route("route", root, &defaults, &mut building, 0);
        RouteTree(building.routes)
    }

    fn root(&mut self, root: &RawRoute) {
        if root.receiver.as_deref().unwrap_or("").is_empty() {
            self.problem(
                "route",
                "the root route needs a `receiver` for alerts that no other route takes",
            );
        }
        if !root.matchers.is_empty() || !root.equals.is_empty() || !root.match_re.is_empty() {
            self.problem(
                "route",
                "the root route takes every alert; move its matchers to a route below",
            );
        }
        if root.continues {
            self.problem(
                "route.continue",
                "the root route has no siblings to continue with; remove `continue`",
            );
        }
        if !root.mute_time_intervals.is_empty() || !root.active_time_intervals.is_empty() {
            self.problem(
                "route",
                "the root route cannot have time intervals; move them to a route below",
            );
        }
    }

    fn route(
        &mut self,
        path: &str,
        raw: &RawRoute,
        parent: &Route,
        building: &mut Building<'_>,
        depth: usize,
    ) -> usize {
        let at = |key: &str| format!("{path}.{key}");
        let matchers = self.matchers(
            (&at("matchers"), &raw.matchers),
            (&at("match"), &raw.equals),
            (&at("match_re"), &raw.match_re),
        );
        let receiver = raw
            .receiver
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or(parent.receiver.clone());
        if raw.receiver.is_some()
            && !receiver.is_empty()
            && !building.receivers.contains_key(&receiver)
        {
            self.problem(
                &at("receiver"),
                unknown(&receiver, building.receivers.keys()),
            );
        }
        let own = matchers_key(&matchers);
        let key = if depth == 0 {
            own
        } else {
            format!("{}/{own}", parent.key)
        };
        let route = Route {
            key: building.unique(&key, &receiver),
            matchers,
            continues: raw.continues,
            children: vec![],
            receiver,
            group_by: self.group_by(&at("group_by"), raw.group_by.as_deref(), &parent.group_by),
            group_wait: self.period(
                &at("group_wait"),
                raw.group_wait.as_deref(),
                parent.group_wait,
            ),
            group_interval: self.positive(
                &at("group_interval"),
                raw.group_interval.as_deref(),
                parent.group_interval,
            ),
            repeat_interval: self.positive(
                &at("repeat_interval"),
                raw.repeat_interval.as_deref(),
                parent.repeat_interval,
            ),
            mute: self.named_intervals(
                &at("mute_time_intervals"),
                &raw.mute_time_intervals,
                building.intervals,
            ),
            active: self.named_intervals(
                &at("active_time_intervals"),
                &raw.active_time_intervals,
                building.intervals,
            ),
        };
        let number = building.routes.len();
        building.routes.push(route.clone());
        if depth >= DEPTH_MAX && !raw.routes.is_empty() {
            self.problem(
                &at("routes"),
                format!("routes are nested deeper than {DEPTH_MAX}"),
            );
            return number;
        }
        let children = raw.routes.iter().enumerate().map(|(child, raw)| {
            self.route(
                &format!("{path}.routes[{child}]"),
                raw,
                &route,
                building,
                depth + 1,
            )
        });
        building.routes[number].children = children.collect();
        number
    }

    fn positive(&mut self, path: &str, text: Option<&str>, inherited: Duration) -> Duration {
        let period = self.period(path, text, inherited);
        if period.is_zero() {
            self.problem(path, "must be longer than nothing");
            return inherited;
        }
        period
    }

    fn group_by(&mut self, path: &str, names: Option<&[String]>, inherited: &GroupBy) -> GroupBy {
        let Some(names) = names else {
            return inherited.clone();
        };
        let distinct: BTreeSet<String> = names.iter().cloned().collect();
        if distinct.len() < names.len() {
            self.problem(path, "a label is named twice");
        }
        if !distinct.contains("...") {
            if distinct.contains("") {
                self.problem(path, "a label name is empty");
            }
            return GroupBy::Labels(distinct);
        }
        if distinct.len() > 1 {
            self.problem(
                path,
                "`...` stands for all labels and cannot be named with others",
            );
        }
        GroupBy::All
    }
}

impl Building<'_> {
    fn unique(&mut self, key: &str, receiver: &str) -> String {
        let mut unique = key.to_owned();
        let mut number = 2;
        while !self.keys.insert((unique.clone(), receiver.to_owned())) {
            unique = format!("{key}#{number}");
            number += 1;
        }
        unique
    }
}

/// "No such thing", with the things there are.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<String> = known.take(10).map(|known| format!("`{known}`")).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    format!("`{name}` is not defined; defined are {known}")
}
