//! Bits, most significant first.

/// The bytes do not hold what their length promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunk ends before its last sample or holds an impossible number")]
pub(crate) struct Damaged;

/// Writes bits through a 64-bit register.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    register: u64,
    used: u32,
}

impl BitWriter {
    /// Appends the lowest `count` (at most 64) bits of `value`.
    pub(crate) fn write(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        let value = value & (u64::MAX >> (64 - count));
        let free = 64 - self.used;
        if count < free {
            self.register |= value << (free - count);
            self.used += count;
            return;
        }
        let rest = count - free;
        self.register |= value >> rest;
        self.make_room();
        self.bytes.extend_from_slice(&self.register.to_be_bytes());
        self.register = if rest == 0 { 0 } else { value << (64 - rest) };
        self.used = rest;
    }

    /// Grows by little at a time: there are as many of these as there are series.
    fn make_room(&mut self) {
        if self.bytes.capacity() - self.bytes.len() < 8 {
            let more = (self.bytes.len() / 4).next_multiple_of(16).max(16);
            // What the allocator gives is a multiple of 16 and eight more.
            let more = if self.bytes.is_empty() { 24 } else { more };
            self.bytes.reserve_exact(more);
        }
    }

    /// The first 64 bits, once there are more.
    pub(crate) fn first_word(&self) -> u64 {
        let first = self.bytes.first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first)
    }

    /// How many bytes the bits take.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.used.div_ceil(8) as usize
    }

    /// How many bytes are allocated.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// All bits so far, the last byte filled with zeros.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(&self.register.to_be_bytes()[..self.used.div_ceil(8) as usize]);
        out
    }
}

/// Reads bits.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` (at most 64) bits.
    pub(crate) fn read(&mut self, count: u32) -> Result<u64, Damaged> {
        if count == 0 {
            return Ok(0);
        }
        let end = self.at + count as usize;
        if end > self.bytes.len() * 8 {
            return Err(Damaged);
        }
        let (byte, skip) = (self.at / 8, (self.at % 8) as u32);
        self.at = end;
        let word = self.word(byte) << skip;
        let have = 64 - skip;
        if count <= have {
            return Ok(word >> (64 - count));
        }
        let rest = count - have;
        let next = u64::from(self.bytes[byte + 8]);
        Ok((word >> (64 - count)) | (next >> (8 - rest)))
    }

    /// The next bit.
    pub(crate) fn bit(&mut self) -> Result<bool, Damaged> {
        let byte = self.bytes.get(self.at / 8).ok_or(Damaged)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Eight bytes from `byte` on; zeros follow the end.
    fn word(&self, byte: usize) -> u64 {
        let mut word = [0; 8];
        if let Some(whole) = self.bytes.get(byte..byte + 8) {
            word.copy_from_slice(whole);
        } else {
            let tail = &self.bytes[byte..];
            word[..tail.len()].copy_from_slice(tail);
        }
        u64::from_be_bytes(word)
    }
}

/// Small magnitudes of either sign as small numbers.
pub(crate) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Writes a difference of differences of times: `0`, or a prefix and 7, 12, 20 or 64 bits.
pub(crate) fn write_time(out: &mut BitWriter, difference: i64) {
    let n = zigzag(difference);
    match 64 - n.leading_zeros() {
        0 => out.write(0, 1),
        1..=7 => out.write(0b10 << 7 | n, 9),
        8..=12 => out.write(0b110 << 12 | n, 15),
        13..=20 => out.write(0b1110 << 20 | n, 24),
        _ => {
            out.write(0b1111, 4);
            out.write(n, 64);
        }
    }
}

/// Reads what [`write_time`] wrote.
pub(crate) fn read_time(bits: &mut BitReader<'_>) -> Result<i64, Damaged> {
    if !bits.bit()? {
        return Ok(0);
    }
    let width = if !bits.bit()? {
        7
    } else if !bits.bit()? {
        12
    } else if !bits.bit()? {
        20
    } else {
        64
    };
    Ok(unzigzag(bits.read(width)?))
}

/// The running state of XOR-encoded values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xor {
    previous: u64,
    leading: u32,
    trailing: u32,
}

impl Xor {
    /// Starts after the first value, which is kept as it is.
    pub(crate) fn after(first: f64) -> Self {
        Self {
            previous: first.to_bits(),
            leading: u32::MAX,
            trailing: 0,
        }
    }

    /// Writes the next value.
    pub(crate) fn write(&mut self, out: &mut BitWriter, value: f64) {
        let xor = self.previous ^ value.to_bits();
        self.previous = value.to_bits();
        if xor == 0 {
            return out.write(0, 1);
        }
        let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
        if self.leading != u32::MAX && leading >= self.leading && trailing >= self.trailing {
            out.write(0b10, 2);
            return out.write(xor >> self.trailing, 64 - self.leading - self.trailing);
        }
        let width = 64 - leading - trailing;
        (self.leading, self.trailing) = (leading, trailing);
        out.write(
            0b11 << 11 | u64::from(leading) << 6 | u64::from(width & 63),
            13,
        );
        out.write(xor >> trailing, width);
    }

    /// Reads the next value.
    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>) -> Result<f64, Damaged> {
        if !bits.bit()? {
            return Ok(f64::from_bits(self.previous));
        }
        if bits.bit()? {
            let head = bits.read(11)? as u32;
            let width = if head & 63 == 0 { 64 } else { head & 63 };
            self.leading = head >> 6;
            self.trailing = 64u32.checked_sub(self.leading + width).ok_or(Damaged)?;
        } else if self.leading == u32::MAX {
            return Err(Damaged);
        }
        let xor = bits.read(64 - self.leading - self.trailing)? << self.trailing;
        self.previous ^= xor;
        Ok(f64::from_bits(self.previous))
    }
}
