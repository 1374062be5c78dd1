//! Tables that align.

/// Columns wider than this are cut where the table is printed.
const MAX_WIDTH: usize = 60;

/// Rows of cells, padded so that the columns align.
pub(super) struct Table {
    head: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a head.
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: true,
            rows: vec![head.map(str::to_owned).to_vec()],
        }
    }

    /// A table without a head: names and values.
    pub(super) fn plain() -> Self {
        Self {
            head: false,
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters are shown as spaces.
    pub(super) fn row<const N: usize>(&mut self, cells: [impl AsRef<str>; N]) {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let row = cells
            .iter()
            .map(|cell| cell.as_ref().chars().map(clean).collect());
        self.rows.push(row.collect());
    }

    /// The table, one line a row, each ended by a line feed.
    pub(super) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .min(MAX_WIDTH)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let last = column.saturating_add(1) == row.len();
                let shown = if last {
                    cell.clone()
                } else {
                    cut(cell, *width)
                };
                let pad = width.saturating_sub(shown.chars().count());
                line.push_str(&shown);
                if !last {
                    line.extend(std::iter::repeat_n(' ', pad.saturating_add(2)));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
            if number == 0 && self.head {
                let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
                text.push_str(&rule.join("  "));
                text.push('\n');
            }
        }
        text
    }
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_the_last_one_is_whole() {
        let mut table = Table::new(["part", "name"]);
        table.row(["0", "a\nb"]);
        table.row(["10", &"x".repeat(100)]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "part  name");
        assert_eq!(lines[2], "0     a b");
        assert!(lines[3].ends_with(&"x".repeat(100)));
    }

    #[test]
    fn wide_cells_are_cut_but_the_last() {
        let mut table = Table::plain();
        table.row([&"é".repeat(80), "end"]);
        assert!(
            table
                .render()
                .starts_with(&format!("{}…  end", "é".repeat(59)))
        );
    }
}
