//! Receives that came whole: what of a GET's head is read, and what is left to the general parser.

use codec::http::{Plain, Verb};

#[test]
fn a_query_of_plain_characters_alone_is_read() {
    for byte in 0..=u8::MAX {
        let data = [
            b"GET /a?b=1".as_slice(),
            &[byte],
            b" HTTP/1.1\r\nAuthorization: k\r\n\r\n",
        ]
        .concat();
        let read = Plain::whole(&data).map(|get| (get.path, get.verb));
        let is_plain = byte.is_ascii_alphanumeric() || b"&=._-".contains(&byte);
        let query = format!("b=1{}", byte as char);
        let expected = is_plain.then_some(("/a", Verb::Get(&query)));
        assert_eq!(read, expected, "{byte}");
    }
    let empty = b"GET /a? HTTP/1.1\r\nAuthorization: k\r\n\r\n";
    let get = Plain::whole(empty).expect("it is plain");
    assert_eq!((get.verb, get.path), (Verb::Get(""), "/a"));
}

#[test]
fn a_get_whose_head_could_be_read_in_two_ways_is_not() {
    let lines = [
        "GET /a HTTP/1.0",
        "GET  /a HTTP/1.1",
        "GET /a  HTTP/1.1",
        "get /a HTTP/1.1",
        "GET\t/a HTTP/1.1",
        "HEAD /a HTTP/1.1",
        "GET http://x/a HTTP/1.1",
        "GET ?b=1 HTTP/1.1",
    ];
    for line in lines {
        let data = format!("{line}\r\nAuthorization: k\r\n\r\n");
        assert_eq!(Plain::whole(data.as_bytes()), None, "{line}");
    }
    let headers = [
        "Authorization: other\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 00000000000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "Upgrade: h2c\r\n",
        "Content-Type: text/plain\r\n",
        " folded: value\r\n",
    ];
    for header in headers {
        let data = format!("GET /a HTTP/1.1\r\nAuthorization: k\r\n{header}\r\n");
        assert_eq!(Plain::whole(data.as_bytes()), None, "{header}");
    }
    assert_eq!(Plain::whole(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), None);
}

#[test]
fn a_part_of_a_get_or_more_than_it_is_not() {
    let data = b"GET /a?b=1 HTTP/1.1\r\nAuthorization: k\r\nContent-Length: 0\r\n\r\n";
    assert!(Plain::whole(data).is_some());
    for length in 0..data.len() {
        assert_eq!(Plain::whole(&data[..length]), None, "{length}");
    }
    assert_eq!(Plain::whole(&[&data[..], &data[..]].concat()), None);
}
