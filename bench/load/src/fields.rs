//! Finds string fields in the answers of the API, by their name, without parsing the rest. Ids and receipts need no
//! unescaping, and payloads of the benchmarks hold no field of these names.

/// Every value of the string field `name`, in order.
pub fn strings<'a>(body: &'a [u8], name: &str) -> Vec<&'a str> {
    let text = std::str::from_utf8(body).unwrap_or("");
    let opening = format!("\"{name}\":\"");
    text.match_indices(&opening)
        .filter_map(|(at, found)| text[at + found.len()..].split('"').next())
        .collect()
}

/// The value of the first integer field `name`.
pub fn integer(body: &[u8], name: &str) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let opening = format!("\"{name}\":");
    let rest = &text[text.find(&opening)? + opening.len()..];
    let end = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
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
