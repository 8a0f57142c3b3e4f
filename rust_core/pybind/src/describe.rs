//! What a batch holds, in words for people: the records as the engine's types print themselves. Not a format.

use crate::errors;
use codec::batch::{Batch, View};
use engine::record::Record;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What a batch says.
#[pyclass(frozen, get_all, module = "hanzo_queues._core")]
pub struct Description {
    /// Its place.
    lsn: u64,
    /// The ownership that wrote it.
    epoch: u64,
    /// When it was decided, in milliseconds since 1970.
    now_ms: u64,
    /// Its records, in order, one text each.
    records: Vec<String>,
}

/// What `batch` says, whatever stands before it. Raises BatchError.
#[pyfunction]
pub fn describe_batch(py: Python<'_>, batch: &[u8]) -> PyResult<Description> {
    let decoded = View::open(batch)
        .and_then(|view| Batch::decode(batch, view.header.lsn, &view.header.previous));
    let decoded = decoded.map_err(|fault| errors::batch(py, fault))?;
    Ok(Description {
        lsn: decoded.header.lsn,
        epoch: decoded.header.epoch,
        now_ms: decoded.header.now_ms,
        records: decoded.records.iter().map(text).collect(),
    })
}

/// LSN, epoch, hash of the batch before and its own hash, which is right. Raises BatchError.
#[pyfunction]
pub fn batch_link<'py>(
    py: Python<'py>,
    batch: &[u8],
) -> PyResult<(u64, u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let opened = View::open(batch).and_then(|view| Ok((view.header, view.hash()?)));
    let (header, hash) = opened.map_err(|fault| errors::batch(py, fault))?;
    let previous = PyBytes::new(py, &header.previous);
    Ok((header.lsn, header.epoch, previous, PyBytes::new(py, &hash)))
}

/// The secret that signs receipts is nobody's to read.
fn text(record: &Record) -> String {
    match record {
        Record::Founded { .. } => "Founded { secret: (not shown) }".into(),
        other => format!("{other:?}"),
    }
}
