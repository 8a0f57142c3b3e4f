//! The faults of a body, gathered while it is read, so that a caller sees all of them at once. Where a fault is, is
//! written down on the way out of it: a body without faults has no pointers made.

use super::invalid::{Invalid, Problem};

/// More than these are not listed: a body of ten thousand faults is answered with the first few.
const LISTED_MAX: usize = 20;

/// Reading stops at so many: a body of nothing but faults must not cost more than one without.
const FAULTS_MAX: usize = 1000;

/// Bytes of a field's name in a pointer; the rest of a longer one is left out.
const NAME_BYTES_MAX: usize = 256;

/// What a reader found wrong.
#[derive(Default)]
pub struct Faults {
    /// Their pointers begin at the value that the reader is at.
    problems: Vec<Problem>,
    count: usize,
    code: Option<&'static str>,
}

impl Faults {
    /// Steps into `name` for the duration of `read`.
    pub fn at<T>(&mut self, name: &str, read: impl FnOnce(&mut Faults) -> T) -> T {
        let before = self.problems.len();
        let value = read(self);
        if self.problems.len() > before {
            self.came_out_of(before, &escaped(cut(name)));
        }
        value
    }

    /// Steps into item `index` for the duration of `read`.
    pub fn at_index<T>(&mut self, index: usize, read: impl FnOnce(&mut Faults) -> T) -> T {
        let before = self.problems.len();
        let value = read(self);
        if self.problems.len() > before {
            self.came_out_of(before, &index.to_string());
        }
        value
    }

    /// The problems from number `first` on lie in `step`.
    #[cold]
    fn came_out_of(&mut self, first: usize, step: &str) {
        for problem in &mut self.problems[first..] {
            problem.pointer.insert_str(0, step);
            problem.pointer.insert(0, '/');
        }
    }

    /// Notes a fault of the value the reader is at.
    pub fn add(&mut self, detail: impl Into<String>) {
        self.add_with(|| detail.into());
    }

    /// Notes a fault whose text is made only when it is listed.
    pub fn add_with(&mut self, detail: impl FnOnce() -> String) {
        self.count += 1;
        if self.problems.len() < LISTED_MAX {
            self.problems.push(Problem {
                pointer: String::new(),
                detail: detail(),
            });
        }
    }

    /// Notes a fault that has a code of its own; the first such code is the answer's.
    pub fn add_coded(&mut self, code: &'static str, detail: impl Into<String>) {
        self.code.get_or_insert(code);
        self.add(detail);
    }

    /// True when nothing was found wrong yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True when so much is wrong that reading on is waste.
    pub fn are_too_many(&self) -> bool {
        self.count >= FAULTS_MAX
    }

    /// `value`, unless a fault was found.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.count == 0 => Ok(value),
            _ => Err(self.into_invalid()),
        }
    }

    fn into_invalid(self) -> Invalid {
        let first = self
            .problems
            .first()
            .map_or("the request is not valid", |first| &first.detail);
        let place = self.problems.first().map_or("", |first| &first.pointer);
        let place = if place.is_empty() { "the body" } else { place };
        let detail = match self.count {
            0 | 1 => format!("{place}: {first}"),
            count if count >= FAULTS_MAX => {
                format!("{count} faults or more; the first, at {place}: {first}")
            }
            count => format!("{count} faults; the first, at {place}: {first}"),
        };
        Invalid {
            code: self.code.unwrap_or("request_invalid"),
            detail: detail.into(),
            problems: self.problems,
        }
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn cut(name: &str) -> &str {
    let mut ends = (0..=name.len().min(NAME_BYTES_MAX)).rev();
    let end = ends.find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}
