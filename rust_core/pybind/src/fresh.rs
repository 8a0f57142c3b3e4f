//! A `bytes` object on its way: Python's own memory, written once. PyO3's ways to make one of more than one part write it
//! twice: with zeros first, or into a vector that is copied.
#![allow(unsafe_code)] // what nobody wrote yet is no `[u8]`, and only pointers can write it

use codec::out::Out;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// See the module.
pub struct Fresh<'py> {
    /// Nobody else has it before `finish`.
    bytes: Bound<'py, PyBytes>,
    start: *mut u8,
    length: usize,
    /// So many bytes from `start` on are initialised; never more than `length`.
    written: usize,
}

impl<'py> Fresh<'py> {
    /// Of `length` bytes, none of which is written yet.
    pub fn new(py: Python<'py>, length: usize) -> PyResult<Fresh<'py>> {
        let size = ffi::Py_ssize_t::try_from(length)?;
        // SAFETY: the interpreter's lock is held (`py`), and the size is not negative. Without a source the object's
        // bytes are allocated and not initialised, as it is meant for; failing is null and an exception.
        let object = unsafe {
            let object = ffi::PyBytes_FromStringAndSize(std::ptr::null(), size);
            Bound::from_owned_ptr_or_err(py, object)?
        };
        // SAFETY: it is what the function above makes.
        let bytes = unsafe { object.cast_into_unchecked::<PyBytes>() };
        // SAFETY: `bytes` is a bytes object that lives as long as `self`; its memory does not move.
        let start = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast();
        Ok(Fresh {
            bytes,
            start,
            length,
            written: 0,
        })
    }

    /// The object, of which every byte was written.
    pub fn finish(self) -> Bound<'py, PyBytes> {
        assert_eq!(self.written, self.length, "it is as long as was said");
        self.bytes
    }
}

impl Out for Fresh<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.length - self.written;
        assert!(bytes.len() <= room, "it is as long as was said");
        // SAFETY: `start` points to `length` bytes, of which so many are left as the assertion says. Nobody but `self` has
        // them, so `bytes` lies elsewhere.
        unsafe {
            let place = self.start.add(self.written);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        }
        self.written += bytes.len();
    }

    fn written(&self) -> &[u8] {
        // SAFETY: `put` has initialised so many bytes from `start` on, and changes none of them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start, self.written) }
    }
}
