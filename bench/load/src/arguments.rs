//! The command line: `hanzo-load MODE --name value ...`. Unknown names and missing values end the run.

use std::collections::BTreeMap;
use std::time::Duration;

/// What to do, and how long.
pub struct Arguments {
    /// See `main`.
    pub mode: String,
    values: BTreeMap<String, String>,
}

const NAMES: [&str; 13] = [
    "address",
    "key",
    "queue",
    "connections",
    "seconds",
    "payload-bytes",
    "batch",
    "features",
    "ids",
    "messages",
    "most",
    "delay",
    "kept-every",
];

impl Arguments {
    /// Reads the process's arguments.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mode = words
            .next()
            .ok_or("name a mode: noop-get, noop-post, enqueue, enqueue-batch, fill, pass, drain")?;
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").filter(|name| NAMES.contains(name));
            let name = name.ok_or_else(|| format!("unknown argument {word}; known: {NAMES:?}"))?;
            let value = words
                .next()
                .ok_or_else(|| format!("--{name} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Arguments { mode, values })
    }

    /// A text, with its default.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.values
            .get(name)
            .map_or(default, String::as_str)
            .to_owned()
    }

    /// A number, with its default.
    pub fn number(&self, name: &str, default: usize) -> usize {
        self.values
            .get(name)
            .map_or(default, |text| text.parse().expect("a number"))
    }

    /// How long to send.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.text("seconds", "5").parse().expect("seconds"))
    }
}
