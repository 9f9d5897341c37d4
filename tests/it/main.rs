//! End to end: real processes of `sonde`, real clients, real files, one module a promise.
//!
//! What a test needs beside the binary is installed by `tests/setup`. Where it is missing,
//! the test says `skipped: why`; with `CI=true` it fails instead.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod tools;
mod websocket;

mod bad_input;
mod command;
mod compare;
mod command_logs;
mod command_follow;
mod dashboards;
mod delivery;
mod demo;
mod deploy;
mod loki;
mod loki_clients;
mod jaeger_grafana;
mod loki_grafana;
mod metrics_kill;
mod notify;
mod prometheus_api;
mod prometheus_differential;
mod prometheus_grafana;
mod prometheus_remote_write;
mod push;
mod sampling;
mod scrape;
mod scrape_native;
mod scrape_tls;
mod sdk;
mod series_limits;
mod signals;
mod tempo_grafana;
mod trace_requests;
mod use_cadvisor;
mod sdk_names;
mod shop;
