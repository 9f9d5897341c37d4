//! What the regular expressions of one request may take together.
//!
//! Each is bounded by itself, but a request of a few kilobytes can have thousands. Compiling takes
//! as long as what it makes is large, so both are bounded by one figure: of a few sizes, the
//! smallest into which a pattern fits. To find it costs little, because the compiler gives up as
//! soon as it is beyond the size.

use super::{BadRegex, CACHE_MAX, Dot, SIZE_MAX, Translation, WEIGHT_MAX, build};
use regex::bytes::Regex;

/// The most patterns.
pub(super) const PATTERNS_MAX: usize = 1_000;
/// The most bytes of all patterns as they are written.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most bytes of all patterns once they are compiled.
pub const COMPILED_BYTES_MAX: usize = 32 << 20;

/// The sizes that are tried. A hundred names of pods are 170 KiB and count as 256: what counts as
/// much more than it takes would be refused without need.
const SIZES: [usize; 4] = [SIZE_MAX >> 6, SIZE_MAX >> 4, SIZE_MAX >> 2, SIZE_MAX];

/// What is left of it.
#[derive(Debug)]
pub struct PatternBudget {
    patterns: usize,
    text_bytes: usize,
    /// Of wide classes: all patterns may have what one may.
    weight: usize,
    compiled_bytes: usize,
}

impl Default for PatternBudget {
    fn default() -> Self {
        Self {
            patterns: PATTERNS_MAX,
            text_bytes: TEXT_BYTES_MAX,
            weight: WEIGHT_MAX,
            compiled_bytes: COMPILED_BYTES_MAX,
        }
    }
}

impl PatternBudget {
    /// As [`super::compile_whole`], out of the budget.
    ///
    /// # Errors
    /// [`BadRegex`] as there, and [`BadRegex::TooMany`] where the budget is spent.
    pub fn compile_whole(&mut self, pattern: &str, dot: Dot) -> Result<Regex, BadRegex> {
        take(&mut self.patterns, 1)?;
        take(&mut self.text_bytes, pattern.len())?;
        let translated = Translation::read(pattern)?;
        take(&mut self.weight, translated.weight).map_err(|_| BadRegex::TooWide)?;
        self.build(&translated.anchored(), dot)
    }

    /// Takes what a pattern that is searched for needs once it is compiled, and nothing else: for
    /// those who count patterns and their texts themselves.
    ///
    /// # Errors
    /// As [`Self::compile_whole`].
    pub fn take_compiled(&mut self, pattern: &str, dot: Dot) -> Result<(), BadRegex> {
        let translated = Translation::read(pattern)?;
        self.build(&translated.text, dot).map(drop)
    }

    fn build(&mut self, translated: &str, dot: Dot) -> Result<Regex, BadRegex> {
        for size in SIZES {
            match build(translated, dot, CACHE_MAX, size.min(self.compiled_bytes)) {
                Err(BadRegex::TooLarge) if size > self.compiled_bytes => {
                    return Err(BadRegex::TooMany);
                }
                Err(BadRegex::TooLarge) if size < SIZE_MAX => {}
                Err(error) => return Err(error),
                Ok(regex) => {
                    self.compiled_bytes = self.compiled_bytes.saturating_sub(size);
                    return Ok(regex);
                }
            }
        }
        Err(BadRegex::TooLarge)
    }
}

fn take(left: &mut usize, count: usize) -> Result<(), BadRegex> {
    *left = left.checked_sub(count).ok_or(BadRegex::TooMany)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the patterns, one after the other, fit into one budget.
    fn fitting(patterns: impl Iterator<Item = String>) -> usize {
        let mut budget = PatternBudget::default();
        let compiled = |pattern: &String| match budget.compile_whole(pattern, Dot::Any) {
            Ok(_) => true,
            Err(BadRegex::TooMany | BadRegex::TooWide) => false,
            Err(error) => panic!("{pattern}: {error}"),
        };
        patterns.take_while(compiled).count()
    }

    #[test]
    fn patterns_together_are_bounded_by_count_text_and_size() {
        let check = |pattern: &str, expected| {
            let all = std::iter::repeat_n(pattern.to_owned(), 2 * PATTERNS_MAX);
            assert_eq!(fitting(all), expected, "{pattern}");
        };
        check(".+", PATTERNS_MAX);
        // Few bytes that are large once compiled.
        check("[a-z]{900}", COMPILED_BYTES_MAX / (SIZE_MAX >> 4));
        check("[a-z]{9000}", COMPILED_BYTES_MAX / SIZE_MAX);
        check(&"a|".repeat(1000), TEXT_BYTES_MAX / 2000);
        // A class that is widened by other cases of its letters takes a while by itself.
        check("(?i)\\pL", WEIGHT_MAX / super::super::FOLDED);
        check("\\pL", WEIGHT_MAX);
    }

    #[test]
    fn what_is_counted_elsewhere_is_bounded_by_size_alone() {
        let count = |pattern: &str| {
            let mut budget = PatternBudget::default();
            let taken = (0..3 * PATTERNS_MAX).map_while(|_| {
                let taken = budget.take_compiled(pattern, Dot::InLine);
                assert!(
                    matches!(taken, Ok(()) | Err(BadRegex::TooMany)),
                    "{pattern}"
                );
                taken.ok()
            });
            taken.count()
        };
        assert_eq!(count("[a-z]{9000}"), COMPILED_BYTES_MAX / SIZE_MAX);
        assert_eq!(count("a+b"), COMPILED_BYTES_MAX / (SIZE_MAX >> 6));
        let mut budget = PatternBudget::default();
        let taken = budget.take_compiled("((a{100}){100}){100}", Dot::Any);
        assert_eq!(taken, Err(BadRegex::TooLarge));
        assert!(matches!(
            budget.take_compiled("(", Dot::Any),
            Err(BadRegex::Syntax(_))
        ));
    }

    #[test]
    fn texts_that_fill_a_budget_fit_into_it() {
        let name = |n: usize| format!("checkout-{n:08}-abcdefgh|checkout-{n:08}-ijklmnop");
        let bytes = name(0).len();
        assert_eq!(fitting((0..5000).map(name)), PATTERNS_MAX);
        // As one alternative after the other, too.
        let joined = (0..TEXT_BYTES_MAX / (bytes + 1) / 20).map(|n| {
            let names: Vec<_> = (0..19).map(|m| name(100 * n + m)).collect();
            names.join("|")
        });
        let count = joined.clone().count();
        assert_eq!(fitting(joined), count);
    }

    #[test]
    fn what_fits_is_what_would_be_compiled_alone() {
        let check = |pattern: &str| {
            let alone = super::super::compile_whole(pattern, Dot::Any);
            let own = PatternBudget::default().compile_whole(pattern, Dot::Any);
            assert_eq!(alone.as_ref().err(), own.as_ref().err(), "{pattern}");
            if let (Ok(alone), Ok(own)) = (alone, own) {
                assert_eq!(alone.as_str(), own.as_str());
            }
        };
        for pattern in [
            "", "a", "a|b", "(", ")", "a)|(b", "[", "*", "a**", "\\pL{15}",
        ] {
            check(pattern);
        }
        check("((a{100}){100}){100}");
        check(&"(".repeat(200));
    }
}
