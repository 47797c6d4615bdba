//! Walks a directory tree: names and metadata, in parallel.
