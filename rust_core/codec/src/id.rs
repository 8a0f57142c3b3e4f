//! A message id's text: 20 characters that name the partition, sort by age within it, and survive any URL,
//! file name and case-insensitive store.
//!
//! ```text
//! partition u16 | number u48 | slot u32 | 4 zero bits  =  100 bits, base32hex (0-9 a-v), most significant first
//! ```
//! One message has one text: any other spelling is refused.

use crate::digits::{NO_DIGIT, digits};
use engine::ids::{MESSAGE_NUMBER_MAX, MessageId, PartitionNumber};

/// Characters of an id.
pub const ID_CHARS: usize = 20;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// What each byte is worth in an id; `NO_DIGIT` for one that occurs in none.
const DIGITS: [u8; 256] = digits(ALPHABET);

/// Each half of an id's characters is a number of 64 bits.
const HALF_CHARS: usize = ID_CHARS / 2;
const HALF_BITS: u32 = 50;

/// The id's text, in ASCII.
pub fn encode(partition: PartitionNumber, message: MessageId) -> [u8; ID_CHARS] {
    let value = (u128::from(partition.0) << 84)
        | (u128::from(message.number) << 36)
        | (u128::from(message.slot) << 4);
    let halves = [(value >> HALF_BITS) as u64, value as u64];
    std::array::from_fn(|index| {
        let digit = halves[index / HALF_CHARS] >> (5 * (HALF_CHARS - 1 - index % HALF_CHARS));
        ALPHABET[digit as usize & 31]
    })
}

/// What the characters of half an id are worth; None when one of them is no digit.
fn half(text: &[u8]) -> Option<u128> {
    let (mut value, mut all) = (0, 0);
    for &byte in text {
        let digit = DIGITS[usize::from(byte)];
        value = value << 5 | u64::from(digit);
        all |= digit;
    }
    (all != NO_DIGIT).then_some(u128::from(value))
}

/// What an id names; None when it is not the text of an id.
pub fn decode(text: &str) -> Option<(PartitionNumber, MessageId)> {
    let text: &[u8; ID_CHARS] = text.as_bytes().try_into().ok()?;
    let (high, low) = text.split_at(HALF_CHARS);
    let value = half(high)? << HALF_BITS | half(low)?;
    let number = (value >> 36) as u64 & MESSAGE_NUMBER_MAX;
    if value & 15 != 0 || number == 0 {
        return None;
    }
    Some((
        PartitionNumber((value >> 84) as u16),
        MessageId {
            number,
            slot: (value >> 4) as u32,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(partition: u16, number: u64, slot: u32) -> String {
        let bytes = encode(PartitionNumber(partition), MessageId { number, slot });
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn an_id_comes_back(partition: u16, number in 1..=MESSAGE_NUMBER_MAX, slot: u32) {
            let expected = (PartitionNumber(partition), MessageId { number, slot });
            prop_assert_eq!(decode(&text(partition, number, slot)), Some(expected));
        }

        #[test]
        fn ids_sort_by_age(a in 1..=MESSAGE_NUMBER_MAX, b in 1..=MESSAGE_NUMBER_MAX, slots: (u32, u32)) {
            prop_assume!(a != b);
            prop_assert_eq!(a < b, text(3, a, slots.0) < text(3, b, slots.1));
        }

        #[test]
        fn any_text_is_taken(text in ".{0,24}") {
            if let Some((partition, message)) = decode(&text) {
                prop_assert_eq!(encode(partition, message).to_vec(), text.into_bytes());
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = text(0, 1, 0);
        assert_eq!(good, "00000000000020000000");
        assert!(decode(&good).is_some());
        for bad in [
            "",
            "0000000000002000000",
            "00000000000020000001",
            "00000000000000000000",
            "0000000000002000000V",
        ] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }
}
