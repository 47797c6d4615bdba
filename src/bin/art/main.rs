//! The `art` command: parse, dispatch, exit code.

fn main() {}
