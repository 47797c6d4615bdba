//! Whatever happens to requests and to processes, at every step: both sides stay sound, the same
//! command again finishes the work, and no ref ever names what is not there.

mod crash;
mod oracle;
mod requests;
mod world;

pub(crate) use world::{settings, thorough};
