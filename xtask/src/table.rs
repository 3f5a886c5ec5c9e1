//! Columns of text.

/// Lays rows out in columns, two spaces apart, under a ruled heading.
pub(crate) fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|it| it.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(heading.to_vec());
    let rules: Vec<String> = widths.iter().map(|it| "-".repeat(*it)).collect();
    text += &line(rules.iter().map(String::as_str).collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn the_widest_cell_sets_the_column() {
        let rows = [
            vec!["é".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "2".to_owned()],
        ];
        assert_eq!(
            columns(&["a", "b"], &rows),
            "a     b\n----  -\né     1\nlong  2\n"
        );
    }
}
