//! The tail as a whole, over a disk that the tests make up.

mod world;
mod agent;
mod simulation;
mod losses;
mod races;
