//! A request that can't be understood or breaks a limit.

use std::borrow::Cow;
use std::fmt;

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the body, "" for the whole; or `?name` for a parameter of the query.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Why a request was not made a command. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// One of spec/errors.toml.
    pub code: &'static str,
    /// For people.
    pub detail: Cow<'static, str>,
    /// Each fault of body or query; empty when the fault is in neither.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// A fault that is not in the body.
    pub fn new(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Invalid {
            code,
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    /// A parameter of the query; `detail` goes on after its name.
    pub(super) fn parameter(name: &str, detail: String) -> Self {
        Invalid {
            code: "request_invalid",
            detail: format!("{name} {detail}").into(),
            problems: vec![Problem {
                pointer: format!("?{name}"),
                detail,
            }],
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Invalid {}
