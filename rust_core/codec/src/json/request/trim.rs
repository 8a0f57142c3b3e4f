//! What the server asks by itself to trim the journal.

use super::Request;
use engine::command::{Command, Trim};

/// Where the journal may begin; see [`Trim`]. It records nothing.
pub fn trim(trim: Trim) -> Request {
    Request::plain(Command::Trim(trim), 0)
}
