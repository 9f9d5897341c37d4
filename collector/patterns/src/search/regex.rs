//! Regular expressions over the bodies.

use crate::block::Block;
use crate::damage::Damage;
use crate::rows::RowSet;
use regex::bytes::Regex;

impl Block<'_> {
    /// Keeps of `rows` those whose bodies match. Rows of a template without variables are
    /// judged once; the others are put together and matched, so ask for few: the rows that
    /// contain a text which every match has.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn retain_matching(&self, regex: &Regex, rows: &mut RowSet) -> Result<(), Damage> {
        let places = self.template_of_rows()?;
        let mut wanted = vec![false; self.templates().len()];
        let mut judged = vec![None; self.templates().len()];
        for row in rows.iter() {
            let Some(place) = places.get(row).map(|place| usize::from(*place)) else {
                continue;
            };
            wanted[place] = true;
        }
        for (place, used) in self.templates().iter().enumerate() {
            if wanted[place] && self.dictionary.slots(used.template).is_empty() {
                judged[place] = Some(regex.is_match(self.dictionary.text(used.template)));
                wanted[place] = false;
            }
        }
        let mut text = Vec::new();
        let mut ends = Vec::new();
        self.walk(
            Some(&wanted),
            |row| rows.contains(row),
            &mut text,
            |row, end| {
                ends.push((row, end));
            },
        )?;
        for (row, place) in places.iter().enumerate() {
            if judged[usize::from(*place)] == Some(false) {
                rows.remove(row);
            }
        }
        let mut from = 0;
        for (row, end) in ends {
            if !regex.is_match(&text[from..end]) {
                rows.remove(row);
            }
            from = end;
        }
        Ok(())
    }
}
