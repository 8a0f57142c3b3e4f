//! One keep-alive connection that sends a request and reads the whole answer. HTTP/1.1 with `Content-Length` only,
//! which is what the servers measured here answer with; anything else is an error, not a guess.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// Room for what the next read brings.
const READ_AHEAD: usize = 65536;

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
    pub async fn open(address: &str) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(READ_AHEAD),
            body_start: 0,
        })
    }

    /// Sends a complete request and reads its answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Status> {
        timeout(PATIENCE, self.exchange(request)).await?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Status> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = self.read_head().await?;
        let head =
            std::str::from_utf8(&self.buffer[..head_end]).map_err(|_| invalid("no UTF-8"))?;
        let status = parse_status(head)?;
        let length = parse_length(head)?;
        self.body_start = head_end;
        self.read_until(head_end + length).await?;
        Ok(status)
    }

    /// The last answer's body.
    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body_start..]
    }

    async fn read_head(&mut self) -> Result<usize> {
        let mut searched = 0;
        loop {
            self.read_some().await?;
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

    async fn read_until(&mut self, length: usize) -> Result<()> {
        while self.buffer.len() < length {
            self.read_some().await?;
        }
        Ok(())
    }

    async fn read_some(&mut self) -> Result<()> {
        self.buffer.reserve(READ_AHEAD);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection",
            ));
        }
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
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| invalid("no Content-Length"))
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidData, detail)
}
