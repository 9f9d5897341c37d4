//! Bodies put together again.

use super::{Block, Layout};
use crate::column::View;
use crate::damage::Damage;
use crate::rows::RowSet;

const TOO_LONG: Damage = Damage("a block's bodies are longer than its header says");
/// So many rows are put together one by one: to count the variables of all rows before costs more
/// than to count the rows of each template.
const ONE_BY_ONE_MAX: usize = 4;

impl Block<'_> {
    /// Appends the body of a row; nothing when there is no such row.
    ///
    /// For one row or a few: it counts the rows of each template before. For many there are
    /// [`Block::bodies`] and [`Block::bodies_of`].
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn body(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
        self.body_within(row, self.bytes, out)
    }

    fn body_within(&self, row: usize, room: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        let Some(place) = places.get(row) else {
            return Ok(());
        };
        let mut rows_before = vec![0_usize; self.templates.len()];
        for place in &places[..row] {
            rows_before[usize::from(*place)] += 1;
        }
        let mut cursors = vec![0; self.columns.len()];
        for (place, rows) in rows_before.iter().enumerate() {
            for column in layout.slots(place) {
                cursors[*column as usize] += rows;
            }
        }
        let place = usize::from(*place);
        let mut views: Vec<Option<View<'_>>> = self.columns.iter().map(|_| None).collect();
        for column in layout.slots(place) {
            views[*column as usize] = Some(self.view(*column as usize)?);
        }
        self.append(place, layout, &views, &mut cursors, room, out)
    }

    /// Appends all bodies to `out`, and to `ends` where in `out` each of them ends.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn bodies(&self, out: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<(), Damage> {
        out.reserve(self.bytes);
        ends.reserve(self.rows());
        self.walk(None, |_| true, out, |_, end| ends.push(end))
    }

    /// Appends the bodies of the rows of a set, upwards, as [`Block::bodies`] does for all.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn bodies_of(
        &self,
        rows: &RowSet,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), Damage> {
        if rows.count() <= ONE_BY_ONE_MAX {
            return self.one_by_one(rows, out, ends);
        }
        let places = self.template_of_rows()?;
        let mut wanted = vec![false; self.templates.len()];
        for row in rows.iter() {
            if let Some(place) = places.get(row) {
                wanted[usize::from(*place)] = true;
            }
        }
        let keep = |row| rows.contains(row);
        self.walk(Some(&wanted), keep, out, |_, end| ends.push(end))
    }

    fn one_by_one(
        &self,
        rows: &RowSet,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), Damage> {
        let mut left = self.bytes;
        for row in rows.iter().filter(|row| *row < self.rows()) {
            let before = out.len();
            self.body_within(row, left, out)?;
            left -= out.len() - before;
            ends.push(out.len());
        }
        Ok(())
    }

    /// Appends the length in bytes of each body.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn lengths(&self, lengths: &mut Vec<u32>) -> Result<(), Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        let views = self.views(layout, None)?;
        let fixed: Vec<usize> = self
            .templates
            .iter()
            .map(|used| {
                let slots = self.dictionary.slots(used.template).len();
                self.dictionary.text(used.template).len() - slots
            })
            .collect();
        let mut cursors = vec![0; self.columns.len()];
        for place in places {
            let place = usize::from(*place);
            let mut length = fixed[place];
            for column in layout.slots(place) {
                let column = *column as usize;
                if let Some(view) = &views[column] {
                    length += view.length(cursors[column])?;
                }
                cursors[column] += 1;
            }
            lengths.push(u32::try_from(length).map_err(|_| TOO_LONG)?);
        }
        Ok(())
    }

    /// Puts together the bodies of the rows that `keep` says, and calls `each` with the row
    /// and its end in `out`. Rows whose templates are not `wanted` are not asked for.
    pub(crate) fn walk(
        &self,
        wanted: Option<&[bool]>,
        keep: impl Fn(usize) -> bool,
        out: &mut Vec<u8>,
        mut each: impl FnMut(usize, usize),
    ) -> Result<(), Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        let views = self.views(layout, wanted)?;
        let mut cursors = vec![0; self.columns.len()];
        let mut left = self.bytes;
        for (row, place) in places.iter().enumerate() {
            let place = usize::from(*place);
            if wanted.is_none_or(|wanted| wanted[place]) && keep(row) {
                let before = out.len();
                self.append(place, layout, &views, &mut cursors, left, out)?;
                left -= out.len() - before;
                each(row, out.len());
            } else {
                for column in layout.slots(place) {
                    cursors[*column as usize] += 1;
                }
            }
        }
        Ok(())
    }

    /// The columns that the wanted templates take from.
    fn views(
        &self,
        layout: &Layout,
        wanted: Option<&[bool]>,
    ) -> Result<Vec<Option<View<'_>>>, Damage> {
        let mut views: Vec<Option<View<'_>>> = self.columns.iter().map(|_| None).collect();
        for place in 0..self.templates.len() {
            if wanted.is_some_and(|wanted| !wanted[place]) {
                continue;
            }
            for column in layout.slots(place) {
                let column = *column as usize;
                if views[column].is_none() {
                    views[column] = Some(self.view(column)?);
                }
            }
        }
        Ok(views)
    }

    /// Appends a body of the template at a place, of at most `room` bytes, and moves the
    /// cursors of its columns on.
    #[inline]
    fn append(
        &self,
        place: usize,
        layout: &Layout,
        views: &[Option<View<'_>>],
        cursors: &mut [usize],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        let template = self.templates[place].template;
        let end = out.len().saturating_add(room);
        let slots = self.dictionary.slots(template);
        for (slot, column) in slots.iter().zip(layout.slots(place)) {
            out.extend_from_slice(self.dictionary.before(slot));
            let column = *column as usize;
            if let Some(view) = &views[column] {
                view.append(cursors[column], out)?;
            }
            cursors[column] += 1;
            if out.len() > end {
                return Err(TOO_LONG);
            }
        }
        out.extend_from_slice(self.dictionary.last_piece(template));
        if out.len() > end {
            Err(TOO_LONG)
        } else {
            Ok(())
        }
    }
}
