//! The time-series database and PromQL.
