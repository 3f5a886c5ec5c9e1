//! The example of a table, in TOML.
use super::{
    Field, Shape, Table, Written,
    shape::{plain, summary},
};

/// The longest line of a comment, in characters.
const WIDTH: usize = 110;

impl Table {
    /// Returns a complete example in TOML: what must be there with the values of the description, everything else behind a comment
    /// sign with its default. Each key has its summary and range in front.
    pub fn example(&self) -> String {
        let mut text = String::new();
        Writer { out: &mut text }.table(self, "", true);
        text
    }
}

struct Writer<'a> {
    out: &'a mut String,
}

impl Writer<'_> {
    /// Writes the keys of a table, and then the tables in it. What is not `is_on` stands behind comment signs.
    fn table(&mut self, table: &Table, path: &str, is_on: bool) {
        for field in table.fields.iter().filter(|field| inner(field).is_none()) {
            self.comment(&comment(field));
            let key = match field.is_example_file {
                true => format!("{}_file", field.key),
                false => field.key.to_owned(),
            };
            let value = field.example.as_ref().or(field.default.as_ref());
            let value = value.map_or_else(|| stand_in(&field.shape).to_owned(), toml);
            let is_on = is_on && (field.is_required || field.is_shown);
            self.line(&format!("{key} = {value}"), is_on);
        }
        for field in &table.fields {
            let Some(inner) = inner(field) else { continue };
            let path = match path {
                "" => field.key.to_owned(),
                path => format!("{path}.{}", field.key),
            };
            self.inner(field, inner, &path, is_on);
        }
    }

    fn inner(&mut self, field: &Field, inner: &Shape, path: &str, is_on: bool) {
        let is_list = matches!(field.shape, Shape::List(_));
        // An empty table changes nothing, so the header of one table can stand there.
        let is_on = is_on && (!is_list || field.is_required || field.is_shown);
        let (tag, table) = match inner {
            Shape::Table(table) => (None, table),
            Shape::Tagged(tables) => {
                let wanted = field.example.as_ref().and_then(Written::as_str);
                let named = tables.iter().find(|(name, _)| Some(*name) == wanted);
                match named.or_else(|| tables.first()) {
                    Some((name, table)) => (Some(name), table),
                    None => return,
                }
            }
            _ => return,
        };
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.comment(&comment(field));
        match is_list {
            true => self.line(&format!("[[{path}]]"), is_on),
            false => self.line(&format!("[{path}]"), is_on),
        }
        if let Some(name) = tag {
            self.line(&format!("type = {}", toml(&Written::from(*name))), is_on);
        }
        self.table(table, path, is_on);
    }

    fn line(&mut self, line: &str, is_on: bool) {
        if !is_on {
            self.out.push_str("# ");
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Writes a comment in lines of at most [`WIDTH`].
    fn comment(&mut self, text: &str) {
        let mut width = 0;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if width > 0 && width + 1 + length <= WIDTH {
                self.out.push(' ');
                width += 1 + length;
            } else {
                self.out.push_str(if width > 0 { "\n# " } else { "# " });
                width = length;
            }
            self.out.push_str(word);
        }
        if width > 0 {
            self.out.push('\n');
        }
    }
}

/// What is written under a header of its own: the shape of a table, or of the tables of a list.
fn inner(field: &Field) -> Option<&Shape> {
    match &field.shape {
        shape @ (Shape::Table(_) | Shape::Tagged(_)) => Some(shape),
        Shape::List(element) => match &**element {
            shape @ (Shape::Table(_) | Shape::Tagged(_)) => Some(shape),
            _ => None,
        },
        _ => None,
    }
}

/// What the key means, its range or words, and its default if another value stands there.
fn comment(field: &Field) -> String {
    let mut text = summary(field.about).to_owned();
    let words = match &field.shape {
        Shape::Words(words) => Some(words),
        Shape::List(inner) | Shape::Map(inner) => match &**inner {
            Shape::Words(words) => Some(words),
            _ => None,
        },
        _ => None,
    };
    if let Some(words) = words {
        let words: Vec<_> = words.iter().map(|word| word.word).collect();
        text += &format!(" Words: {}.", words.join(", "));
    }
    // That a duration is not nothing goes without saying.
    if let Some(range) = field.range().filter(|range| range != "of more than 0s") {
        text += &format!(" {}.", capital(&range));
    }
    if let (false, false, Some(_)) = (field.is_required, field.is_shown, &field.example)
        && inner(field).is_none()
    {
        match &field.default {
            Some(default) if Some(default) == field.example.as_ref() => {}
            Some(Written::String(text_)) if text_.is_empty() => text += " Default: empty.",
            Some(default) => text += &format!(" Default: {}.", plain(default)),
            None => text += " Default: not set.",
        }
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let text = match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    };
    // `of at least 1` completes "a number …".
    match text.strip_prefix("Of ") {
        Some(rest) => capital(rest),
        None => text,
    }
}

/// A value for a key that has neither an example nor a default that can be written.
fn stand_in(shape: &Shape) -> &'static str {
    match shape {
        Shape::Bool => "true",
        Shape::Integer { .. } => "1",
        Shape::Number => "1.0",
        Shape::Duration => "\"1s\"",
        Shape::List(_) => "[]",
        Shape::Map(_) | Shape::Table(_) | Shape::Tagged(_) => "{}",
        _ => "\"…\"",
    }
}

/// Writes a value in TOML.
fn toml(value: &Written) -> String {
    match value {
        Written::Array(values) => {
            let values: Vec<_> = values.iter().map(toml).collect();
            format!("[{}]", values.join(", "))
        }
        Written::Object(members) if members.is_empty() => "{}".to_owned(),
        Written::Object(members) => {
            let is_bare = |key: &str| {
                let is_plain =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                !key.is_empty() && key.bytes().all(is_plain)
            };
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| match is_bare(key) {
                    true => format!("{key} = {}", toml(value)),
                    false => format!("{} = {}", Written::from(&**key), toml(value)),
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        // A JSON string is a TOML basic string; null does not occur in a description.
        other => other.to_string(),
    }
}
