//! The records of a repository as TOML: projects, runs, versions; and queries over them.
