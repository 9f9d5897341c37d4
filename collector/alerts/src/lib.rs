//! Everything between a firing rule and a person.

mod alert;
mod secret;
mod period;
mod matchers;
mod interval;
mod route;
mod inhibit;
mod record;
mod core;
mod log;
