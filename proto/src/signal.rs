//! What kind of telemetry a record is, and the journal partition it travels in.

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Signal {
    /// Log records: payloads are `ExportLogsServiceRequest`.
    Logs = 1,
    /// Spans: payloads are `ExportTraceServiceRequest`.
    Spans = 2,
    /// Metrics: payloads are `ExportMetricsServiceRequest`, or what [`crate::Format`] says.
    Metrics = 3,
}

impl Signal {
    /// Every signal, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Spans, Self::Metrics];

    /// The word used in directories, topics, labels and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Metrics => "metrics",
        }
    }

    /// The signal of a number written by `signal as u8`.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s as u8 == n)
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One ordered sequence of entries in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// What the partition's entries carry.
    pub signal: Signal,
    /// Which of the signal's partitions it is, counted from 0.
    pub number: u32,
}

impl Partition {
    /// The first, and on one machine the only, partition of a signal.
    #[must_use]
    pub fn first(signal: Signal) -> Self {
        Self { signal, number: 0 }
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.signal, self.number)
    }
}
