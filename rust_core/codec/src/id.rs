//! A message id's text: 20 characters that name the partition, sort by age within it, and survive any URL,
//! file name and case-insensitive store.
//!
//! ```text
//! partition u16 | number u48 | slot u32 | 4 zero bits  =  100 bits, base32hex (0-9 a-v), most significant first
//! ```
//! One message has one text: any other spelling is refused.

use engine::ids::{MESSAGE_NUMBER_MAX, MessageId, PartitionNumber};

/// Characters of an id.
pub const ID_CHARS: usize = 20;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

fn digit(byte: u8) -> Option<u128> {
    match byte {
        b'0'..=b'9' => Some(u128::from(byte - b'0')),
        b'a'..=b'v' => Some(u128::from(byte - b'a') + 10),
        _ => None,
    }
}

/// The id's text, in ASCII.
pub fn encode(partition: PartitionNumber, message: MessageId) -> [u8; ID_CHARS] {
    let value = (u128::from(partition.0) << 84)
        | (u128::from(message.number) << 36)
        | (u128::from(message.slot) << 4);
    std::array::from_fn(|index| ALPHABET[(value >> (5 * (ID_CHARS - 1 - index))) as usize & 31])
}

/// What an id names; None when it is not the text of an id.
pub fn decode(text: &str) -> Option<(PartitionNumber, MessageId)> {
    if text.len() != ID_CHARS {
        return None;
    }
    let value = text
        .bytes()
        .try_fold(0u128, |value, byte| Some((value << 5) | digit(byte)?))?;
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
