//! The content store: chunks in packs, the index over them, the stat cache.
