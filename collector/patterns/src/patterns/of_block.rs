//! The patterns of a block's rows.
//!
//! ```text
//! template ─ as fine as a pattern ─▶ its own text
//!    │  └─── JSON with a message ──▶ each different message, once
//!    └────── coarser, or raw ──────▶ the body, cut anew
//! ```

use super::{PatternTexts, is_finest, message_slot, shown};
use crate::block::Block;
use crate::column::View;
use crate::damage::Damage;
use crate::dictionary::RAW_TEMPLATE;
use crate::rows::RowSet;
use ahash::AHashMap;

/// The patterns of some rows of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPatterns {
    /// The patterns, each once.
    pub texts: Vec<String>,
    /// For each of the rows the place of its pattern in `texts`.
    pub of_rows: Vec<u32>,
    /// How many bytes of bodies were put together to be cut anew.
    pub body_bytes: usize,
}

/// How the rows of a template get their patterns.
enum By<'b> {
    /// All have this one.
    Template(u32),
    /// By a value of the column at this place: the n-th that a row takes from it.
    Value {
        column: usize,
        nth: usize,
        view: View<'b>,
        /// Whether it is the whole body, not the message in it.
        is_body: bool,
    },
    /// By their whole bodies.
    Body,
    /// None of them is asked for.
    Unasked,
}

impl Block<'_> {
    /// The pattern of each of `rows`, which ascend: the same that
    /// [`pattern_of`](crate::pattern_of) says of its body.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn patterns(&self, rows: &[usize]) -> Result<RowPatterns, Damage> {
        let mut texts = PatternTexts::default();
        let ways = self.ways(rows, &mut texts)?;
        let mut found = self.by_template(rows, &ways, &mut texts)?;
        let body_bytes = self.by_body(rows, &ways, &mut texts, &mut found)?;
        Ok(RowPatterns {
            texts: texts.into_texts(),
            of_rows: found,
            body_bytes,
        })
    }

    /// For each template of the block.
    fn ways(&self, rows: &[usize], texts: &mut PatternTexts) -> Result<Vec<By<'_>>, Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        let mut is_asked = vec![false; self.templates().len()];
        for row in rows {
            let place = places.get(*row).ok_or(NO_ROW)?;
            is_asked[usize::from(*place)] = true;
        }
        let mut ways = Vec::with_capacity(is_asked.len());
        for (place, is_asked) in is_asked.into_iter().enumerate() {
            let number = self.templates()[place].template;
            let is_body = number == RAW_TEMPLATE;
            let template = self.dictionary.text(number);
            if !is_asked {
                ways.push(By::Unasked);
                continue;
            }
            if !is_body && !is_finest(template) {
                ways.push(By::Body);
                continue;
            }
            let slot = if is_body {
                Some(0)
            } else {
                message_slot(template)
            };
            ways.push(match slot {
                None => By::Template(texts.number(shown(template))),
                Some(slot) => {
                    let slots = layout.slots(place);
                    let column = slots[slot];
                    let before = slots[..slot].iter();
                    By::Value {
                        column: column as usize,
                        nth: before.filter(|c| **c == column).count(),
                        view: self.view(column as usize)?,
                        is_body,
                    }
                }
            });
        }
        Ok(ways)
    }

    /// The patterns of the rows that need no whole body; those of the others are left open.
    fn by_template(
        &self,
        rows: &[usize],
        ways: &[By<'_>],
        texts: &mut PatternTexts,
    ) -> Result<Vec<u32>, Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        // Of each value of a column, as the message of a template or as a body.
        let mut known: AHashMap<(u16, usize), u32> = AHashMap::new();
        let mut cursors = vec![0_usize; self.columns.len()];
        let mut found = Vec::with_capacity(rows.len());
        let mut next = 0;
        for row in rows {
            // The row before and those between take values, too.
            for place in places.get(next..*row).ok_or(NO_ROW)? {
                for column in layout.slots(usize::from(*place)) {
                    cursors[*column as usize] += 1;
                }
            }
            let place = places[*row];
            found.push(match &ways[usize::from(place)] {
                By::Template(text) => *text,
                By::Value {
                    column,
                    nth,
                    view,
                    is_body,
                } => {
                    let value = view.place(cursors[*column] + nth)?;
                    match known.get(&(place, value)) {
                        Some(text) => *text,
                        None => {
                            let mut bytes = Vec::new();
                            view.values.append(value, &mut bytes)?;
                            let text = match is_body {
                                true => texts.of(&bytes),
                                false => texts.of_message(&bytes),
                            };
                            known.insert((place, value), text);
                            text
                        }
                    }
                }
                By::Body | By::Unasked => 0,
            });
            next = *row;
        }
        Ok(found)
    }

    /// Fills in the patterns of the rows whose bodies are needed. How many bytes these have.
    fn by_body(
        &self,
        rows: &[usize],
        ways: &[By<'_>],
        texts: &mut PatternTexts,
        found: &mut [u32],
    ) -> Result<usize, Damage> {
        let wanted: Vec<bool> = ways.iter().map(|by| matches!(by, By::Body)).collect();
        if !wanted.contains(&true) {
            return Ok(0);
        }
        let mut set = RowSet::none(self.rows());
        rows.iter().for_each(|row| set.insert(*row));
        let (mut bodies, mut ends) = (Vec::new(), Vec::new());
        self.walk(
            Some(&wanted),
            |row| set.contains(row),
            &mut bodies,
            |row, end| {
                ends.push((row, end));
            },
        )?;
        let mut from = 0;
        let mut open = rows.iter().zip(found);
        for (row, end) in ends {
            let text = texts.of(&bodies[from..end]);
            if let Some((_, found)) = open.find(|(r, _)| **r == row) {
                *found = text;
            }
            from = end;
        }
        Ok(bodies.len())
    }
}

const NO_ROW: Damage = Damage("a row is asked for that the block has not");
