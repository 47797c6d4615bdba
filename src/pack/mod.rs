//! A content pack and its index, as bytes: formats without I/O.
