//! How each source's bodies are cut, judged by how it went so far.
//!
//! ```text
//! whole ──▶ fields ──▶ head ──▶ raw        a step down when
//!   ▲                            │           over 80 % of a window of rows are strange,
//!   └── after 8192 rows, then ───┘           over an eighth of two windows running, or
//!       twice as many each time              a block came out larger than a raw one
//! ```
//!
//! A row is strange when its template is not in the dictionary. Text without structure so
//! costs little more than it does in plain blocks.

use crate::split::Cut;
use ahash::AHashMap;

const WINDOW_ROWS: u16 = 256;
const STRANGE_MAX: u16 = WINDOW_ROWS / 5 * 4;
const POOR_MAX: u16 = WINDOW_ROWS / 8;
const POOR_WINDOWS: u8 = 2;
const RAW_ROWS: u32 = 8192;
const RAW_ROWS_MAX: u32 = 1 << 20;
/// After how many blocks at most it is looked again whether raw ones would be smaller.
const TRUSTED_BLOCKS_MAX: u8 = 16;

#[derive(Clone, Copy)]
struct Source {
    cut: Option<Cut>,
    rows: u16,
    strange: u16,
    poor: u8,
    /// For how many blocks it is not asked whether raw ones would be smaller, and for how
    /// many after that.
    trusted: u8,
    trusted_next: u8,
    /// Whether it stepped down inside the block, which then is of two minds.
    stepped: bool,
    raw_left: u32,
    raw_next: u32,
}

impl Source {
    const NEW: Self = Self {
        cut: Some(Cut::Whole),
        rows: 0,
        strange: 0,
        poor: 0,
        trusted: 0,
        trusted_next: 1,
        stepped: false,
        raw_left: 0,
        raw_next: RAW_ROWS,
    };

    fn close_window(&mut self) {
        self.poor = if self.strange > POOR_MAX {
            self.poor + 1
        } else {
            0
        };
        let down = self.strange > STRANGE_MAX || self.poor == POOR_WINDOWS;
        (self.rows, self.strange) = (0, 0);
        if down {
            self.step_down();
        }
    }

    fn step_down(&mut self) {
        (self.poor, self.trusted, self.trusted_next) = (0, 0, 1);
        self.stepped = true;
        self.cut = match self.cut {
            Some(Cut::Whole) => Some(Cut::Fields),
            Some(Cut::Fields) => Some(Cut::Head),
            _ => None,
        };
        if self.cut.is_none() {
            self.raw_left = self.raw_next;
            self.raw_next = (self.raw_next * 2).min(RAW_ROWS_MAX);
        }
    }
}

/// The state of every source: 24 bytes each, forgotten all at once when they become too many.
pub(super) struct Ladder {
    places: AHashMap<u64, u32>,
    sources: Vec<Source>,
    sources_max: usize,
    last: (u64, usize),
}

impl Ladder {
    pub(super) fn new(sources_max: usize) -> Self {
        Self {
            places: AHashMap::new(),
            sources: Vec::new(),
            sources_max,
            last: (0, usize::MAX),
        }
    }

    /// How to cut the next row of a source; `None`: not at all.
    pub(super) fn cut(&mut self, source: u64) -> Option<Cut> {
        let source = self.source(source);
        if source.cut.is_none() {
            source.raw_left = source.raw_left.saturating_sub(1);
            if source.raw_left == 0 {
                source.cut = Some(Cut::Whole);
            }
            return None;
        }
        source.cut
    }

    /// Notes whether the template of a row that was cut is in the dictionary.
    pub(super) fn note(&mut self, source: u64, known: bool) {
        let source = self.source(source);
        source.rows += 1;
        source.strange += u16::from(!known);
        if source.rows == WINDOW_ROWS {
            source.close_window();
        }
    }

    /// Whether it is time to see if a raw block would be smaller than one with this source.
    pub(super) fn doubts(&mut self, source: u64) -> bool {
        let source = self.source(source);
        let doubts = source.trusted == 0;
        source.trusted = source.trusted.saturating_sub(1);
        doubts
    }

    /// Notes whether a block with rows of this source is worth being templated.
    pub(super) fn judge(&mut self, source: u64, worth: bool) {
        let source = self.source(source);
        if std::mem::take(&mut source.stepped) {
            return;
        }
        if worth {
            source.trusted = source.trusted_next;
            source.trusted_next = (source.trusted * 2).min(TRUSTED_BLOCKS_MAX);
        } else if source.cut.is_some() {
            source.step_down();
            source.stepped = false;
        }
    }

    fn source(&mut self, key: u64) -> &mut Source {
        if self.last.0 != key || self.last.1 >= self.sources.len() {
            self.last = (key, self.place(key));
        }
        &mut self.sources[self.last.1]
    }

    fn place(&mut self, key: u64) -> usize {
        if let Some(place) = self.places.get(&key) {
            return *place as usize;
        }
        if self.sources.len() >= self.sources_max.max(1) {
            self.places.clear();
            self.sources.clear();
        }
        self.places.insert(key, self.sources.len() as u32);
        self.sources.push(Source::NEW);
        self.sources.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ladder: &mut Ladder, source: u64, count: usize, known: bool) -> Vec<Option<Cut>> {
        let row = |_| {
            let cut = ladder.cut(source);
            if cut.is_some() {
                ladder.note(source, known);
            }
            cut
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn text_without_structure_goes_down_to_raw_and_is_tried_again_ever_more_rarely() {
        let mut ladder = Ladder::new(10);
        for raw in [8192, 16_384, 32_768] {
            for cut in [Cut::Whole, Cut::Fields, Cut::Head] {
                let cuts = rows(&mut ladder, 1, 256, false);
                assert!(cuts.iter().all(|c| *c == Some(cut)), "{cut:?}");
            }
            let cuts = rows(&mut ladder, 1, raw, false);
            assert!(cuts.iter().all(Option::is_none), "raw for {raw} rows");
        }
        assert_eq!(ladder.cut(1), Some(Cut::Whole));
    }

    #[test]
    fn text_with_structure_stays_whole_whatever_its_neighbours_do() {
        let mut ladder = Ladder::new(10);
        for _ in 0..1000 {
            assert_eq!(rows(&mut ladder, 1, 10, true), [Some(Cut::Whole); 10]);
            rows(&mut ladder, 2, 10, false);
        }
        assert_eq!(ladder.cut(2), None);
    }

    #[test]
    fn a_third_of_strange_rows_is_borne_for_a_while() {
        let mut ladder = Ladder::new(10);
        for window in 0..2 {
            assert_eq!(ladder.cut(1), Some(Cut::Whole), "window {window}");
            rows(&mut ladder, 1, 156, true);
            rows(&mut ladder, 1, 100, false);
        }
        assert_eq!(ladder.cut(1), Some(Cut::Fields));
    }

    #[test]
    fn a_source_whose_blocks_are_not_worth_it_steps_down() {
        let mut ladder = Ladder::new(10);
        for trusted in [1, 2, 4, 8, 16, 16] {
            assert!(ladder.doubts(1));
            ladder.judge(1, true);
            assert!((0..trusted).all(|_| !ladder.doubts(1)));
        }
        ladder.judge(1, false);
        assert_eq!(ladder.cut(1), Some(Cut::Fields));
    }

    #[test]
    fn a_block_in_which_a_source_stepped_down_says_nothing_of_it() {
        let mut ladder = Ladder::new(10);
        rows(&mut ladder, 1, 256, false);
        ladder.judge(1, false);
        assert_eq!(ladder.cut(1), Some(Cut::Fields));
        ladder.judge(1, false);
        assert_eq!(ladder.cut(1), Some(Cut::Head));
    }

    #[test]
    fn sources_are_bounded() {
        let mut ladder = Ladder::new(3);
        for source in 0..100 {
            rows(&mut ladder, source, 300, false);
            assert!(ladder.sources.len() <= 3 && ladder.places.len() <= 3);
        }
    }
}
