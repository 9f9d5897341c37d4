//! Everything between a firing rule and a person.
