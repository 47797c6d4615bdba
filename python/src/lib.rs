//! The extension module `artvcs._native`.
