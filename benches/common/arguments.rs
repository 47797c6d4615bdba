//! Arguments of the benchmarks that are programs of their own: `--name value`, nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use super::Outcome;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads the command line. `None`: there is nothing to do, because this is a test run of all
    /// targets (`cargo test --all-targets`) or only the usage was asked for.
    pub(crate) fn parse(usage: &str, known: &[&str]) -> Outcome<Option<Self>> {
        let mut values = BTreeMap::new();
        let mut benchmark = false;
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => benchmark = true,
                "--help" | "-h" => {
                    println!("{usage}");
                    return Ok(None);
                }
                _ => {
                    let name = word.strip_prefix("--").filter(|name| known.contains(name));
                    let name = name.ok_or_else(|| format!("what is '{word}'?\n\n{usage}"))?;
                    let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                    values.insert(name.to_owned(), value);
                }
            }
        }
        if !benchmark {
            println!("nothing is measured without `cargo bench`\n\n{usage}");
            return Ok(None);
        }
        Ok(Some(Arguments { values }))
    }

    /// The value of `--name` as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of `--name` as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The value of `--name` as a number, or `default`.
    pub(crate) fn number<T: FromStr>(&self, name: &str, default: T) -> Outcome<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text
                .replace(['_', ','], "")
                .parse()
                .map_err(|_| format!("--{name} needs a number, not '{text}'").into()),
        }
    }

    /// The words of `--name`, which commas separate, or those of `default`.
    pub(crate) fn list(&self, name: &str, default: &str) -> Vec<String> {
        self.text(name).unwrap_or(default).split(',').map(|word| word.trim().to_owned()).collect()
    }

    /// The directory for inputs and what the tools make of them; made if missing.
    pub(crate) fn data(&self, default: &str) -> Outcome<PathBuf> {
        let own = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(default);
        let data = self.path("data").unwrap_or_else(own);
        std::fs::create_dir_all(&data)?;
        Ok(data.canonicalize()?)
    }
}
