//! Which rows contain a needle, decided by templates first, then by columns, and by text only
//! where neither can tell.
//!
//! A needle's place in a body is one of:
//! - inside static text: then it is in all rows of the template ([`Needle`] finds these);
//! - inside one variable: then the column's values decide, and its header often that none can;
//! - over both: then an *alignment* of the needle with the template says what each touched
//!   variable must be, begin or end with (`align`), and the columns decide again.
//!
//! Only where the alignments of a template are too many are its rows put together and looked
//! at.

mod align;
mod evaluate;
mod needle;
mod regex;

pub use needle::Needle;

use crate::block::Block;
use crate::damage::Damage;
use crate::rows::RowSet;
use evaluate::{Hits, evaluate};
use needle::{State, Test};

/// What decides about a row of a template of the block.
enum Decision {
    /// Every row of the template contains the needle.
    All,
    /// No row does.
    None,
    /// A row does if one of these holds: all of its tests on the row's variables.
    Any(Vec<Vec<RowTest>>),
    /// The row's text is looked at.
    Look,
}

/// A variable of a row that has to be among the hits of its column.
struct RowTest {
    /// The place of the column in the block.
    column: usize,
    /// Which of the row's variables of that column.
    nth: usize,
    /// Which of the hits that were found.
    hits: usize,
}

/// The hits of the tests that a needle makes on a block's columns.
#[derive(Default)]
struct Found {
    keys: Vec<(usize, Test)>,
    hits: Vec<Hits>,
}

impl Found {
    /// The hits of a test on the column at a place; evaluated once.
    fn of(
        &mut self,
        block: &Block<'_>,
        place: usize,
        test: Test,
        needle: &Needle,
    ) -> Result<Option<usize>, Damage> {
        let column = &block.columns[place];
        let part = needle.part(test);
        if !column.may_contain(needle.part_signature(test), part) {
            return Ok(None);
        }
        let key = (place, test);
        let known = self.keys.iter().position(|known| *known == key);
        let at = match known {
            Some(at) => at,
            None => {
                let hits = evaluate(&block.view(place)?, test.kind, part, needle);
                self.keys.push(key);
                self.hits.push(hits?);
                self.keys.len() - 1
            }
        };
        Ok((!matches!(self.hits[at], Hits::None)).then_some(at))
    }
}

impl Block<'_> {
    /// Makes `rows` the rows whose bodies contain the needle.
    ///
    /// # Errors
    /// When the block is damaged, or the needle is another dictionary's.
    pub fn rows_containing(&self, needle: &Needle, rows: &mut RowSet) -> Result<(), Damage> {
        rows.reset(self.rows());
        let mut found = Found::default();
        let decisions = self.decisions(needle, &mut found)?;
        if decisions.iter().all(|d| matches!(d, Decision::All)) {
            rows.fill();
            return Ok(());
        }
        if decisions.iter().all(|d| matches!(d, Decision::None)) {
            return Ok(());
        }
        self.decide(&decisions, &found, rows)?;
        self.look(&decisions, needle, rows)
    }

    /// How many rows' bodies contain the needle. Reads no more than the header where templates
    /// decide.
    ///
    /// # Errors
    /// As [`Block::rows_containing`].
    pub fn count_containing(&self, needle: &Needle) -> Result<usize, Damage> {
        let mut found = Found::default();
        let decisions = self.decisions(needle, &mut found)?;
        let (mut count, mut open) = (0, false);
        for (decision, used) in decisions.iter().zip(self.templates()) {
            match decision {
                Decision::All => count += used.rows as usize,
                Decision::None => {}
                Decision::Any(_) | Decision::Look => open = true,
            }
        }
        if !open {
            return Ok(count);
        }
        if let Some(by_values) = self.count_values(&decisions, &found)? {
            return Ok(count + by_values);
        }
        let mut rows = RowSet::none(self.rows());
        self.decide(&decisions, &found, &mut rows)?;
        self.look(&decisions, needle, &mut rows)?;
        Ok(rows.count())
    }

    /// How many rows contain the needle of those that columns decide about, if each has one
    /// variable of one column and the column no others: then rows and values are as many.
    fn count_values(&self, decisions: &[Decision], found: &Found) -> Result<Option<usize>, Damage> {
        let mut counted = Vec::new();
        let mut count = 0;
        for decision in decisions {
            let any = match decision {
                Decision::All | Decision::None => continue,
                Decision::Look => return Ok(None),
                Decision::Any(any) => any,
            };
            let [tests] = &any[..] else {
                return Ok(None);
            };
            let [test] = &tests[..] else {
                return Ok(None);
            };
            if counted.contains(&test.column) {
                continue;
            }
            let layout = self.layout()?;
            for (place, decision) in decisions.iter().enumerate() {
                let uses = layout.slots(place).iter();
                let uses = uses.filter(|slot| **slot as usize == test.column).count();
                let alone = match decision {
                    Decision::Any(any) => any[0][0].hits == test.hits && uses == 1,
                    _ => false,
                };
                if uses > 0 && !alone {
                    return Ok(None);
                }
            }
            counted.push(test.column);
            count += found.hits[test.hits].count(self.columns[test.column].values);
        }
        Ok(Some(count))
    }

    /// What decides about the rows of each template of the block.
    fn decisions(&self, needle: &Needle, found: &mut Found) -> Result<Vec<Decision>, Damage> {
        // Which columns have the needle inside one of their values.
        let mut inside = Vec::new();
        let places = if needle.bytes().is_empty() {
            0
        } else {
            self.columns.len()
        };
        for place in 0..places {
            if let Some(hits) = found.of(self, place, Test::INSIDE, needle)? {
                inside.push((place, hits));
            }
        }
        let mut decisions = Vec::with_capacity(self.templates().len());
        for (place, used) in self.templates().iter().enumerate() {
            decisions.push(match needle.state(self.dictionary, used.template)? {
                State::All => Decision::All,
                State::Look => Decision::Look,
                State::Columns => self.by_columns(place, &inside, Vec::new())?,
                State::Aligned(alignments) => {
                    let mut any = Vec::new();
                    for alignment in alignments.iter() {
                        any.extend(self.by_alignment(place, alignment, needle, found)?);
                    }
                    self.by_columns(place, &inside, any)?
                }
            });
        }
        Ok(decisions)
    }

    /// Adds the ways in which the needle can be inside one of a template's variables.
    fn by_columns(
        &self,
        place: usize,
        inside: &[(usize, usize)],
        mut any: Vec<Vec<RowTest>>,
    ) -> Result<Decision, Damage> {
        if !inside.is_empty() {
            let slots = self.layout()?.slots(place);
            for (column, hits) in inside {
                let uses = slots.iter().filter(|slot| **slot as usize == *column);
                for (nth, _) in uses.enumerate() {
                    any.push(vec![RowTest {
                        column: *column,
                        nth,
                        hits: *hits,
                    }]);
                }
            }
        }
        Ok(if any.is_empty() {
            Decision::None
        } else {
            Decision::Any(any)
        })
    }

    /// The tests of an alignment, unless a column says that one of them holds nowhere.
    fn by_alignment(
        &self,
        place: usize,
        alignment: &[(u32, Test)],
        needle: &Needle,
        found: &mut Found,
    ) -> Result<Option<Vec<RowTest>>, Damage> {
        let slots = self.layout()?.slots(place);
        let mut tests = Vec::with_capacity(alignment.len());
        for (slot, test) in alignment {
            let column = slots[*slot as usize] as usize;
            let Some(hits) = found.of(self, column, *test, needle)? else {
                return Ok(None);
            };
            let before = &slots[..*slot as usize];
            tests.push(RowTest {
                column,
                nth: before.iter().filter(|c| **c as usize == column).count(),
                hits,
            });
        }
        Ok(Some(tests))
    }

    /// Adds the rows that templates and columns decide about.
    fn decide(
        &self,
        decisions: &[Decision],
        found: &Found,
        rows: &mut RowSet,
    ) -> Result<(), Damage> {
        let mut tested: Vec<usize> = decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::Any(any) => Some(any.iter().flatten().map(|test| test.column)),
                _ => None,
            })
            .flatten()
            .collect();
        if tested.is_empty() {
            let places = self.template_of_rows()?;
            by_template(decisions, places, rows);
            return Ok(());
        }
        tested.sort_unstable();
        tested.dedup();
        let layout = self.layout()?;
        if let [Decision::Any(any)] = decisions
            && tested.iter().all(|column| {
                let slots = layout.slots(0).iter();
                slots.filter(|slot| **slot as usize == *column).count() == 1
            })
        {
            // Rows and values are the same then.
            by_value(any, found, rows);
            return Ok(());
        }
        let places = self.template_of_rows()?;
        // How far each template moves the cursor of each column that is tested.
        let mut moves = Vec::new();
        for place in 0..decisions.len() {
            let slots = layout.slots(place);
            let uses = tested.iter().map(|column| {
                let uses = slots.iter().filter(|slot| **slot as usize == *column);
                (*column, uses.count())
            });
            moves.push(uses.filter(|(_, uses)| *uses > 0).collect::<Vec<_>>());
        }
        let mut cursors = vec![0; self.columns.len()];
        for (row, place) in places.iter().enumerate() {
            let place = usize::from(*place);
            match &decisions[place] {
                Decision::All => rows.insert(row),
                Decision::None | Decision::Look => {}
                Decision::Any(any) => {
                    let holds = |test: &RowTest| {
                        found.hits[test.hits].contains(cursors[test.column] + test.nth)
                    };
                    if any.iter().any(|tests| tests.iter().all(holds)) {
                        rows.insert(row);
                    }
                }
            }
            for (column, uses) in &moves[place] {
                cursors[*column] += uses;
            }
        }
        Ok(())
    }

    /// Adds the rows of the templates that cannot be decided otherwise, by their text.
    fn look(
        &self,
        decisions: &[Decision],
        needle: &Needle,
        rows: &mut RowSet,
    ) -> Result<(), Damage> {
        let wanted: Vec<bool> = decisions
            .iter()
            .map(|decision| matches!(decision, Decision::Look))
            .collect();
        if !wanted.contains(&true) {
            return Ok(());
        }
        let mut text = Vec::new();
        let mut ends = Vec::new();
        self.walk(
            Some(&wanted),
            |_| true,
            &mut text,
            |row, end| {
                ends.push((row, end));
            },
        )?;
        let mut from = 0;
        for (row, end) in ends {
            if needle.finder().find(&text[from..end]).is_some() {
                rows.insert(row);
            }
            from = end;
        }
        Ok(())
    }
}

/// Makes `rows` those whose templates are decided for them.
fn by_template(decisions: &[Decision], places: &[u16], rows: &mut RowSet) {
    let is_all = |decision| u64::from(matches!(decision, &Decision::All));
    let is_all: Vec<u64> = decisions.iter().map(is_all).collect();
    rows.set_words(|at| {
        let places = places.iter().skip(at * 64).take(64).enumerate();
        places.fold(0, |word, (n, place)| {
            word | is_all[usize::from(*place)] << n
        })
    });
}

/// Makes `rows` those with the hits of all tests of a way, where every test's column has one value
/// a row.
fn by_value(any: &[Vec<RowTest>], found: &Found, rows: &mut RowSet) {
    rows.set_words(|at| {
        let way = |tests: &Vec<RowTest>| {
            let hits = tests.iter().map(|test| &found.hits[test.hits]);
            hits.fold(u64::MAX, |word, hits| word & hits.word(at))
        };
        any.iter().fold(0, |word, tests| word | way(tests))
    });
}

#[cfg(test)]
mod tests;
