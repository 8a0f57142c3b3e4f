//! Finds string fields in the answers of the API, by their name, without parsing the rest. Ids and receipts need no
//! unescaping, and payloads of the benchmarks hold no field of these names. An answer can be 100 KB, and what it takes
//! to look through it is taken from the server, which shares the machine.

use memchr::{memchr, memmem};

/// Every value of the string field `name`, in order.
pub fn strings<'a>(body: &'a [u8], name: &str) -> Vec<&'a str> {
    let opening = format!("\"{name}\":\"");
    memmem::find_iter(body, opening.as_bytes())
        .filter_map(|at| {
            let value = &body[at + opening.len()..];
            std::str::from_utf8(&value[..memchr(b'"', value)?]).ok()
        })
        .collect()
}

/// The value of the first integer field `name`.
pub fn integer(body: &[u8], name: &str) -> Option<u64> {
    let opening = format!("\"{name}\":");
    let rest = &body[memmem::find(body, opening.as_bytes())? + opening.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{integer, strings};

    #[test]
    fn finds_fields_in_order() {
        let body = br#"{"results":[{"id":"a","state":"ready"},{"id":"b"}],"failed":12}"#;
        assert_eq!(strings(body, "id"), ["a", "b"]);
        assert_eq!(integer(body, "failed"), Some(12));
        assert_eq!(integer(body, "ready"), None);
    }
}
