//! Whole numbers of a fixed width in bits, one after the other, lowest bit first.

/// The widest number that one read of eight bytes can hold at any bit offset.
const WIDTH_MAX: u8 = 56;

/// The bits that hold every number up to `max`: at most 56, or all 64.
pub(crate) const fn width_of(max: u64) -> u8 {
    let width = (u64::BITS - max.leading_zeros()) as u8;
    if width > WIDTH_MAX { 64 } else { width }
}

/// The bytes of `count` numbers.
pub(crate) const fn bytes_of(count: usize, width: u8) -> usize {
    count.saturating_mul(width as usize).div_ceil(8)
}

/// Appends numbers of which none needs more bits than `width`.
pub(crate) fn pack(numbers: impl Iterator<Item = u64>, width: u8, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut held, mut bits) = (0_u64, 0_u32);
    let width = u32::from(width);
    out.reserve(bytes_of(numbers.size_hint().0, width as u8));
    for number in numbers {
        held |= number << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&held.to_le_bytes());
            bits -= 64;
            // What of the number had no room; nothing where it ended with the eight bytes.
            held = number.checked_shr(width - bits).unwrap_or(0);
        }
    }
    let left = bits.div_ceil(8) as usize;
    out.extend_from_slice(&held.to_le_bytes()[..left]);
}

/// Numbers as they were packed, each read where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    bytes: &'a [u8],
    width: u8,
}

impl<'a> Packed<'a> {
    /// `None` when `bytes` are not those of `count` numbers of that width.
    pub(crate) fn new(bytes: &'a [u8], count: usize, width: u8) -> Option<Self> {
        let valid = (width <= WIDTH_MAX || width == 64) && bytes.len() == bytes_of(count, width);
        valid.then_some(Self { bytes, width })
    }

    /// The largest number of this width.
    fn mask(&self) -> u64 {
        match self.width {
            64 => u64::MAX,
            width => (1 << width) - 1,
        }
    }

    /// Number `at`; 0 beyond the end.
    pub(crate) fn get(&self, at: usize) -> u64 {
        let bit = at * usize::from(self.width);
        let byte = bit / 8;
        let word = match self.bytes.get(byte..byte + 8) {
            Some(word) => word.try_into().map_or(0, u64::from_le_bytes),
            None => self.last(byte),
        };
        (word >> (bit % 8)) & self.mask()
    }

    /// Makes `into` the first `count` numbers, zeros beyond the end; whether their width is one
    /// of those that can be unpacked so.
    pub(crate) fn unpack(&self, count: usize, into: &mut Vec<u16>) -> bool {
        into.clear();
        let Some(eights) = EIGHTS.get(usize::from(self.width)) else {
            return false;
        };
        into.reserve(count);
        eights(self.bytes, count / 8, into);
        into.extend((into.len()..count).map(|at| self.get(at) as u16));
        true
    }

    /// The eight bytes at `byte`, zeros beyond the end.
    #[cold]
    fn last(&self, byte: usize) -> u64 {
        let mut word = [0; 8];
        let tail = self.bytes.get(byte..).unwrap_or_default();
        word[..tail.len()].copy_from_slice(tail);
        u64::from_le_bytes(word)
    }
}

/// Unpacks so many times eight numbers, or fewer near the end of the bytes: one function for
/// each width, because shifts that are known beforehand are several times as fast.
type Eights = fn(&[u8], usize, &mut Vec<u16>);

const EIGHTS: [Eights; 17] = [
    eights::<0>,
    eights::<1>,
    eights::<2>,
    eights::<3>,
    eights::<4>,
    eights::<5>,
    eights::<6>,
    eights::<7>,
    eights::<8>,
    eights::<9>,
    eights::<10>,
    eights::<11>,
    eights::<12>,
    eights::<13>,
    eights::<14>,
    eights::<15>,
    eights::<16>,
];

/// Eight numbers take as many bytes as one takes bits; the last of them begins in the
/// fifteenth of these at most, and is read with the seven bytes behind that.
const EIGHT_REACH: usize = 22;

fn eights<const WIDTH: usize>(bytes: &[u8], count: usize, into: &mut Vec<u16>) {
    for n in 0..count {
        let rest = bytes.get(n * WIDTH..).unwrap_or_default();
        let Some(near) = rest.first_chunk::<EIGHT_REACH>() else {
            return;
        };
        let eight: [u16; 8] = std::array::from_fn(|at| {
            let bit = at * WIDTH;
            let word = near[bit / 8..].first_chunk().unwrap_or(&[0; 8]);
            (u64::from_le_bytes(*word) >> (bit % 8)) as u16 & (((1_u32 << WIDTH) - 1) as u16)
        });
        into.extend_from_slice(&eight);
    }
}

#[cfg(test)]
mod tests;
