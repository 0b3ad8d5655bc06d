//! The parts of a page. Every text passes through [`escape`] here, so a section cannot forget it.

use std::fmt::Write as _;

use crate::text::escape;

/// A page as it grows.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Opens a section that the next one closes; a new sheet on paper where `sheet`.
    pub(super) fn section(&mut self, id: &'static str, title: &str, sheet: bool) {
        let class = if sheet { " class=\"page\"" } else { "" };
        let _ = write!(
            self.0,
            "</section>\n<section id=\"{id}\"{class}><h2>{}</h2>\n",
            escape(title)
        );
    }

    pub(super) fn heading(&mut self, title: &str) {
        let _ = writeln!(self.0, "<h3>{}</h3>", escape(title));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p>{}</p>", escape(text));
    }

    /// Says that there is nothing to show, so that nobody takes it for forgotten.
    pub(super) fn nothing(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p class=\"none\">{}</p>", escape(text));
    }

    pub(super) fn code(&mut self, before: &str, command: &str) {
        let _ = writeln!(
            self.0,
            "<p>{} <code>{}</code></p>",
            escape(before),
            escape(command)
        );
    }

    pub(super) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        self.0.push_str("<ul>\n");
        for item in items {
            let _ = writeln!(self.0, "<li>{}</li>", escape(&item));
        }
        self.0.push_str("</ul>\n");
    }

    /// Figures in boxes: name, value, what to know about it.
    pub(super) fn figures(&mut self, figures: &[(&str, String, String)]) {
        self.0.push_str("<dl class=\"figures\">\n");
        for (name, value, note) in figures {
            let _ = writeln!(
                self.0,
                "<div><dt>{}</dt><dd>{} <small>{}</small></dd></div>",
                escape(name),
                escape(value),
                escape(note)
            );
        }
        self.0.push_str("</dl>\n");
    }

    /// A table; columns whose name begins with `#` hold numbers, with `~` long texts that may be broken anywhere.
    pub(super) fn table(&mut self, caption: &str, header: &[&str], rows: &[Vec<String>]) {
        let class = |column: usize| match header.get(column).and_then(|name| name.chars().next()) {
            Some('#') => " class=\"number\"",
            Some('~') => " class=\"long\"",
            _ => "",
        };
        let _ = write!(
            self.0,
            "<div class=\"wide\"><table><caption>{}</caption><thead><tr>",
            escape(caption)
        );
        for (column, name) in header.iter().enumerate() {
            let name = escape(name.trim_start_matches(['#', '~']));
            let _ = write!(self.0, "<th scope=\"col\"{}>{name}</th>", class(column));
        }
        self.0.push_str("</tr></thead><tbody>\n");
        for row in rows {
            self.0.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let _ = write!(self.0, "<td{}>{}</td>", class(column), escape(cell));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</tbody></table></div>\n");
    }

    /// A drawing of this crate's own, whose texts are escaped where it is made.
    pub(super) fn drawing(&mut self, svg: &str) {
        let _ = writeln!(self.0, "<figure>{svg}</figure>");
    }

    pub(super) fn into_html(self) -> String {
        self.0
    }
}
