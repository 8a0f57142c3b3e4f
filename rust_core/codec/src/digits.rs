//! The digits of the texts that ids and receipts are written in: what each byte is worth, found by a table.

/// What a byte is worth that is no digit: more than any, and than all bits of digits together.
pub const NO_DIGIT: u8 = 0xff;

/// What each byte is worth in `alphabet`, whose characters are all different.
pub const fn digits<const BASE: usize>(alphabet: &[u8; BASE]) -> [u8; 256] {
    assert!(BASE <= 64, "digits leave a bit to NO_DIGIT");
    let (mut digits, mut value) = ([NO_DIGIT; 256], 0);
    while value < BASE {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
}
