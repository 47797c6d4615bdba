//! The extension module `artvcs._native`: the verbs of the library for Python.
//!
//! There is one function for all verbs, [`call`], and one for bytes, [`read`]. Values cross as the
//! `--json` value of the verb. The Python code in `python/artvcs` gives them types and names.

mod context;
mod error;
mod operation;
mod progress;
mod records;
mod sync;
mod trees;
mod versions;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::context::Context;
use crate::operation::{Call, Verb, Verbs};

/// Runs a verb and returns its `--json` value. `data` is the standard input of an upload.
#[pyfunction]
#[pyo3(signature = (context, verb, options, data=None, progress=None))]
fn call<'py>(
    context: Bound<'py, Context>,
    verb: &str,
    options: Bound<'py, PyDict>,
    data: Option<Vec<u8>>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = context.py();
    let run = find(verb)?;
    let options = pythonize::depythonize(options.as_any())?;
    let context = context.get().clone();
    let value = operation::run(py, progress.as_ref(), move |progress| {
        run(&mut Call { context: &context, options, data, progress })
    })?;
    Ok(pythonize::pythonize(py, &value)?)
}

/// Reads `length` bytes of the file that the revision `rev` names, from the byte at `start`.
#[pyfunction]
fn read(
    context: Bound<'_, Context>,
    rev: String,
    start: u64,
    length: u64,
) -> PyResult<Bound<'_, PyBytes>> {
    let py = context.py();
    let context = context.get().clone();
    let bytes = operation::run(py, None, move |progress| {
        trees::read(&context, &rev, (start, length), progress)
    })?;
    Ok(PyBytes::new(py, &bytes))
}

/// Every kind of error, for the test of the classes.
#[pyfunction]
fn error_kinds() -> Vec<&'static str> {
    error::KINDS.iter().map(|kind| error::word(*kind)).collect()
}

/// The names of the verbs of `call`.
#[pyfunction]
fn verbs() -> Vec<&'static str> {
    VERBS.into_iter().flatten().map(|(name, _)| *name).collect()
}

const VERBS: [Verbs; 4] = [records::VERBS, sync::VERBS, trees::VERBS, versions::VERBS];

/// Finds the function of a verb.
fn find(verb: &str) -> PyResult<Verb> {
    let mut verbs = VERBS.into_iter().flatten();
    let found = verbs.find(|(name, _)| *name == verb);
    found.map(|(_, run)| *run).ok_or_else(|| PyValueError::new_err(format!("no verb '{verb}'")))
}

#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Context>()?;
    module.add_function(wrap_pyfunction!(call, module)?)?;
    module.add_function(wrap_pyfunction!(read, module)?)?;
    module.add_function(wrap_pyfunction!(error_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(verbs, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
