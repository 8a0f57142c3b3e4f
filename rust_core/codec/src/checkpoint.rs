//! The bytes of a checkpoint: blocks, each a part of the state, and a manifest that says which blocks are one state.
//!
//! ```text
//! block    = magic 4 | version u16 | kind u8 | zero u8 | index u64 | LSN u64 | what the block holds | hash 16
//! manifest = magic 4 | version u16 | zero u16 | head | hash of the batch at its LSN 16 | directory | hash 16
//! ```
//! Fixed fields are little endian, all others varints. A block says with which checkpoint it was written; the directory
//! names its place in the store, its length and its hash, so a block that is older or newer than meant is found.

mod array;
mod block;
mod column;
mod fault;
mod frame;
mod head;
mod manifest;
mod map;
mod queue;

pub use block::{decode as decode_block, encode as encode_block, entry, kind};
pub use fault::Fault;
pub use manifest::{Entry, Manifest};

/// The first bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"HZQC";

/// The first bytes of a manifest.
pub const MANIFEST_MAGIC: [u8; 4] = *b"HZQM";

/// The version of both that this code writes, and the newest it reads. To change what is written:
///
/// 1. Add one to this number, and keep reading every older version, told apart by the frame.
/// 2. Record tests/golden/checkpoint-v<N>.bin with every kind of block; leave the older recordings as they are.
/// 3. Record a store of it for the server: HANZO_RECORD=1 pytest tests/faults/test_golden_store.py.
/// 4. Say in CHANGELOG.md that older servers can't read what this one writes. They can still replay a journal that was
///    never trimmed; of a trimmed one there is no way back.
///
/// Format 2 added a kind of block to format 1, and a field to sweeps.
pub const FORMAT_VERSION: u16 = 2;

/// The oldest it reads.
pub const FORMAT_VERSION_OLDEST: u16 = 1;
