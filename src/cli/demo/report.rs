//! The demo's report: steps with values, each checked.
use std::time::Instant;

use offline_push::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::cli::output::{Output, Style};

/// The steps of the story, printed as they end.
#[derive(Debug)]
pub(super) struct Report<'a> {
    output: &'a mut Output,
    begun: Instant,
    steps: u32,
    wrong: Vec<String>,
}

/// One step, with values from the connections and the store.
#[derive(Debug)]
pub(super) struct Step {
    name: &'static str,
    title: &'static str,
    begun: Instant,
    facts: Vec<(&'static str, Value)>,
    wrong: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            begun: Instant::now(),
            steps: 0,
            wrong: Vec::new(),
        }
    }

    /// A heading between steps.
    pub(super) fn heading(&mut self, text: &str) {
        let text = self.output.paint(Style::Bold, text);
        self.output.line("");
        self.output.line(text);
    }

    /// Prints a step that has ended.
    pub(super) fn end(&mut self, step: Step) {
        self.steps += 1;
        let ok = step.wrong.is_empty();
        let millis = step.begun.elapsed().as_secs_f64() * 1000.0;
        let mark = if ok {
            self.output.paint(Style::Good, "✓")
        } else {
            self.output.paint(Style::Bad, "✗")
        };
        let time = self.output.paint(Style::Dim, format!("{millis:>7.1} ms"));
        self.output.line(format!(
            "{mark} {:>2}  {:<64} {time}",
            self.steps, step.title
        ));
        let width = step
            .facts
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0);
        for (label, value) in &step.facts {
            let label = self.output.paint(Style::Dim, format!("{label:<width$}"));
            self.output
                .line(format!("      {label}  {}", short(&words(value))));
        }
        for wrong in &step.wrong {
            let wrong = self.output.paint(Style::Bad, wrong);
            self.output.line(format!("      {wrong}"));
        }
        let facts: Map<String, Value> = step
            .facts
            .iter()
            .map(|(label, value)| (label.replace(' ', "_"), value.clone()))
            .collect();
        self.output.object(&json!({
            "step": self.steps,
            "name": step.name,
            "title": step.title,
            "ok": ok,
            "millis": (millis * 10.0).round() / 10.0,
            "facts": facts,
            "wrong": step.wrong,
        }));
        self.wrong
            .extend(step.wrong.iter().map(|it| format!("{}: {it}", step.name)));
    }

    /// Prints the last line. Returns an error if a value was wrong.
    pub(super) fn finish(self) -> Result<(), Vec<Error>> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let ok = self.wrong.is_empty();
        self.output.line("");
        if ok {
            let good = self.output.paint(Style::Good, "success");
            self.output.line(format!(
                "{good}: {} steps in {seconds:.1} s, over real HTTP/2 and TLS on 127.0.0.1, no vendor account",
                self.steps
            ));
        }
        self.output.object(&json!({
            "done": true,
            "ok": ok,
            "steps": self.steps,
            "seconds": (seconds * 100.0).round() / 100.0,
        }));
        if ok {
            return Ok(());
        }
        Err(self
            .wrong
            .into_iter()
            .map(|it| Error::new(ErrorKind::Internal, it).at("demo"))
            .collect())
    }
}

impl Step {
    pub(super) fn begin(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            begun: Instant::now(),
            facts: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Adds a value that was observed.
    pub(super) fn saw(&mut self, label: &'static str, what: impl Into<Value>) {
        self.facts.push((label, what.into()));
    }

    /// Adds a value that was observed and must be `wanted`.
    pub(super) fn must(
        &mut self,
        label: &'static str,
        seen: impl Into<Value>,
        wanted: impl Into<Value>,
    ) {
        let (seen, wanted) = (seen.into(), wanted.into());
        if seen != wanted {
            self.wrong.push(format!(
                "{label} is {}, not {}",
                words(&seen),
                words(&wanted)
            ));
        }
        self.facts.push((label, seen));
    }
}

/// Cuts `text` to the length of a line.
fn short(text: &str) -> String {
    const FITS: usize = 96;
    match text.char_indices().nth(FITS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
