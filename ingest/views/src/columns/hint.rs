//! SQL types that a tag asks for.

use super::{Cells, Wanted};

/// What a tag `ansi/type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint(Cells);

impl Hint {
    pub(super) fn cells(self) -> Cells {
        self.0
    }

    /// Reads an ISO/IEC 9075 type.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        let words = written.to_ascii_uppercase();
        let (name, parameters) = match words.split_once('(') {
            Some((name, rest)) => {
                let Some((inner, after)) = rest.split_once(')') else {
                    return Err("a parenthesis is not closed".to_owned());
                };
                (format!("{} {after}", name.trim()), Some(inner.to_owned()))
            }
            None => (words, None),
        };
        let name: Vec<&str> = name.split_whitespace().collect();
        Ok(Self(match name.join(" ").as_str() {
            "BOOLEAN" | "BOOL" => Cells::Boolean,
            "SMALLINT" | "INT" | "INTEGER" => Cells::Int32,
            "BIGINT" => Cells::Int64,
            "DECIMAL" | "DEC" | "NUMERIC" => decimal(parameters.as_deref())?,
            "FLOAT" | "REAL" | "DOUBLE" | "DOUBLE PRECISION" => Cells::Float64,
            "CHARACTER"
            | "CHAR"
            | "CHARACTER VARYING"
            | "CHAR VARYING"
            | "VARCHAR"
            | "TEXT"
            | "CHARACTER LARGE OBJECT"
            | "CLOB" => Cells::Text(Wanted::Primitive),
            "BINARY" | "BINARY VARYING" | "VARBINARY" | "BINARY LARGE OBJECT" | "BLOB" => {
                Cells::Binary
            }
            "DATE" => Cells::Date,
            "TIME" | "TIME WITHOUT TIME ZONE" => Cells::Time,
            "TIMESTAMP WITH TIME ZONE" => Cells::Timestamp { utc: true },
            "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => Cells::Timestamp { utc: false },
            _ => {
                return Err(
                    "this SQL type is not known; write BOOLEAN, INTEGER, BIGINT, DECIMAL(p,s), \
                     DOUBLE PRECISION, CHARACTER VARYING, DATE, TIME, TIMESTAMP, \
                     TIMESTAMP WITH TIME ZONE or BINARY"
                        .to_owned(),
                );
            }
        }))
    }
}

fn decimal(parameters: Option<&str>) -> Result<Cells, String> {
    let wrong = || {
        "write DECIMAL(p,s) with 1 <= p <= 38 digits, s <= p of them behind the point".to_owned()
    };
    let parameters = parameters.ok_or_else(wrong)?;
    let (precision, scale) = parameters.split_once(',').unwrap_or((parameters, "0"));
    let precision: u8 = precision.trim().parse().map_err(|_| wrong())?;
    let scale: i8 = scale.trim().parse().map_err(|_| wrong())?;
    let fits = (1..=38).contains(&precision) && scale >= 0 && scale.unsigned_abs() <= precision;
    fits.then_some(Cells::Decimal { precision, scale })
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_types_are_read_as_sql_writes_them() {
        let cells = |written| Hint::parse(written).unwrap().0;
        assert_eq!(
            cells("character varying(20)"),
            Cells::Text(Wanted::Primitive)
        );
        assert_eq!(
            cells("Numeric( 10 , 2 )"),
            Cells::Decimal {
                precision: 10,
                scale: 2
            }
        );
        assert_eq!(
            cells("TIMESTAMP(6) WITH TIME ZONE"),
            Cells::Timestamp { utc: true }
        );
        for wrong in [
            "",
            "DECIMAL",
            "DECIMAL(0,0)",
            "DECIMAL(39)",
            "DECIMAL(2,3)",
            "ENUM",
            "INT(",
        ] {
            Hint::parse(wrong).expect_err(wrong);
        }
    }
}
