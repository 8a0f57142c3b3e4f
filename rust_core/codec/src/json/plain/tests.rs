//! What the plain reader gives is what the careful one gives; and it gives whatever is plain.

use super::super::array::ReadArray;
use super::super::careful;
use super::super::faults::Faults;
use super::super::object::{Fields, Members, Object, Schema};
use super::super::raw::{self, Raw};
use super::Doubt;
use proptest::prelude::*;

struct Entry;

impl Schema for Entry {
    const WHAT: &'static str = "an entry";
    const FIELDS: &'static [&'static str] = &["payload", "key"];
    const REQUIRED: u32 = 1;
    const NULLABLE: u32 = 1;
}

/// All that a body says, in order.
#[derive(Default)]
struct Said<'de>(Vec<Option<Raw<'de>>>);

impl<'de> Object<'de> for Said<'de> {
    const WHAT: &'static str = "a body";
    const FIELDS: &'static [&'static str] = &["value", "entries"];

    fn field<M: Members<'de>>(
        &mut self,
        index: usize,
        members: &mut M,
        faults: &mut Faults,
    ) -> Result<(), M::Error> {
        if index == 0 {
            self.0.push(Some(members.raw()?));
            return Ok(());
        }
        let take = |fields: &Fields<'de, Entry>, _: &mut Faults| {
            self.0.extend([fields.raw(0), fields.raw(1), None]);
        };
        members
            .array(ReadArray::new("entries", 3, faults, take))
            .map(|_| ())
    }
}

/// True when the plain reader has no doubt. What it says then is what the careful one says.
fn is_read(body: &[u8]) -> bool {
    let (mut plain, mut faults) = (Said::default(), Faults::default());
    let read = super::read(body, &mut plain, &mut faults);
    if read == Err(Doubt) || !faults.is_empty() {
        return false;
    }
    let mut said = Said::default();
    let read = careful::read(body, &mut said, &mut faults);
    assert!(read.is_ok() && faults.is_empty(), "{}", body.escape_ascii());
    assert_eq!(plain.0.len(), said.0.len());
    for (plain, careful) in plain.0.iter().zip(&said.0) {
        let text = careful.map(|raw| raw.text);
        assert_eq!(plain.map(|raw| raw.text), text);
        if let Some(raw) = plain {
            let bytes = raw.text.as_bytes();
            let expected = (raw::depth(bytes) as u32, raw::seen(bytes).1);
            assert_eq!(raw.seen, Some(expected), "{}", raw.text);
        }
    }
    true
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 2 => Just(" "), 1 => Just("\n\t\r ")]
}

/// A string as it is written.
fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,40}",
        1 => "\\PC{0,12}".prop_map(|text| text.replace(['"', '\\'], "\u{e9}")),
        1 => prop_oneof![Just("\\n"), Just("\\\""), Just("\\\\"), Just("\\u00e9"), Just("\\ud800")]
            .prop_map(String::from),
    ];
    let parts = proptest::collection::vec(part, 0..4);
    parts.prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn name() -> impl Strategy<Value = String> {
    "[a-z{}\\[\\],:]{0,20}".prop_map(|name| format!("\"{name}\""))
}

fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?"
}

fn value() -> impl Strategy<Value = String> {
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(String::from);
    let leaf = prop_oneof![string(), number(), word];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let items = proptest::collection::vec((blank(), inner.clone(), blank()), 0..4);
        let array = (blank(), items).prop_map(|(blank, items)| {
            let items = items
                .iter()
                .map(|(before, item, after)| [*before, item, *after].concat());
            format!("[{blank}{}]", items.collect::<Vec<_>>().join(","))
        });
        let members = proptest::collection::vec((name(), blank(), inner, blank()), 0..4);
        let object = (blank(), members).prop_map(|(blank, members)| {
            let members = members.iter().map(|(name, before, value, after)| {
                format!("{before}{name}{after}:{before}{value}{after}")
            });
            format!("{{{blank}{}}}", members.collect::<Vec<_>>().join(","))
        });
        prop_oneof![array, object]
    })
}

prop_compose! {
    fn bodies()(
        (alone, first, second, key) in (value(), value(), value(), string()),
        (one, two) in (blank(), blank()),
    ) -> String {
        format!(
            r#"{one}{{{two}"entries"{one}:{two}[{one}{{"payload":{first}{two}}}{one},{two}{{"key"{one}:{key},"payload": {second}}}{two}],"value":{alone}{one}}}{two}"#
        )
    }
}

/// Bytes that mean something in JSON, and some that never do.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        proptest::sample::select(
            b"{}[]:,\"\\ \n0123456789-+.eEtfnu\0\x1f\x7f\x80\xc3\xa9\xed\xa0\xf4\xff".to_vec()
        ),
        any::<u8>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_plain_is_read(body in bodies()) {
        prop_assert!(is_read(body.as_bytes()), "{}", body);
    }

    #[test]
    fn what_is_spoiled_is_read_as_by_the_careful_one_or_not_at_all(
        body in bodies(),
        spoiled in proptest::collection::vec(changes(), 100),
    ) {
        for changes in spoiled {
            let mut body = body.clone().into_bytes();
            for (at, byte, how) in changes {
                let at = at.index(body.len());
                match how {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => drop(body.remove(at)),
                }
            }
            is_read(&body);
        }
    }
}

/// Where, what and how.
fn changes() -> impl Strategy<Value = Vec<(proptest::sample::Index, u8, u8)>> {
    let change = (any::<proptest::sample::Index>(), byte(), 0..3u8);
    proptest::collection::vec(change, 1..4)
}

#[test]
fn a_body_that_ends_early_is_not_read() {
    let body = br#"{"value":[1.5e3,"\u00e9\ud800 and so on, beyond a block",{"a":[true,{}]}],"entries":[{"payload":-0}]}"#;
    assert!(is_read(body));
    for end in 0..body.len() {
        assert!(!is_read(&body[..end]), "{end}");
    }
}

#[test]
fn what_has_anything_wrong_is_doubted() {
    let doubtful: [&[u8]; 22] = [
        b"[]",
        b"null",
        b"{} {}",
        b"{\"value\":1,}",
        b"{,\"value\":1}",
        b"{\"value\":1 \"value\":2}",
        b"{\"value\":1,\"value\":2}",
        b"{\"others\":1}",
        b"{\"v\\u0061lue\":1}",
        b"{\"value\":01}",
        b"{\"value\":1.}",
        b"{\"value\":.1}",
        b"{\"value\":+1}",
        b"{\"value\":1e}",
        b"{\"value\":nul}",
        b"{\"value\":\"\x1f\"}",
        b"{\"value\":\"\\x\"}",
        b"{\"value\":\"\\u12g4\"}",
        b"{\"value\":\"\xed\xa0\x80\"}",
        b"{\"value\":\xc3\xa9}",
        b"{\"entries\":[{}]}",
        b"{\"entries\":[1]}",
    ];
    for body in doubtful {
        assert!(!is_read(body), "{}", body.escape_ascii());
    }
    let four = r#"{"payload":0},"#.repeat(4);
    let body = |entries: &str| format!("{{\"entries\":[{}]}}", entries.trim_end_matches(','));
    assert!(is_read(body(&four[..four.len() / 4 * 3]).as_bytes()));
    assert!(!is_read(body(&four).as_bytes()));
}

#[test]
fn containers_are_counted_as_deep_as_can_be_remembered() {
    let nested = |levels: usize| {
        let half = levels / 2;
        let inside = "[".repeat(levels - half) + &"]".repeat(levels - half);
        format!(
            "{{\"value\":{}{inside}{}}}",
            "{\"a\":".repeat(half),
            "}".repeat(half)
        )
    };
    assert!(is_read(nested(128).as_bytes()));
    assert!(!is_read(nested(129).as_bytes()));
    assert!(!is_read(br#"{"value":[}]}"#) && !is_read(br#"{"value":{"a":[1}]}}"#));
}
