//! A receipt: the opaque proof of one lease, which only this journal's owner can write.
//!
//! ```text
//! partition u16 | number u48 | slot u32 | group u16 | delivery u32 | epoch u32 | MAC 10 bytes   (big endian)
//! ```
//! 32 bytes, base64url without padding. The MAC is keyed BLAKE3 under the journal's secret. The delivery number
//! fences; the epoch only tells which ownership wrote the receipt. One receipt has one spelling.

use crate::digits::{NO_DIGIT, digits};
use engine::ids::{GroupNumber, LeaseId, MessageId, PartitionNumber};

/// Characters of a receipt.
pub const RECEIPT_CHARS: usize = 43;
const BODY_BYTES: usize = 22;
const MAC_BYTES: usize = 10;
const BYTES: usize = BODY_BYTES + MAC_BYTES;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What each byte is worth in a receipt; `NO_DIGIT` for one that occurs in none.
const DIGITS: [u8; 256] = digits(ALPHABET);

/// So many characters are so many bytes; a receipt is padded with zeros to whole parts.
const PART_CHARS: usize = 8;
const PART_BYTES: usize = 6;
const PARTS: usize = BYTES.div_ceil(PART_BYTES);

/// The key receipts are signed with.
pub type Secret = [u8; 32];

/// A receipt that was read, and not yet verified.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    bytes: [u8; BYTES],
}

/// What a receipt is written from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The partition the message lies in.
    pub partition: PartitionNumber,
    /// The lease it proves.
    pub lease: LeaseId,
    /// The lease's ownership; the lower 32 bits are kept.
    pub epoch: u64,
}

impl Claim {
    fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        body[0..2].copy_from_slice(&self.partition.0.to_be_bytes());
        body[2..8].copy_from_slice(&self.lease.message.number.to_be_bytes()[2..8]);
        body[8..12].copy_from_slice(&self.lease.message.slot.to_be_bytes());
        body[12..14].copy_from_slice(&self.lease.group.0.to_be_bytes());
        body[14..18].copy_from_slice(&self.lease.delivery.to_be_bytes());
        body[18..22].copy_from_slice(&(self.epoch as u32).to_be_bytes());
        body
    }

    /// The receipt's text, in ASCII.
    pub fn sign(&self, secret: &Secret) -> [u8; RECEIPT_CHARS] {
        let mut bytes = [0; BYTES];
        bytes[..BODY_BYTES].copy_from_slice(&self.body());
        let mac = blake3::keyed_hash(secret, &bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&mac.as_bytes()[..MAC_BYTES]);
        to_text(&bytes)
    }
}

impl Receipt {
    /// Reads a receipt's text; None when it is not the text of one.
    pub fn decode(text: &str) -> Option<Receipt> {
        let receipt = Receipt {
            bytes: from_text(text)?,
        };
        (receipt.number() > 0).then_some(receipt)
    }

    fn field<const N: usize>(&self, start: usize) -> [u8; N] {
        std::array::from_fn(|index| self.bytes[start + index])
    }

    fn number(&self) -> u64 {
        self.field::<6>(2)
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// What it claims. Believe it only after `verify`.
    pub fn claim(&self) -> Claim {
        let message = MessageId {
            number: self.number(),
            slot: u32::from_be_bytes(self.field(8)),
        };
        let group = GroupNumber(u16::from_be_bytes(self.field(12)));
        Claim {
            partition: PartitionNumber(u16::from_be_bytes(self.field(0))),
            lease: LeaseId {
                message,
                group,
                delivery: u32::from_be_bytes(self.field(14)),
            },
            epoch: u64::from(u32::from_be_bytes(self.field(18))),
        }
    }

    /// True when this journal's owner wrote it. Takes the same time whatever differs.
    pub fn verify(&self, partition: PartitionNumber, secret: &Secret) -> bool {
        let mac = blake3::keyed_hash(secret, &self.bytes[..BODY_BYTES]);
        let pairs = mac.as_bytes().iter().zip(&self.bytes[BODY_BYTES..]);
        let difference = pairs.fold(0u8, |difference, (a, b)| difference | (a ^ b));
        std::hint::black_box(difference) == 0 && self.claim().partition == partition
    }
}

fn to_text(bytes: &[u8; BYTES]) -> [u8; RECEIPT_CHARS] {
    let (mut padded, mut text) = ([0; PARTS * PART_BYTES], [0; PARTS * PART_CHARS]);
    padded[..BYTES].copy_from_slice(bytes);
    let parts = padded.chunks_exact(PART_BYTES);
    for (chars, part) in text.chunks_exact_mut(PART_CHARS).zip(parts) {
        let number = part
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte));
        for (place, character) in chars.iter_mut().enumerate() {
            *character = ALPHABET[(number >> (42 - 6 * place)) as usize & 63];
        }
    }
    *text.first_chunk().expect("it is longer")
}

fn from_text(text: &str) -> Option<[u8; BYTES]> {
    let text: &[u8; RECEIPT_CHARS] = text.as_bytes().try_into().ok()?;
    let mut padded = [ALPHABET[0]; PARTS * PART_CHARS];
    padded[..RECEIPT_CHARS].copy_from_slice(text);
    let (mut bytes, mut all) = ([0; PARTS * PART_BYTES], 0);
    let parts = bytes.chunks_exact_mut(PART_BYTES);
    for (part, chars) in parts.zip(padded.chunks_exact(PART_CHARS)) {
        let number = chars.iter().fold(0, |number, &character| {
            let digit = DIGITS[usize::from(character)];
            all |= digit;
            number << 6 | u64::from(digit)
        });
        part.copy_from_slice(&number.to_be_bytes()[2..]);
    }
    let (bytes, rest) = bytes.split_first_chunk()?;
    (all != NO_DIGIT && rest.iter().all(|byte| *byte == 0)).then_some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn claims()(partition: u16, number in 1..1u64 << 48, slot: u32, group: u16, delivery: u32, epoch: u32) -> Claim {
            let message = MessageId { number, slot };
            let lease = LeaseId { message, group: GroupNumber(group), delivery };
            Claim { partition: PartitionNumber(partition), lease, epoch: u64::from(epoch) }
        }
    }

    proptest! {
        #[test]
        fn a_receipt_comes_back(claim in claims(), secret: Secret) {
            let text = String::from_utf8(claim.sign(&secret).to_vec()).unwrap();
            let receipt = Receipt::decode(&text).unwrap();
            prop_assert_eq!(receipt.claim(), claim);
            prop_assert!(receipt.verify(claim.partition, &secret));
            prop_assert!(!receipt.verify(PartitionNumber(claim.partition.0 ^ 1), &secret));
        }

        #[test]
        fn a_changed_character_is_noticed(claim in claims(), secret: Secret, at in 0..RECEIPT_CHARS, by in 1..64usize) {
            let mut text = claim.sign(&secret);
            let old = ALPHABET.iter().position(|byte| *byte == text[at]).unwrap();
            text[at] = ALPHABET[(old + by) % 64];
            let receipt = Receipt::decode(std::str::from_utf8(&text).unwrap());
            prop_assert!(!receipt.is_some_and(|receipt| receipt.verify(claim.partition, &secret)));
        }

        #[test]
        fn any_text_is_taken(text in ".{0,50}", close in "[A-Za-z0-9_-]{43}") {
            let _ = Receipt::decode(&text);
            if let Some(receipt) = Receipt::decode(&close) {
                prop_assert!(!receipt.verify(receipt.claim().partition, &[7; 32]));
            }
        }
    }
}
