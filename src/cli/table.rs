//! Tables of text, each column as wide as its widest cell.

use std::fmt;

/// A table with `N` columns.
#[derive(Debug)]
pub struct Table<const N: usize> {
    lines: Vec<Line<N>>,
    right: [bool; N],
}

#[derive(Debug)]
enum Line<const N: usize> {
    Row([String; N]),
    Note(String),
}

impl<const N: usize> Table<N> {
    /// A table with these headings and no rows.
    pub fn new(headings: [impl Into<String>; N]) -> Table<N> {
        Table {
            lines: vec![Line::Row(headings.map(Into::into))],
            right: [false; N],
        }
    }

    /// Has a column end, and not begin, at one place in all rows.
    pub fn align_right(&mut self, column: usize) {
        self.right[column] = true;
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.lines.push(Line::Row(cells));
    }

    /// Adds a line that keeps to no column.
    pub fn note(&mut self, line: String) {
        self.lines.push(Line::Note(line));
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for line in &self.lines {
            if let Line::Row(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(shown_width(cell));
                }
            }
        }
        for line in &self.lines {
            match line {
                Line::Row(cells) => writeln!(f, "{}", self.laid_out(cells, widths).trim_end())?,
                Line::Note(line) => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

impl<const N: usize> Table<N> {
    fn laid_out(&self, cells: &[String; N], widths: [usize; N]) -> String {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let gap = " ".repeat(widths[column] - shown_width(cell));
            match self.right[column] {
                true => line.extend([&gap, cell, "  "]),
                false => line.extend([cell, &gap, "  "]),
            }
        }
        line
    }
}

/// How many places a cell takes: what paints it (`ESC [ … m`) takes none.
fn shown_width(cell: &str) -> usize {
    let mut painted = false;
    let is_shown = |c: &char| {
        painted |= *c == '\x1b';
        let is_shown = !painted;
        painted &= *c != 'm';
        is_shown
    };
    cell.chars().filter(is_shown).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_no_line_ends_in_blanks() {
        let mut table = Table::new(["A", "LONG", "C"]);
        table.row(["wide cell".into(), "é".into(), String::new()]);
        assert_eq!(table.to_string(), "A          LONG  C\nwide cell  é\n");
    }

    #[test]
    fn numbers_align_right_and_paint_takes_no_place() {
        let mut table = Table::new(["A", "COUNT", "C"]);
        table.align_right(1);
        table.row(["\x1b[1mred\x1b[0m".into(), "7".into(), "x".into()]);
        table.note("  as long as it likes to be".to_owned());
        let expected = "A    COUNT  C\n\x1b[1mred\x1b[0m      7  x\n  as long as it likes to be\n";
        assert_eq!(table.to_string(), expected);
    }
}
