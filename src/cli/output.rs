//! The program's output: text for people, aligned and coloured on a terminal, or JSON, one object a line.
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use offline_push::Error;
use serde_json::{Value, json};

use super::program::Program;
use super::settings::Fault;

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Output {
    program: Program,
    json: bool,
    colour: bool,
    /// Whether standard output refused something.
    is_broken: bool,
}

/// The style of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "demo"),
    expect(dead_code, reason = "only the demo uses all styles")
)]
pub(crate) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Accent,
}

impl Output {
    pub(crate) fn new(json: bool, program: Program) -> Self {
        let colour = !json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            program,
            json,
            colour,
            is_broken: false,
        }
    }

    /// Returns `true` if the output is JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// The program whose output this is.
    pub(crate) const fn program(&self) -> Program {
        self.program
    }

    /// Writes content that is neither text nor JSON.
    pub(crate) fn raw(&mut self, content: &[u8]) {
        self.write(content);
    }

    /// Prints a line for people; nothing if the output is JSON.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        if !self.json {
            let text = self.program.text(text.as_ref()).into_owned();
            self.print(&text);
        }
    }

    /// Prints an object for programs; nothing if the output is text.
    pub(crate) fn object(&mut self, object: &Value) {
        if self.json {
            self.print(&object.to_string());
        }
    }

    /// Returns `text` in `style`, if the terminal shows colours.
    pub(crate) fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Accent => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Reports errors on standard error, or as JSON on standard output. Returns the exit code.
    pub(crate) fn failed(&mut self, errors: &[Error]) -> ExitCode {
        for error in errors {
            self.report("error", "31", error, "", json!({}));
        }
        ExitCode::FAILURE
    }

    /// Reports mistakes of a configuration as [`Output::failed`] reports errors, each with its file and line. Returns the exit code.
    pub(crate) fn misconfigured(&mut self, faults: &[Fault]) -> ExitCode {
        for fault in faults {
            let at = match (&fault.source, fault.line) {
                (Some(source), Some(line)) => format!("{source}:{line}: "),
                (Some(source), None) => format!("{source}: "),
                (None, _) => String::new(),
            };
            let more = json!({ "source": fault.source, "line": fault.line });
            self.report("error", "31", &fault.error, &at, more);
        }
        ExitCode::FAILURE
    }

    /// Reports what works, but should be otherwise, as [`Output::failed`] reports errors.
    pub(crate) fn warned(&mut self, warnings: &[Error]) {
        for warning in warnings {
            self.report("warning", "33", warning, "", json!({}));
        }
    }

    /// Reports `error`: for people with `at` in front, for programs with the members of `object`.
    fn report(&mut self, what: &str, colour: &str, error: &Error, at: &str, object: Value) {
        if self.json {
            let mut all = json!({
                "kind": error.kind().as_str(),
                "place": error.place(),
                "cause": error.cause().map(|cause| self.program.text(&cause).into_owned()),
                "advice": error.advice().map(|advice| self.program.text(advice)),
            });
            all[what] = json!(error.message());
            if let (Value::Object(all), Value::Object(object)) = (&mut all, object) {
                all.extend(object);
            }
            self.print(&all.to_string());
        } else {
            let mark = if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
                format!("\x1b[{colour}m{what}:\x1b[0m")
            } else {
                format!("{what}:")
            };
            // There is nowhere to report that standard error is closed.
            let error = error.to_string();
            drop(writeln!(
                io::stderr(),
                "{mark} {at}{}",
                self.program.text(&error)
            ));
        }
    }

    /// The exit code: `code`, unless standard output refused something.
    pub(crate) fn finish(self, code: ExitCode) -> ExitCode {
        if self.is_broken {
            ExitCode::FAILURE
        } else {
            code
        }
    }

    fn print(&mut self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    /// Writes, and says once on standard error that it is not possible: a full disk, or a reader that has closed its end.
    fn write(&mut self, content: &[u8]) {
        if self.is_broken {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(content).and_then(|()| stdout.flush()) {
            self.is_broken = true;
            cannot_print(&error);
        }
    }
}

/// Says that standard output refused something. Returns the exit code.
pub(crate) fn cannot_print(error: &io::Error) -> ExitCode {
    drop(writeln!(
        io::stderr(),
        "error: standard output cannot be written to: {error}"
    ));
    ExitCode::FAILURE
}

/// Rows as text, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line += cell;
                line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            table(&[row(["a", "bb"]), row(["用户三", "c"])]),
            ["a    bb", "用户三  c"]
        );
    }
}
