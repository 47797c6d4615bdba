//! Whatever happens to requests and to processes, at every step: both sides stay sound, the same
//! command again finishes the work, and no ref ever names what is not there.

mod clocks;
mod crash;
mod http;
mod lost;
mod newer;
mod oracle;
mod requests;
mod verbs;
mod world;

pub(crate) use verbs::{CLONE_FULL, FETCH, FIRST_PUSH, PUSH};
pub(crate) use world::{World, settings, thorough, transfer};
