//! A reader of bodies that have nothing wrong with them, which is nearly all: one look at each byte, for grammar, UTF-8,
//! depth and escapes at once.
//!
//! Owns which bodies are surely JSON of the expected shape. Anything else, right or wrong, is a doubt: the careful reader
//! reads it from its beginning, and says what is wrong with it. So a doubt costs time, and never an answer; and what is
//! read here is what would have been read there (its tests hold one against the other).
#![allow(unsafe_code)] // text that was looked at needs no second look

#[cfg(test)]
mod tests;
mod text;

use super::array::{Items, ReadArray};
use super::faults::Faults;
use super::object::{Fields, Members, Object, Read, Schema};
use super::raw::Raw;
use std::borrow::Cow;

/// Why a body is left to the careful reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt;

/// Containers inside each other, at most: as many as there are bits to remember what they are.
const DEPTH_MAX: u32 = u128::BITS;

/// Reads a whole body as one object. `faults` tells of what is no fault of the JSON: it is a doubt as well, to the caller.
pub fn read<'de, T: Object<'de>>(
    body: &'de [u8],
    object: &mut T,
    faults: &mut Faults,
) -> Result<(), Doubt> {
    let mut reader = Reader { body, at: 0 };
    reader.object(Read { object, faults })?;
    reader.blank();
    (reader.at == body.len()).then_some(()).ok_or(Doubt)
}

/// Whether every byte of `text` stands for itself in a string.
pub fn is_plain(text: &str) -> bool {
    text::run(text.as_bytes()).length == text.len()
}

struct Reader<'de> {
    body: &'de [u8],
    /// All before it was looked at.
    at: usize,
}

impl<'de> Reader<'de> {
    /// The next byte; 0, which belongs nowhere, at the end.
    #[inline]
    fn peek(&self) -> u8 {
        self.body.get(self.at).copied().unwrap_or(0)
    }

    /// Passes white space.
    #[inline]
    fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    /// Passes `byte`, which must be next, and the white space behind it.
    #[inline]
    fn pass(&mut self, byte: u8) -> Result<(), Doubt> {
        if self.peek() != byte {
            return Err(Doubt);
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// Whether another member or item comes before `close`; passes the comma before all but the first.
    #[inline]
    fn goes_on(&mut self, is_first: &mut bool, close: u8) -> Result<bool, Doubt> {
        self.blank();
        let is_first = std::mem::take(is_first);
        if self.peek() == close {
            return Ok(false);
        }
        if !is_first {
            self.pass(b',')?;
        }
        Ok(true)
    }

    /// Passes a string; true when it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, Doubt> {
        if self.peek() != b'"' {
            return Err(Doubt);
        }
        self.at += 1;
        let begin = self.at;
        let run = text::run(&self.body[begin..]);
        self.at += run.length;
        let (mut escapes, mut beyond_ascii) = (false, run.maybe_beyond_ascii);
        while self.peek() != b'"' {
            escapes = true;
            self.escape()?;
            let run = text::run(&self.body[self.at..]);
            self.at += run.length;
            beyond_ascii |= run.maybe_beyond_ascii;
        }
        if beyond_ascii && std::str::from_utf8(&self.body[begin..self.at]).is_err() {
            return Err(Doubt);
        }
        self.at += 1;
        Ok(escapes)
    }

    /// Passes one escape. Half a surrogate pair is one, here as in the grammar.
    fn escape(&mut self) -> Result<(), Doubt> {
        let rest = &self.body[self.at..];
        self.at += match rest {
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => 2,
            [b'\\', b'u', digits @ ..] if digits.len() >= 4 => {
                let hex = digits[..4].iter().all(u8::is_ascii_hexdigit);
                hex.then_some(6).ok_or(Doubt)?
            }
            _ => return Err(Doubt),
        };
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Doubt> {
        let begin = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > begin).then_some(()).ok_or(Doubt)
    }

    fn number(&mut self) -> Result<(), Doubt> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if self.peek() | 0x20 == b'e' {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Doubt> {
        let found = self.body[self.at..].starts_with(word);
        self.at += word.len();
        found.then_some(()).ok_or(Doubt)
    }

    /// Passes a value, without the white space behind it. Returns how deep containers are in it, and whether it has escapes.
    fn value(&mut self) -> Result<(u32, bool), Doubt> {
        // The containers that are open: how many, and of each, the innermost lowest, whether it is an object.
        let (mut depth, mut objects, mut deepest, mut escapes) = (0u32, 0u128, 0, false);
        loop {
            match self.peek() {
                b'"' => escapes |= self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                open @ (b'{' | b'[') => {
                    let is_object = open == b'{';
                    if depth == DEPTH_MAX {
                        return Err(Doubt);
                    }
                    depth += 1;
                    deepest = deepest.max(depth);
                    objects = objects << 1 | u128::from(is_object);
                    self.pass(open)?;
                    // What closes it comes two behind.
                    if self.peek() != open + 2 {
                        if is_object {
                            escapes |= self.name_inside()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return Err(Doubt),
            }
            loop {
                if depth == 0 {
                    return Ok((deepest, escapes));
                }
                self.blank();
                let is_object = objects & 1 == 1;
                match self.peek() {
                    b',' => {
                        self.pass(b',')?;
                        if is_object {
                            escapes |= self.name_inside()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return Err(Doubt),
                }
                self.at += 1;
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// Passes the name of a member of an object that is left as text; true when it has escapes.
    #[inline]
    fn name_inside(&mut self) -> Result<bool, Doubt> {
        let escapes = self.string()?;
        self.blank();
        self.pass(b':')?;
        Ok(escapes)
    }

    /// The text from `begin` to where the reader is.
    ///
    /// # Safety
    /// The reader passed it, and both ends are those of a value or of a string's inside: of what the reader passes, all that
    /// lies outside of strings is ASCII, and the inside of each string is UTF-8.
    unsafe fn passed(&self, begin: usize, end: usize) -> &'de str {
        let passed = &self.body[begin..end];
        debug_assert!(std::str::from_utf8(passed).is_ok());
        // SAFETY: as above.
        unsafe { std::str::from_utf8_unchecked(passed) }
    }

    fn object<T: Object<'de>>(&mut self, read: Read<'_, T>) -> Result<(), Doubt> {
        self.blank();
        self.pass(b'{')?;
        let mut members = InObject {
            reader: self,
            is_first: true,
        };
        read.members(&mut members)?;
        self.at += 1;
        Ok(())
    }
}

/// The members of an object, behind its brace; then the reader is at the brace that closes it.
struct InObject<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
}

impl<'de> Members<'de> for InObject<'_, 'de> {
    type Error = Doubt;

    fn name(&mut self) -> Result<Option<Cow<'de, str>>, Doubt> {
        let reader = &mut *self.reader;
        if !reader.goes_on(&mut self.is_first, b'}')? {
            return Ok(None);
        }
        let begin = reader.at + 1;
        if reader.string()? {
            return Err(Doubt);
        }
        // SAFETY: it is the inside of a string that was passed.
        let name = unsafe { reader.passed(begin, reader.at - 1) };
        reader.blank();
        reader.pass(b':')?;
        Ok(Some(Cow::Borrowed(name)))
    }

    fn raw(&mut self) -> Result<Raw<'de>, Doubt> {
        let begin = self.reader.at;
        let (depth, escapes) = self.reader.value()?;
        // SAFETY: it is a value that was passed.
        let text = unsafe { self.reader.passed(begin, self.reader.at) };
        Ok(Raw::looked_at(text, depth, escapes))
    }

    fn array<S: Schema, F>(&mut self, read: ReadArray<'_, F, S>) -> Result<usize, Doubt>
    where
        F: FnMut(&Fields<'de, S>, &mut Faults),
    {
        self.reader.pass(b'[')?;
        let mut items = InArray {
            reader: self.reader,
            is_first: true,
        };
        let count = read.items(&mut items)?;
        self.reader.at += 1;
        Ok(count)
    }

    fn skip(&mut self) -> Result<(), Doubt> {
        Err(Doubt)
    }

    fn stop() -> Doubt {
        Doubt
    }
}

/// The items of an array, behind its bracket; then the reader is at the bracket that closes it.
struct InArray<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
}

impl<'de> Items<'de> for InArray<'_, 'de> {
    type Error = Doubt;

    fn object<T: Object<'de>>(&mut self, read: Read<'_, T>) -> Result<bool, Doubt> {
        let goes_on = self.reader.goes_on(&mut self.is_first, b']')?;
        if goes_on {
            self.reader.object(read)?;
        }
        Ok(goes_on)
    }

    fn skip(&mut self) -> Result<bool, Doubt> {
        self.reader.blank();
        (self.reader.peek() == b']').then_some(false).ok_or(Doubt)
    }

    fn stop() -> Doubt {
        Doubt
    }
}
