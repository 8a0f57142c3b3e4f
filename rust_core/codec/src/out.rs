//! Where bytes are written once, from the first to the last: a vector, or memory that somebody else owns.

/// See the module.
pub trait Out {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// All that was appended.
    fn written(&self) -> &[u8];
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn written(&self) -> &[u8] {
        self
    }
}
