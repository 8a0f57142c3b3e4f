//! Writing JSON. Commas take care of themselves: a value is preceded by one unless it is the first of its container.
//! Payloads stay where they are until the whole is written, once, into memory of its exact size.

use crate::id;
use crate::instant::{self, INSTANT_CHARS, INSTANT_FIRST};
use crate::out::Out;
use engine::ids::{MessageId, PartitionNumber};

/// JSON under construction, or written: what was made here, and where among it something is spliced in.
pub struct Json<'a> {
    out: Vec<u8>,
    /// Each follows so many bytes of `out`; ascending.
    splices: Vec<(usize, &'a [u8])>,
    spliced_bytes: usize,
    /// The two that were written last: an answer's messages share most of theirs.
    instants: [(u64, [u8; INSTANT_CHARS]); 2],
}

impl<'a> Json<'a> {
    /// `bytes`: about how many are made here. `splices`: about how many come from elsewhere.
    pub(super) fn with_capacity(bytes: usize, splices: usize) -> Json<'a> {
        Json {
            out: Vec::with_capacity(bytes),
            splices: Vec::with_capacity(splices),
            spliced_bytes: 0,
            instants: [(0, *INSTANT_FIRST); 2],
        }
    }

    /// Bytes in all.
    pub fn length(&self) -> usize {
        self.out.len() + self.spliced_bytes
    }

    /// Writes all of it.
    pub fn write(&self, out: &mut impl Out) {
        let mut at = 0;
        for &(after, spliced) in &self.splices {
            out.put(&self.out[at..after]);
            out.put(spliced);
            at = after;
        }
        out.put(&self.out[at..]);
    }

    /// All of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        self.write(&mut bytes);
        bytes
    }

    fn comma(&mut self) {
        let begins = matches!(self.out.last(), None | Some(b'{' | b'[' | b':'));
        let spliced = || {
            let last = self.splices.last();
            last.is_some_and(|(after, _)| *after == self.out.len())
        };
        if !begins || spliced() {
            self.out.push(b',');
        }
    }

    /// Bytes that are JSON already, and stay where they are until all is written.
    pub(super) fn splice(&mut self, name: &'static str, raw: &'a [u8]) {
        self.name(name);
        self.splices.push((self.out.len(), raw));
        self.spliced_bytes += raw.len();
    }

    /// A field's name; names need no escapes.
    pub(super) fn name(&mut self, name: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// An object, as a value.
    pub(super) fn object(&mut self, fields: impl FnOnce(&mut Json<'a>)) {
        self.comma();
        self.out.push(b'{');
        fields(self);
        self.out.push(b'}');
    }

    /// An array, as a value.
    pub(super) fn array(&mut self, items: impl FnOnce(&mut Json<'a>)) {
        self.comma();
        self.out.push(b'[');
        items(self);
        self.out.push(b']');
    }

    /// An object of names that are not known beforehand and plain texts, as a value.
    pub(super) fn map<'b>(&mut self, fields: impl Iterator<Item = (&'b str, &'b [u8])>) {
        self.object(|json| {
            for (name, text) in fields {
                json.comma();
                serde_json::to_writer(&mut json.out, name).expect("writing to memory can't fail");
                json.out.extend_from_slice(b":\"");
                json.out.extend_from_slice(text);
                json.out.push(b'"');
            }
        });
    }

    /// Bytes that are JSON already.
    pub(super) fn raw(&mut self, name: &'static str, raw: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(raw);
    }

    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.out, text).expect("writing to memory can't fail");
    }

    /// A text of which every character stands for itself.
    pub(super) fn plain(&mut self, name: &'static str, text: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(text);
        self.out.push(b'"');
    }

    pub(super) fn boolean(&mut self, name: &'static str, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }

    pub(super) fn null(&mut self, name: &'static str) {
        self.raw(name, b"null");
    }

    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.digits(value);
    }

    /// A number under a name that somebody else chose.
    pub(super) fn number_of(&mut self, name: &str, value: u64) {
        self.comma();
        serde_json::to_writer(&mut self.out, name).expect("writing to memory can't fail");
        self.out.push(b':');
        self.digits(value);
    }

    fn digits(&mut self, mut value: u64) {
        let (mut digits, mut at) = ([0u8; 20], 20);
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    /// Thousandths as a decimal number: milliseconds as seconds. 1500 is 1.5, 30000 is 30.
    pub(super) fn thousandths(&mut self, name: &'static str, value: u64) {
        self.number(name, value / 1000);
        let mut rest = value % 1000;
        if rest == 0 {
            return;
        }
        self.out.push(b'.');
        let mut place = 100;
        while rest > 0 {
            self.out.push(b'0' + (rest / place) as u8);
            rest %= place;
            place /= 10;
        }
    }

    pub(super) fn instant(&mut self, name: &'static str, ms: u64) {
        if self.instants[0].0 != ms {
            self.instants.swap(0, 1);
        }
        if self.instants[0].0 != ms {
            self.instants[0] = (ms, instant::text(ms));
        }
        let text = self.instants[0].1;
        self.plain(name, &text);
    }

    /// An id, as an item of an array.
    pub(super) fn id_item(&mut self, partition: PartitionNumber, message: MessageId) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(&id::encode(partition, message));
        self.out.push(b'"');
    }

    pub(super) fn id(
        &mut self,
        name: &'static str,
        partition: PartitionNumber,
        message: MessageId,
    ) {
        self.plain(name, &id::encode(partition, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<'a>(write: impl FnOnce(&mut Json<'a>)) -> String {
        let mut json = Json::with_capacity(0, 0);
        json.object(write);
        let bytes = json.to_bytes();
        assert_eq!(bytes.len(), json.length());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_are_spelled_shortly() {
        let known = [
            (0, "0"),
            (1, "0.001"),
            (50, "0.05"),
            (1500, "1.5"),
            (30_000, "30"),
            (123_456, "123.456"),
        ];
        for (value, text) in known {
            assert_eq!(
                written(|json| json.thousandths("x", value)),
                format!("{{\"x\":{text}}}")
            );
        }
        assert_eq!(
            written(|json| json.number("x", u64::MAX)),
            format!("{{\"x\":{}}}", u64::MAX)
        );
    }

    #[test]
    fn an_instant_is_its_own_whatever_came_before() {
        let (first, second, third) = (0, 1_767_323_045_678, 951_782_400_000);
        for order in [
            [first, second, first, third, second, third],
            [third, third, second, first, first, second],
        ] {
            let text = written(|json| order.iter().for_each(|ms| json.instant("x", *ms)));
            let each = order.map(|ms| format!("\"x\":\"{}\"", instant::text(ms).escape_ascii()));
            assert_eq!(text, format!("{{{}}}", each.join(",")));
        }
    }

    #[test]
    fn commas_separate() {
        let text = written(|json| {
            json.name("a");
            json.array(|json| {
                json.object(|json| json.null("b"));
                json.object(|_| {});
            });
            json.text("c", "\"\n\u{1f600}");
            json.boolean("d", true);
            json.number_of("\"e", 7);
            json.splice("f", b"[[");
            json.splice("g", b"");
            json.name("h");
            json.array(|json| json.object(|json| json.splice("i", b"{")));
        });
        assert_eq!(
            text,
            "{\"a\":[{\"b\":null},{}],\"c\":\"\\\"\\n\u{1f600}\",\"d\":true,\"\\\"e\":7,\"f\":[[,\"g\":,\"h\":[{\"i\":{}]}"
        );
    }
}
