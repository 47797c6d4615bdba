//! Arguments of the benchmarks with their own `main`: only `--name value`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use super::Outcome;

/// The parsed arguments.
#[derive(Debug)]
pub(crate) struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads the command line. Returns `None` if there is nothing to measure: this is a test run of
    /// all targets (`cargo test --all-targets`), or the usage was printed.
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
                    let name =
                        name.ok_or_else(|| format!("unknown argument '{word}'\n\n{usage}"))?;
                    let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                    values.insert(name.to_owned(), value);
                }
            }
        }
        if !benchmark {
            println!("run `cargo bench` to measure\n\n{usage}");
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

    /// The comma-separated words of `--name`, or those of `default`.
    pub(crate) fn list(&self, name: &str, default: &str) -> Vec<String> {
        self.text(name).unwrap_or(default).split(',').map(|word| word.trim().to_owned()).collect()
    }

    /// The directory for the inputs and outputs of the tools. Creates it if it is missing.
    pub(crate) fn data(&self, default: &str) -> Outcome<PathBuf> {
        let own = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(default);
        let data = self.path("data").unwrap_or_else(own);
        std::fs::create_dir_all(&data)?;
        Ok(data.canonicalize()?)
    }
}
