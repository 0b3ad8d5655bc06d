//! One resource at a time, for callers that read and write on their own.

use std::cell;

use crate::columns::{Converter, Layout, Value};
use crate::definition::View;
use crate::json::{Document, Tape};
use crate::rows::Evaluation;
use crate::run::work::parse;

/// What one view may take for one resource. All of it depends on view and resource alone, never on the machine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows.
    pub rows: usize,
    /// Steps: one for each evaluation of a part of an expression, for each item, for each comparison of two items, and one
    /// for eight bytes of text that is made. A million take a fraction of a second.
    pub steps: u64,
}

/// A value as it is written in the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// The value of a column of an integer type.
    Integer(i64),
    /// Everything else: the digits of a decimal, a date of any precision, a code.
    Text(&'a str),
}

/// Views that are evaluated on resources, by one thread.
#[derive(Debug)]
pub struct Evaluator<'v> {
    views: Vec<(&'v View, Converter)>,
    limits: Limits,
    tape: Tape,
    work: cell::Cell<u64>,
}

/// A resource that was read.
#[derive(Debug)]
pub struct Resource<'a> {
    views: &'a [(&'a View, Converter)],
    limits: Limits,
    document: Document<'a>,
    work: &'a cell::Cell<u64>,
}

impl<'v> Evaluator<'v> {
    /// Gets ready. Views are named by their position from here on.
    pub fn new(views: impl IntoIterator<Item = &'v View>, limits: Limits) -> Self {
        let ready = |view| (view, Converter::new(view, Layout::Text));
        Self {
            views: views.into_iter().map(ready).collect(),
            limits,
            tape: Tape::default(),
            work: cell::Cell::new(0),
        }
    }

    /// Reads a line once for all views.
    ///
    /// # Errors
    /// Why the line is no resource; shows none of its values.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Resource<'a>, String> {
        Ok(Resource {
            document: parse(&mut self.tape, line)?,
            views: &self.views,
            limits: self.limits,
            work: &self.work,
        })
    }
}

impl Resource<'_> {
    /// Hands the rows of a view to `take`, and answers how many there are. It does not look at the resource's type.
    ///
    /// # Errors
    /// Where in the definition and why there are none: a value that the column cannot hold, several values, a limit. Shows no
    /// value of the resource. `take` was not called then.
    pub fn rows(&self, view: usize, mut take: impl FnMut(&[Cell<'_>])) -> Result<usize, String> {
        let Some((view, converter)) = self.views.get(view) else {
            return Err("there is no such view".into());
        };
        self.work.set(self.limits.steps);
        let evaluation =
            Evaluation::new(view, converter, self.document, self.limits.rows, self.work);
        let rows = evaluation
            .rows()
            .map_err(|failed| format!("{}: {}", failed.path, failed.fault.0))?;
        let (mut cells, mut count) = (Vec::new(), 0);
        for row in rows.iter() {
            cells.clear();
            cells.extend(row.iter().map(cell));
            take(&cells);
            count += 1;
        }
        Ok(count)
    }
}

fn cell<'a>(value: &'a Value<'_>) -> Cell<'a> {
    match value {
        Value::Boolean(value) => Cell::Boolean(*value),
        Value::Int(value) => Cell::Integer(*value),
        Value::Text(text) => Cell::Text(text),
        Value::Shared(text) => Cell::Text(text),
        // Lists and binary values do not come out of this layout but as collections, which have no cell.
        _ => Cell::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        rows: 100,
        steps: 100_000,
    };

    fn view(select: &str) -> View {
        View::parse(&format!(r#"{{"resource":"Patient","select":[{select}]}}"#)).expect("a view")
    }

    fn rows(view: &View, line: &str) -> Result<Vec<Vec<String>>, String> {
        let mut evaluator = Evaluator::new([view], LIMITS);
        let resource = evaluator.read(line.as_bytes())?;
        let mut all = Vec::new();
        resource.rows(0, |row| {
            all.push(row.iter().map(|cell| format!("{cell:?}")).collect());
        })?;
        Ok(all)
    }

    #[test]
    fn rows_come_as_written() {
        let view = view(
            r#"{"column":[{"name":"a","path":"active","type":"boolean"},{"name":"b","path":"birthDate","type":"date"}]},
               {"forEach":"name","column":[{"name":"n","path":"given.count()","type":"integer"}]}"#,
        );
        let line = r#"{"resourceType":"Patient","active":true,"birthDate":"1980","name":[{"given":["a","b"]},{}]}"#;
        let first = ["Boolean(true)", "Text(\"1980\")"];
        let expected = [2, 0].map(|count| {
            [first[0], first[1], &format!("Integer({count})")]
                .map(str::to_owned)
                .to_vec()
        });
        assert_eq!(rows(&view, line).expect("rows"), expected);
    }

    #[test]
    fn hostile_views_come_to_an_end() {
        let names = vec![r#"{"given":["a","b","c","d","e","f","g"]}"#; 40].join(",");
        let line = format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#);
        for path in [
            "name.aggregate($total & $total & 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'a').length()",
            "descendants().where(%resource.descendants().where(%resource.descendants().count() > 1).exists()).count()",
            "descendants().select(%resource.descendants()).select(%resource.descendants()).distinct().count()",
            "descendants().select(%resource.descendants().given).isDistinct().toString().length()",
        ] {
            let path = path.replace('\'', "\\u0027");
            let view = view(&format!(
                r#"{{"column":[{{"name":"a","path":"{path}","type":"integer"}}]}}"#
            ));
            let said = rows(&view, &line).expect_err(&path);
            assert!(said.contains("steps"), "{path}: {said}");
        }
        let column = |n| {
            format!(
                r#"{{"forEach":"name","column":[{{"name":"c{n}","path":"1","type":"integer"}}]}}"#
            )
        };
        let product: Vec<String> = (0..8).map(column).collect();
        let view = view(&product.join(","));
        assert!(rows(&view, &line).expect_err("a product").contains("rows"));
    }
}
