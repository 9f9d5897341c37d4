//! Which three bytes stand side by side in a column's texts, or may: a text of which any three
//! do not is in none of them, and the column need not be unzipped to know that.
//!
//! ```text
//! three bytes ─ times an odd number, upper bits ─▶ one of 2^width bits
//! ```
//!
//! Texts of random digits have all of them soon: where more than half of the bits would be set,
//! or they would take much of the room that the column takes, there are none.

/// The most bits are two to this power …
const WIDTH_MAX: u32 = 13;
/// … and the fewest to this.
const WIDTH_MIN: u32 = 6;
/// Of what the zipped texts take, the bits take no more than this part.
const ROOM: usize = 16;
/// After so many bytes of texts it is asked whether there are too many already.
const SAMPLE_BYTES: usize = 4 << 10;

/// The bits of a column, as they lie there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grams<'a> {
    bits: &'a [u8],
    width: u32,
}

/// The bytes of so many bits; nothing where no encoder writes that many.
pub(super) fn bytes_of(width: u8) -> Option<usize> {
    let width = u32::from(width);
    (WIDTH_MIN..=WIDTH_MAX)
        .contains(&width)
        .then(|| (1 << width) / 8)
}

impl<'a> Grams<'a> {
    /// `None` where `bits` are not two to the power of `width`.
    pub(super) fn new(bits: &'a [u8], width: u8) -> Option<Self> {
        (bytes_of(width) == Some(bits.len())).then_some(Self {
            bits,
            width: u32::from(width),
        })
    }

    /// Whether a text may be part of one of the column's.
    pub(super) fn may_have(&self, text: &[u8]) -> bool {
        places(text).all(|place| {
            let bit = place >> (WIDTH_MAX - self.width);
            let byte = self.bits.get(bit / 8);
            byte.is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
        })
    }
}

/// Of each three bytes the place among the most bits that there are.
fn places(text: &[u8]) -> impl Iterator<Item = usize> {
    text.windows(3).map(|three| {
        let three = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        (three.wrapping_mul(0x9e37_79b1) >> (u32::BITS - WIDTH_MAX)) as usize
    })
}

/// Finds out which three bytes there are; what it holds is used again for each column.
#[derive(Default)]
pub(super) struct GramWriter {
    /// A byte for each of the most bits: bytes are set without being read before.
    seen: Vec<u8>,
}

impl GramWriter {
    /// Appends the bits of texts, which lie in `bytes` one after the other and have these
    /// lengths, where they are worth the room beside so many zipped bytes. Their width.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        lengths: impl Iterator<Item = usize>,
        zipped: usize,
        out: &mut Vec<u8>,
    ) -> Option<u8> {
        let width_max = (zipped / ROOM * 8).checked_ilog2()?.min(WIDTH_MAX);
        if width_max < WIDTH_MIN {
            return None;
        }
        self.seen.clear();
        self.seen.resize(1 << WIDTH_MAX, 0);
        let (mut from, mut is_sampled) = (0, false);
        for length in lengths {
            let text = bytes.get(from..from + length)?;
            places(text).for_each(|place| self.seen[place] = 1);
            from += length;
            if from >= SAMPLE_BYTES && !is_sampled {
                is_sampled = true;
                if self.width() > width_max {
                    return None;
                }
            }
        }
        let width = self.width();
        if width > width_max {
            return None;
        }
        let byte = |eight: &[u8]| {
            let bits = eight.chunks(eight.len() / 8).enumerate();
            bits.fold(0, |byte, (n, of_bit)| {
                byte | u8::from(of_bit.contains(&1)) << n
            })
        };
        let of_byte = 8 << (WIDTH_MAX - width);
        out.extend(self.seen.chunks(of_byte).map(byte));
        u8::try_from(width).ok()
    }

    /// The fewest bits of which no more than half are set.
    fn width(&self) -> u32 {
        let count: usize = self.seen.iter().map(|seen| usize::from(*seen)).sum();
        let bits = (count * 2).next_power_of_two().ilog2();
        bits.max(WIDTH_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(texts: &[Vec<u8>], zipped: usize) -> Option<(Vec<u8>, u8)> {
        let mut bits = Vec::new();
        let lengths = texts.iter().map(Vec::len);
        let width = GramWriter::default().write(&texts.concat(), lengths, zipped, &mut bits);
        width.map(|width| (bits, width))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_part_of_a_text_is_denied(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..40),
            cuts in prop::collection::vec((0_usize..40, 0_usize..40, 0_usize..40), 1..40),
        ) {
            if let Some((bits, width)) = written(&texts, 1 << 20) {
                let grams = Grams::new(&bits, width).unwrap();
                for (text, from, length) in cuts {
                    let text = &texts[text % texts.len()];
                    let from = from.min(text.len());
                    prop_assert!(grams.may_have(&text[from..text.len().min(from + length)]));
                }
            }
        }
    }

    #[test]
    fn most_words_that_are_not_there_are_denied() {
        let text = |n: usize| format!("com.example.shop.{}Service{}", n % 7, n % 50);
        let texts: Vec<Vec<u8>> = (0..1000).map(|n| text(n).into_bytes()).collect();
        let (bits, width) = written(&texts, 8 << 10).unwrap();
        let grams = Grams::new(&bits, width).unwrap();
        for word in [
            "timeout",
            "deadlock",
            "connection",
            "Servicee",
            "moc",
            "19Serv",
        ] {
            assert!(!grams.may_have(word.as_bytes()), "{word}");
        }
        assert!(grams.may_have(b"shop.3Service4"));
        // What is shorter than three bytes may be anywhere.
        assert!(grams.may_have(b"zz") && grams.may_have(b""));
    }

    #[test]
    fn what_would_not_pay_is_left_out() {
        let random = |n: u64| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let texts: Vec<Vec<u8>> = (0..2000).map(|n| random(n).into_bytes()).collect();
        assert_eq!(written(&texts, 8 << 10), None, "half of all bits and more");
        let texts = vec![b"of few words".to_vec(); 100];
        assert_eq!(written(&texts, 100), None, "too much beside so little");
        assert!(written(&texts, 200).is_some());
    }

    #[test]
    fn bits_of_no_width_are_none() {
        for width in [0, 5, 14, 64, 255] {
            assert!(bytes_of(width).is_none());
            assert!(Grams::new(&[0; 8], width).is_none());
        }
        assert!(Grams::new(&[0; 8], 6).is_some() && Grams::new(&[0; 8], 7).is_none());
    }
}
