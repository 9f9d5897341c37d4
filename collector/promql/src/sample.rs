//! Samples, and the one bit pattern that says "this series ended here".

/// The value that marks a series as ended, bit for bit.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks a series as ended: a NaN with the bits of [`STALE_NAN_BITS`].
#[must_use]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the stale marker, which no other NaN is.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Times in milliseconds and their values, side by side, by time.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Milliseconds since 1970.
    pub times: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
}

impl Samples {
    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Adds a sample at the end.
    pub fn push(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value);
    }

    /// Removes all samples, keeping the memory.
    pub fn clear(&mut self) {
        self.times.clear();
        self.values.clear();
    }

    /// Both columns in step.
    pub fn iter(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.times.iter().copied().zip(self.values.iter().copied())
    }

    /// Puts the samples in the order of time and drops those at a time that is already
    /// taken: the first one that was pushed wins.
    pub fn sort_first_wins(&mut self) {
        if self.times.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let mut order: Vec<(i64, f64)> = self.iter().collect();
        order.sort_by_key(|(time, _)| *time);
        order.dedup_by_key(|(time, _)| *time);
        self.clear();
        order
            .into_iter()
            .for_each(|(time, value)| self.push(time, value));
    }

    /// Keeps the samples of a time range, both ends included.
    pub fn clip(&mut self, start: i64, end: i64) {
        let to = self.times.partition_point(|t| *t <= end);
        let from = self.times.partition_point(|t| *t < start).min(to);
        self.times.truncate(to);
        self.values.truncate(to);
        self.times.drain(..from);
        self.values.drain(..from);
    }
}

/// Compares bit for bit, so that a NaN equals itself and markers do not blur.
impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        let bits = |s: &Self| s.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        self.times == other.times && bits(self) == bits(other)
    }
}
