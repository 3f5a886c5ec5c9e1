//! In which line of a file each key stands.
use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The lines of a file's keys and list elements, by their place as in `http.keys[0].app`.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Reads a file; what is not TOML has no lines.
    pub(super) fn of(text: &str) -> Self {
        let mut it = Self::default();
        let Ok(table) = DeTable::parse(text) else {
            return it;
        };
        let starts: Vec<usize> = text
            .match_indices('\n')
            .map(|(position, _)| position + 1)
            .collect();
        it.table(table.get_ref(), "", &starts);
        it
    }

    /// Returns the line of the key at `place`, counted from 1.
    pub(super) fn get(&self, place: &str) -> Option<usize> {
        self.0.get(place).copied()
    }

    fn table(&mut self, table: &DeTable<'_>, place: &str, starts: &[usize]) {
        for (key, value) in table {
            let here = under(place, key.get_ref());
            self.put(&here, key.span().start, starts);
            self.value(value, &here, starts);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, place: &str, starts: &[usize]) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, place, starts),
            DeValue::Array(list) => {
                for (n, value) in list.iter().enumerate() {
                    let here = format!("{place}[{n}]");
                    self.put(&here, value.span().start, starts);
                    self.value(value, &here, starts);
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, place: &str, position: usize, starts: &[usize]) {
        let line = starts.partition_point(|start| *start <= position) + 1;
        self.0.insert(place.to_owned(), line);
    }
}

/// The place of `key` in the table at `place`.
pub(super) fn under(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_each_element_has_its_line() {
        let lines = Lines::of(
            "a = 1\n\n[b.c]\nd = [\n  \"x\",\n  \"y\",\n]\n[[e]]\nf = 1\n[[e]]\nf = 2\n# end\ng.h = 3",
        );
        for (place, line) in [
            ("a", 1),
            ("b.c.d", 4),
            ("b.c.d[1]", 6),
            ("e[0].f", 9),
            ("e[1]", 10),
            ("e[1].f", 11),
            ("e[1].g.h", 13),
        ] {
            assert_eq!(lines.get(place), Some(line), "{place}");
        }
        assert_eq!(lines.get("b.c.x"), None);
        assert!(Lines::of("a = [").0.is_empty());
    }
}
