//! Markdown tables and the figures in them.

use std::process::Command;

/// A table; all columns after the first contain figures.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Table { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let columns = self.rows[0].len();
        for (number, row) in self.rows.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("| --- |{}", " ---: |".repeat(columns - 1));
            }
        }
        println!();
    }
}

/// Seconds as text, with a suitable unit.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// Bytes as text, in units of a million bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A number with separated thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The ratio of `figure` to `base`, as text.
pub(crate) fn ratio(figure: f64, base: Option<f64>) -> String {
    match base {
        Some(base) if base > 0.0 => format!(" ({:.2}×)", figure / base),
        _ => String::new(),
    }
}

/// The machine and the date, for the heading of a table.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let field = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)));
    let system = first_line("uname", &["-srm"]);
    let date = first_line("date", &["-u", "+%Y-%m-%d"]);
    let art = first_line(env!("CARGO_BIN_EXE_art"), &["--version"]);
    format!("{art}; {cores} cores of {model}; {memory}; {system}; {date}")
}

/// The first line that a command prints.
pub(crate) fn first_line(program: &str, words: &[&str]) -> String {
    let printed = Command::new(program).args(words).output().map(|output| output.stdout);
    let text = String::from_utf8_lossy(&printed.unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}
