//! Faults of requests and processes at every step: both sides stay sound, the same command finishes
//! the work when it runs again, and no ref ever names missing objects.

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
pub(crate) use world::{Log, World, settings, transfer};
