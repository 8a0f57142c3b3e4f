//! A request that came whole, in one piece, and in the plainest way HTTP has.
//!
//! Owns which bytes are surely read the same by every reader of HTTP/1.1. Anything else, right or wrong, is none: the
//! server's general parser reads it, and says what is wrong with it. So a doubt here costs time, and never an answer.

use std::ops::Range;

/// What a plain request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb<'a> {
    /// A GET without a body, and its query of plain characters: empty when there is none.
    Get(&'a str),
    /// A POST without a query, whose body is JSON and ends where the bytes end.
    Post,
}

/// The head of a request that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// GET or POST.
    pub verb: Verb<'a>,
    /// As sent: a path of plain characters.
    pub path: &'a str,
    /// The value of the header, as sent.
    pub authorization: &'a [u8],
    /// The value of `X-Request-Id`, as sent.
    pub request_id: Option<&'a [u8]>,
    /// Where the body lies.
    pub body: Range<usize>,
}

/// Larger heads are read by the general parser, which has bounds for them.
const HEAD_BYTES_MAX: usize = 4096;
const HEADERS_MAX: usize = 32;

impl<'a> Plain<'a> {
    /// What `data` is, when it is nothing but that.
    pub fn whole(data: &'a [u8]) -> Option<Plain<'a>> {
        let mut lines = Lines { data, at: 0 };
        let (verb, path) = request(lines.next()?)?;
        let (mut authorization, mut request_id, mut length, mut json) = (None, None, None, false);
        for _ in 0..=HEADERS_MAX {
            let line = lines.next()?;
            if line.is_empty() {
                let body = lines.at..data.len();
                let whole = match verb {
                    Verb::Get(_) => body.is_empty() && length.unwrap_or(0) == 0,
                    Verb::Post => json && length == Some(body.len()),
                };
                return whole.then_some(Plain {
                    verb,
                    path,
                    authorization: authorization?,
                    request_id,
                    body,
                });
            }
            let (name, value) = header(line)?;
            match known(name) {
                Known::Authorization => once(&mut authorization, value)?,
                Known::RequestId => once(&mut request_id, value)?,
                Known::Length => once(&mut length, decimal(value)?)?,
                Known::Type if !json && value == b"application/json" => json = true,
                Known::Connection if value.eq_ignore_ascii_case(b"keep-alive") => {}
                Known::Other => {}
                Known::Type | Known::Connection | Known::Special => return None,
            }
        }
        None
    }
}

/// What a header is to this reader.
enum Known {
    Authorization,
    RequestId,
    Length,
    Type,
    Connection,
    /// It changes how the request is read.
    Special,
    /// Nobody reads it.
    Other,
}

fn known(name: &[u8]) -> Known {
    let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
    match name.len() {
        13 if is("authorization") => Known::Authorization,
        12 if is("x-request-id") => Known::RequestId,
        12 if is("content-type") => Known::Type,
        14 if is("content-length") => Known::Length,
        10 if is("connection") => Known::Connection,
        6 if is("expect") => Known::Special,
        7 if is("upgrade") || is("trailer") => Known::Special,
        16 if is("content-encoding") => Known::Special,
        17 if is("transfer-encoding") => Known::Special,
        16 if is("proxy-connection") => Known::Special,
        _ => Known::Other,
    }
}

/// The lines of a head, each ended by CR LF and free of both.
struct Lines<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.data.len().min(HEAD_BYTES_MAX);
        let rest = self.data.get(self.at..end)?;
        let length = rest.iter().position(|byte| *byte == b'\r')?;
        if rest.get(length + 1) != Some(&b'\n') {
            return None;
        }
        self.at += length + 2;
        Some(&rest[..length])
    }
}

/// Verb and path of `GET path?query HTTP/1.1` or `POST path HTTP/1.1`.
fn request(line: &[u8]) -> Option<(Verb<'_>, &str)> {
    let line = line.strip_suffix(b" HTTP/1.1")?;
    let (verb, path) = match line.strip_prefix(b"POST ") {
        Some(path) => (Verb::Post, path),
        None => {
            let target = line.strip_prefix(b"GET ")?;
            let end = target.iter().position(|byte| *byte == b'?');
            let query = end.map_or(&[][..], |end| &target[end + 1..]);
            let path = &target[..end.unwrap_or(target.len())];
            (Verb::Get(plain(query, b"&=._-")?), path)
        }
    };
    let path = plain(path, b"/._-")?;
    path.starts_with('/').then_some((verb, path))
}

/// `text`, when each character of it is a letter, a digit or one of `others`.
fn plain<'a>(text: &'a [u8], others: &[u8]) -> Option<&'a str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || others.contains(byte);
    let all_plain = text.iter().all(is_plain);
    all_plain.then(|| std::str::from_utf8(text).ok()).flatten()
}

/// Name and value of `name: value`, without white space around the value.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_value = |byte: &u8| matches!(byte, b' '..=b'~');
    let plain = !name.is_empty() && name.iter().all(is_name) && value.iter().all(is_value);
    plain.then_some((name, value))
}

/// Without the white space that HTTP allows around a value: spaces and tabs, nothing else.
fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = value.iter().position(|byte| !blank(byte));
    let end = value.iter().rposition(|byte| !blank(byte));
    match (begin, end) {
        (Some(begin), Some(end)) => &value[begin..=end],
        _ => &[],
    }
}

pub(crate) fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// A number of at most nine digits.
fn decimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = text.iter().map(|digit| usize::from(digit - b'0'));
    Some(digits.fold(0, |number, digit| number * 10 + digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "POST /v1/queues/q/messages HTTP/1.1\r\n";
    const PLAIN: &str = "Host: x\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n";

    fn sent(line: &str, headers: &str, body: &str) -> Vec<u8> {
        format!(
            "{line}{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    #[test]
    fn a_plain_post_is_read() {
        let more = "X-Request-Id:  a1 \r\nconnection: Keep-Alive\r\nAccept: */*\r\n";
        let data = sent(LINE, &format!("{PLAIN}{more}"), "{\"payload\":1}");
        let post = Plain::whole(&data).expect("it is plain");
        assert_eq!(
            (post.verb, post.path),
            (Verb::Post, "/v1/queues/q/messages")
        );
        assert_eq!(post.authorization, b"Bearer k");
        assert_eq!(post.request_id, Some(&b"a1"[..]));
        assert_eq!(&data[post.body], b"{\"payload\":1}");
    }

    #[test]
    fn a_plain_get_is_read() {
        for (target, path, query) in [
            ("/a/b-1", "/a/b-1", ""),
            ("/a?b=1&c_d=2.5", "/a", "b=1&c_d=2.5"),
        ] {
            for body in [
                "",
                "Content-Length: 0\r\n",
                "Content-Type: application/json\r\n",
            ] {
                let data = format!("GET {target} HTTP/1.1\r\nAuthorization: k\r\n{body}\r\n");
                let get = Plain::whole(data.as_bytes()).expect("it is plain");
                assert_eq!((get.verb, get.path), (Verb::Get(query), path));
            }
        }
    }

    #[test]
    fn a_get_with_a_body_or_what_needs_decoding_is_not() {
        for target in [
            "/a?b=%20",
            "/a?b=1+2",
            "/a?b#c",
            "/a?b?c",
            "/%61",
            "a",
            "/a b",
            "*",
            "/a?b=\u{e4}",
        ] {
            let data = format!("GET {target} HTTP/1.1\r\nAuthorization: k\r\n\r\n");
            assert_eq!(Plain::whole(data.as_bytes()), None, "{target}");
        }
        for rest in [
            "Content-Length: 1\r\n\r\n1",
            "\r\n1",
            "Content-Length: 1\r\n\r\n",
            "\r",
        ] {
            let data = format!("GET /a HTTP/1.1\r\nAuthorization: k\r\n{rest}");
            assert_eq!(Plain::whole(data.as_bytes()), None, "{rest}");
        }
    }

    #[test]
    fn a_part_or_more_than_it_is_not() {
        let data = sent(LINE, PLAIN, "{}");
        for length in 0..data.len() {
            assert_eq!(Plain::whole(&data[..length]), None, "{length}");
        }
        assert_eq!(Plain::whole(&[&data[..], b" "].concat()), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not() {
        let lines = [
            "GET /v1/queues/q/messages HTTP/1.1\r\n",
            "POST /v1/queues/q/messages HTTP/1.0\r\n",
            "POST /v1/queues/q/messages?x=1 HTTP/1.1\r\n",
            "POST /v1/queues/%71/messages HTTP/1.1\r\n",
            "POST /v1/queues/q /messages HTTP/1.1\r\n",
            "POST http://x/v1/queues/q/messages HTTP/1.1\r\n",
            "POST * HTTP/1.1\r\n",
            "POST /v1/queues/q/messages HTTP/1.1\n",
        ];
        for line in lines {
            assert_eq!(Plain::whole(&sent(line, PLAIN, "{}")), None, "{line}");
        }
        let headers = [
            "Content-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Expect: 100-continue\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive, upgrade\r\n",
            "Upgrade: websocket\r\n",
            "Content-Encoding: gzip\r\n",
            "Content-Type: application/json\r\n",
            "Authorization: Bearer other\r\n",
            "Name : value\r\n",
            ": value\r\n",
            "no colon\r\n",
            " folded: value\r\n",
            "bare: a\nb: c\r\n",
            "bare: a\rb\r\n",
            "bare:\nTransfer-Encoding: chunked\r\n",
            "bare: \n Transfer-Encoding: chunked\r\n",
            "bare: a\n\r\n",
            "feed:\x0cy\r\n",
            "nul: \0\r\n",
            "latin: \u{e4}\r\n",
        ];
        for header in headers {
            let data = sent(LINE, &format!("{PLAIN}{header}"), "{}");
            assert_eq!(Plain::whole(&data), None, "{header}");
        }
        for length in [
            "+2",
            "2 2",
            "0x2",
            "",
            "-2",
            "1",
            "3",
            "99999999999999999999",
        ] {
            let data = format!("{LINE}{PLAIN}Content-Length: {length}\r\n\r\n{{}}");
            assert_eq!(Plain::whole(data.as_bytes()), None, "{length}");
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_not() {
        let none = "Host: x\r\nAuthorization: Bearer k\r\n";
        assert_eq!(Plain::whole(&sent(LINE, none, "{}")), None);
        assert_eq!(
            Plain::whole(&sent(LINE, "Content-Type: application/json\r\n", "{}")),
            None
        );
        assert_eq!(
            Plain::whole(&sent(LINE, &PLAIN.replace("json", "jsonx"), "{}")),
            None
        );
        let many = "x: y\r\n".repeat(HEADERS_MAX);
        assert_eq!(
            Plain::whole(&sent(LINE, &format!("{PLAIN}{many}"), "{}")),
            None
        );
        let long = format!("x: {}\r\n", "y".repeat(HEAD_BYTES_MAX));
        assert_eq!(
            Plain::whole(&sent(LINE, &format!("{PLAIN}{long}"), "{}")),
            None
        );
    }
}
