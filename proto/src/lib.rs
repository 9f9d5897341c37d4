//! The words both programs share. No I/O happens here.
//!
//! Read in the order of a record's life: whose it is ([`Tenant`]), what it is ([`Signal`]),
//! what it looks like on the wire ([`otlp`], [`remote_write`], [`snappy`], [`walk`]), where it
//! was written ([`Entry`], [`Position`]), what it is called ([`semconv`], [`Labels`],
//! [`Matcher`], [`re2`]), what was counted ([`Histogram`]), and how long an answer about it is
//! worth waiting for ([`Deadline`]).

mod deadline;
mod tenant;
mod signal;
mod entry;
mod id;
mod labels;
mod matcher;
mod histogram;
mod time;
mod secret;

pub mod otlp;
pub mod period;
pub mod re2;
pub mod remote_write;
pub mod scrape;
pub mod semconv;
pub mod snappy;
pub mod walk;

pub use deadline::{Deadline, GiveUp};
pub use entry::{Entry, Format, Position};
pub use histogram::{
    BucketSpan, Buckets, CUSTOM_SCHEMA, Histogram, HistogramError, ResetHint, SampleValue,
};
pub use id::{IdError, SpanId, TraceId};
pub use labels::{Fingerprint, Labels, LabelsBuilder, METRIC_NAME};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use secret::{HIDDEN, Secret};
pub use signal::{Partition, Signal};
pub use tenant::{Tenant, TenantError};
pub use time::{Clock, ManualClock, SystemClock, UnixNanos};
