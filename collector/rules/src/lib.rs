//! Prometheus rule files: recording and alerting.
