//! The chunk that a series appends to, and the same chunk once it is full.
//!
//! One bit stream: the first time and value as 64 bits each, then for each sample the
//! difference of time differences and the XOR-encoded value.

use super::bits::{BitReader, BitWriter, Damaged, Xor, read_time, write_time};
use crate::Samples;
use std::sync::Arc;

/// How many samples a chunk takes before the next one is begun.
pub(crate) const SAMPLES_MAX: u16 = 120;

/// A chunk under construction. Times only rise.
#[derive(Clone, Debug)]
pub(crate) struct OpenChunk {
    bits: BitWriter,
    count: u16,
    last: i64,
    delta: i64,
    xor: Xor,
}

/// A finished chunk, shared with the queries that read it.
#[derive(Clone, Debug)]
pub(crate) struct ClosedChunk {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u16,
    pub(crate) bytes: Arc<[u8]>,
}

impl OpenChunk {
    /// Begins a chunk with its first sample.
    pub(crate) fn begin(time: i64, value: f64) -> Self {
        let mut bits = BitWriter::default();
        bits.write(time as u64, 64);
        bits.write(value.to_bits(), 64);
        Self {
            bits,
            count: 1,
            last: time,
            delta: 0,
            xor: Xor::after(value),
        }
    }

    /// Appends a sample, whose time must be after the last one.
    pub(crate) fn push(&mut self, time: i64, value: f64) {
        let delta = time.wrapping_sub(self.last);
        write_time(&mut self.bits, delta.wrapping_sub(self.delta));
        self.xor.write(&mut self.bits, value);
        (self.last, self.delta) = (time, delta);
        self.count += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= SAMPLES_MAX
    }

    /// How many bytes of memory the samples take.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.capacity()
    }

    pub(crate) fn first(&self) -> i64 {
        self.bits.first_word() as i64
    }

    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// The chunk as it is now.
    pub(crate) fn close(&self) -> ClosedChunk {
        ClosedChunk {
            first: self.first(),
            last: self.last,
            count: self.count,
            bytes: self.bits.to_bytes().into(),
        }
    }
}

impl ClosedChunk {
    /// Appends the chunk's samples to `out`.
    pub(crate) fn read(&self, out: &mut Samples) -> Result<(), Damaged> {
        let mut bits = BitReader::new(&self.bytes);
        let mut time = bits.read(64)? as i64;
        let first = f64::from_bits(bits.read(64)?);
        let (mut delta, mut xor) = (0i64, Xor::after(first));
        out.push(time, first);
        for _ in 1..self.count {
            delta = delta.wrapping_add(read_time(&mut bits)?);
            time = time.wrapping_add(delta);
            out.push(time, xor.read(&mut bits)?);
        }
        Ok(())
    }
}
