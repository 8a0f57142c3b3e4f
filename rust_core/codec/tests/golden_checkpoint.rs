//! Recordings of every format of checkpoints load for ever. `HANZO_RECORD=1 cargo test -p codec --test golden_checkpoint`
//! writes the newest one when it is not there; an existing recording is never written again.
#![allow(clippy::disallowed_methods)] // a test of files reads files

mod checkpointed;

use checkpointed::{LSN, blocks, manifest};
use codec::checkpoint::{
    FORMAT_VERSION, FORMAT_VERSION_OLDEST, Fault, Manifest, decode_block, encode_block,
};
use engine::checkpoint::{Block, Image};
use std::path::PathBuf;

fn path(version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(format!("checkpoint-v{version}.bin"))
}

/// A block for every kind, then the manifest that names them: each with its length before it.
fn recorded() -> Vec<u8> {
    let blocks = blocks();
    let parts = blocks.iter().map(|block| encode_block(block, LSN).0);
    let parts: Vec<_> = parts.chain([manifest().encode()]).collect();
    let framed = parts
        .iter()
        .flat_map(|part| [&(part.len() as u32).to_le_bytes()[..], part].concat());
    framed.collect()
}

fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        parts.push(&rest[..length]);
        bytes = &rest[length..];
    }
    parts
}

/// As a format had it: what came later is not in it.
fn block_of(version: u16, mut block: Block) -> Block {
    if let (1, Image::Sweeps(sweeps)) = (version, &mut block.image) {
        sweeps
            .iter_mut()
            .for_each(|(_, sweep)| sweep.view.total = None);
    }
    block
}

#[test]
fn every_version_loads() {
    if std::env::var_os("HANZO_RECORD").is_some() && !path(FORMAT_VERSION).exists() {
        std::fs::write(path(FORMAT_VERSION), recorded()).unwrap();
    }
    for version in FORMAT_VERSION_OLDEST..=FORMAT_VERSION {
        let bytes = std::fs::read(path(version)).expect("each version has a recording");
        let parts = parts(&bytes);
        let (last, blocks) = parts.split_last().unwrap();
        let read = Manifest::decode(last).unwrap();
        assert_eq!((read.head, read.batch_hash), (manifest().head, [7; 16]));
        assert_eq!(read.directory.len(), blocks.len());
        for (bytes, block) in blocks.iter().zip(checkpointed::blocks()) {
            assert_eq!(decode_block(bytes), Ok((block_of(version, block), LSN)));
        }
    }
}

#[test]
fn the_newest_is_what_is_written() {
    assert_eq!(std::fs::read(path(FORMAT_VERSION)).unwrap(), recorded());
}

#[test]
fn a_newer_one_is_refused_politely() {
    let mut bytes = manifest().encode();
    bytes[4..6].copy_from_slice(&9u16.to_le_bytes());
    let fault = Manifest::decode(&bytes).unwrap_err();
    assert_eq!(fault, Fault::Version { found: 9 });
    assert_eq!(
        fault.to_string(),
        "it has format 9, written by a newer server; this one reads formats up to 2"
    );
}

#[test]
fn every_flipped_bit_is_found() {
    let manifest = manifest().encode();
    for at in 0..manifest.len() {
        let mut changed = manifest.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(Manifest::decode(&changed).is_err(), "byte {at}");
        assert!(Manifest::decode(&manifest[..at]).is_err(), "cut at {at}");
    }
    for block in blocks() {
        let (bytes, _) = encode_block(&block, LSN);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(decode_block(&changed).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_queued_message_takes_few_bytes() {
    use engine::checkpoint::MessageImage;
    let Image::Messages(messages) = &blocks()[0].image else {
        unreachable!("messages come first")
    };
    let first = messages[0];
    let queued = |at: u64| MessageImage {
        number: at + 1,
        envelope: engine::ids::Location {
            lsn: 1 + at / 7,
            offset: (at % 7) as u32 * 1033,
            length: 1000 + (at % 13) as u32,
        },
        at_ms: first.at_ms + at / 9,
        leased_until_ms: 0,
        expires_at_ms: 0,
        queue: first.queue,
        key: u32::MAX,
        next: at as u32 + 1,
        previous: (at as u32).wrapping_sub(1),
        ..first
    };
    let image = Image::Messages((0..8192).map(queued).collect());
    let (bytes, _) = encode_block(&Block { index: 0, image }, LSN);
    assert!(bytes.len() < 4 * 8192, "{} bytes", bytes.len());
}
