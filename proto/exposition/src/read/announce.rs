//! Which family the next sample is of, and whether the sink knows.

use super::Out;
use crate::error::Halt;
use crate::family::{Family, Kind};
use std::borrow::Cow;

/// The family that comments speak of, and what was last told to the sink.
#[derive(Default)]
pub(super) struct Announcer<'a> {
    declared: Option<Family<'a>>,
    told: Told<'a>,
    /// Whether `declared` was ever told, with all that is known of it now.
    is_complete: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Told<'a> {
    #[default]
    Nothing,
    Declared,
    /// A family of which nothing was said but a sample.
    Implied(Cow<'a, str>),
}

impl<'a> Announcer<'a> {
    /// The family that a comment about `name` speaks of. A family that ends here is told even
    /// if it has no samples.
    pub(super) fn describe(
        &mut self,
        name: Cow<'a, str>,
        out: &mut Out<'_>,
    ) -> Result<&mut Family<'a>, Halt> {
        if self.declared.as_ref().is_none_or(|old| old.name != name) {
            self.finish(out)?;
            self.declared = None;
        }
        self.is_complete = false;
        if self.told == Told::Declared {
            self.told = Told::Nothing;
        }
        Ok(self.declared.get_or_insert_with(|| Family {
            name,
            ..Family::default()
        }))
    }

    /// The family that a sample of this name is of; the sink has been told of it. `None`
    /// where no comment speaks of it.
    #[inline]
    pub(super) fn family_of(
        &mut self,
        name: &Cow<'a, str>,
        out: &mut Out<'_>,
    ) -> Result<Option<&Family<'a>>, Halt> {
        if self
            .declared
            .as_ref()
            .is_some_and(|family| family.has(name))
        {
            if self.told != Told::Declared {
                self.tell_declared(out)?;
            }
            return Ok(self.declared.as_ref());
        }
        if !matches!(&self.told, Told::Implied(told) if told == name) {
            out.family(&Family {
                name: Cow::Borrowed(name),
                kind: Kind::Unknown,
                ..Family::default()
            })?;
            self.told = Told::Implied(name.clone());
        }
        Ok(None)
    }

    /// The family that comments speak of, if any.
    pub(super) fn declared(&self) -> Option<&Family<'a>> {
        self.declared.as_ref()
    }

    /// Tells of a family that had no samples.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Halt> {
        if self.declared.is_some() && !self.is_complete {
            self.tell_declared(out)?;
        }
        Ok(())
    }

    fn tell_declared(&mut self, out: &mut Out<'_>) -> Result<(), Halt> {
        if let Some(family) = &self.declared {
            out.family(family)?;
        }
        self.told = Told::Declared;
        self.is_complete = true;
        Ok(())
    }
}
