//! One keep-alive connection that sends a request and reads the whole answer. HTTP/1.1 with `Content-Length` only,
//! which is what the servers measured here answer with; anything else is an error, not a guess.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer's status; its body stays in [`Connection::body`].
pub type Status = u16;

/// A connection and its buffer.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_start: usize,
}

impl Connection {
    /// Connects to `address` (`host:port`).
    pub fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(1 << 20),
            body_start: 0,
        })
    }

    /// Sends a complete request and reads its answer.
    pub fn send(&mut self, request: &[u8]) -> Result<Status> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let head_end = self.read_head()?;
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = parse_status(&head)?;
        self.body_start = head_end;
        self.read_until(head_end + parse_length(&head)?)?;
        Ok(status)
    }

    /// The last answer's body.
    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body_start..]
    }

    fn read_head(&mut self) -> Result<usize> {
        let mut searched = 0;
        loop {
            self.read_some()?;
            let from = searched.min(self.buffer.len());
            if let Some(at) = self.buffer[from..]
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                return Ok(from + at + 4);
            }
            searched = self.buffer.len().saturating_sub(3);
        }
    }

    fn read_until(&mut self, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            self.read_some()?;
        }
        Ok(())
    }

    fn read_some(&mut self) -> Result<()> {
        let mut chunk = [0; 65536];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection",
            ));
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

/// A complete request, ready to send again and again.
pub fn request(method: &str, target: &str, address: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn parse_status(head: &str) -> Result<Status> {
    head.split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("no status line"))
}

fn parse_length(head: &str) -> Result<usize> {
    head.lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| invalid("no Content-Length"))
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidData, detail)
}
