//! Numbers in few bytes (LEB128, least significant group first), and the bounded reader every decoder uses.
//!
//! One number has one spelling: a spelling longer than needed is refused, so that what decodes also encodes
//! back to the same bytes.

/// Bytes of the longest varint of a u64.
pub const VARINT_BYTES_MAX: usize = 10;

/// Why bytes can't be what they should be. A fixed text: decoders of hostile bytes make no strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Appends `value`.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a text: its length, then its bytes.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads from the front of a slice; never past its end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        if length > self.bytes.len() {
            return Err(Malformed("a field ends after its container"));
        }
        let (head, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(head)
    }

    /// The next `N` bytes, as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?;
        bytes
            .try_into()
            .map_err(|_| Malformed("a field has the wrong length"))
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// A varint.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for group in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if group == VARINT_BYTES_MAX - 1 && bits > 1 {
                return Err(Malformed("a number exceeds 64 bits"));
            }
            value |= bits << (7 * group);
            if byte & 0x80 == 0 {
                let overlong = byte == 0 && group > 0;
                return if overlong {
                    Err(Malformed("a number is spelled longer than needed"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed("a number exceeds 64 bits"))
    }

    /// A varint that fits 32 bits.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.u64()?).map_err(|_| Malformed("a number exceeds 32 bits"))
    }

    /// A varint that fits 16 bits.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.u64()?).map_err(|_| Malformed("a number exceeds 16 bits"))
    }

    /// A text written by [`put_text`].
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// How many items of at least `item_bytes_min` bytes follow; refused when that many can't.
    pub fn count(&mut self, item_bytes_min: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count > self.remaining() / item_bytes_min {
            return Err(Malformed("a count exceeds what its container can hold"));
        }
        Ok(count)
    }

    /// Errors unless everything was read.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(Malformed("bytes are left over"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_comes_back(value: u64) {
            let mut out = Vec::new();
            put(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u64(), Ok(value));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn what_decodes_encodes_back(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.u64() {
                let mut out = Vec::new();
                put(&mut out, value);
                prop_assert_eq!(&bytes[..bytes.len() - reader.remaining()], &out[..]);
            }
        }
    }

    #[test]
    fn bounds_hold() {
        let nine = [0xffu8; 9];
        for (last, good) in [(1u8, true), (2, false), (0x7f, false)] {
            let bytes = [&nine[..], &[last]].concat();
            assert_eq!(Reader::new(&bytes).u64().is_ok(), good, "last byte {last}");
        }
        assert!(Reader::new(&[0x80, 0x00]).u64().is_err());
        assert!(Reader::new(&[]).u64().is_err());
        assert!(Reader::new(&[5, b'a']).text().is_err());
        assert!(Reader::new(&[2, 0xc3, 0x28]).text().is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0])
                .count(1)
                .is_err()
        );
    }
}
