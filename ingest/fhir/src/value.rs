//! `value[x]` of observations and their components.
//!
//! | type | becomes |
//! |---|---|
//! | Quantity, decimal | `value`, `unit` (UCUM code, else the unit's text); with a comparator also `value_text`, as in `>60` |
//! | integer | `value` |
//! | boolean | `value_code` `true` or `false` |
//! | CodeableConcept, code | `value_code`, `value_system`; without a code `value_text` |
//! | string, dateTime, time, Period | `value_text` |
//! | Ratio | over 1: `value`, `unit` `a/b`; otherwise `value_text`, as in `1:128` |
//! | Range | `value_text`, as in `5-10`, and `unit` |
//! | SampledData, Attachment, Reference | nothing: not a value |

use std::borrow::Cow;

use crate::coding::{ANSWER, Coded};
use crate::columns::LONGEST_TEXT;
use crate::decimal::{OutOfRange, millionths};
use crate::json::{Broken, Cursor};

const UCUM: &str = "http://unitsofmeasure.org";

/// The value of an observation.
#[derive(Debug, Default)]
pub(crate) struct Value<'a> {
    /// Millionths.
    pub(crate) number: Option<i128>,
    /// The number as it is written, with all of its digits.
    pub(crate) digits: Option<Cow<'a, str>>,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) text: Option<Cow<'a, str>>,
    pub(crate) code: Coded<'a>,
    /// The number does not fit the lake's decimals.
    pub(crate) out_of_range: bool,
}

impl<'a> Value<'a> {
    /// Reads the member `key` if it is a `value[x]`; otherwise passes over it.
    pub(crate) fn member(&mut self, key: &str, c: &mut Cursor<'a>) -> Result<(), Broken> {
        match key {
            "valueQuantity" => {
                let quantity = Quantity::read(c)?;
                if let Some((comparator, number)) =
                    quantity.comparator.zip(quantity.number.as_ref())
                {
                    self.text = short(Cow::Owned(format!("{comparator}{number}")));
                }
                self.unit = quantity.unit;
                self.set(quantity.number);
            }
            "valueInteger" | "valueDecimal" | "valueInteger64" => {
                let number = c.number()?;
                self.set(number);
            }
            "valueBoolean" => {
                let name = c.boolean()?.map(|b| if b { "true" } else { "false" });
                self.code.code = name.map(Cow::Borrowed);
            }
            "valueCodeableConcept" | "valueCoding" | "valueCode" => {
                self.code.read(c, ANSWER)?;
                if self.code.code.is_none() {
                    self.text = self.code.text.take().and_then(short);
                }
            }
            "valueString" | "valueDateTime" | "valueTime" | "valueDate" | "valueInstant" => {
                self.text = c.text()?.and_then(short);
            }
            "valuePeriod" => self.period(c)?,
            "valueRatio" => self.ratio(c)?,
            "valueRange" => self.range(c)?,
            _ => c.skip()?,
        }
        Ok(())
    }

    fn set(&mut self, number: Option<Cow<'a, str>>) {
        let Some(digits) = number else {
            return;
        };
        match millionths(&digits) {
            Ok(number) => (self.number, self.digits) = (Some(number), Some(digits)),
            Err(OutOfRange) => self.out_of_range = true,
        }
    }

    fn period(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let (mut start, mut end) = (None, None);
        c.object(|c, key| {
            match key {
                "start" => start = c.text()?,
                "end" => end = c.text()?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        self.text = joined(start.as_deref(), "/", end.as_deref());
        Ok(())
    }

    fn ratio(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let (mut over, mut under) = (Quantity::default(), Quantity::default());
        c.object(|c, key| {
            match key {
                "numerator" => over = Quantity::read(c)?,
                "denominator" => under = Quantity::read(c)?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        let per_one = match &under.number {
            None => true,
            Some(number) => millionths(number) == Ok(1_000_000),
        };
        if per_one && over.comparator.is_none() && under.comparator.is_none() {
            self.unit = match (over.unit, under.unit) {
                (Some(a), Some(b)) => Some(Cow::Owned(format!("{a}/{b}"))),
                (a, None) => a,
                (None, Some(b)) => Some(Cow::Owned(format!("/{b}"))),
            };
            self.set(over.number);
        } else {
            self.text = joined(over.said().as_deref(), ":", under.said().as_deref());
        }
        Ok(())
    }

    fn range(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let (mut low, mut high) = (Quantity::default(), Quantity::default());
        c.object(|c, key| {
            match key {
                "low" => low = Quantity::read(c)?,
                "high" => high = Quantity::read(c)?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        self.unit = low.unit.take().or(high.unit.take());
        self.text = joined(low.number.as_deref(), "-", high.number.as_deref());
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Quantity<'a> {
    number: Option<Cow<'a, str>>,
    comparator: Option<Cow<'a, str>>,
    unit: Option<Cow<'a, str>>,
}

impl<'a> Quantity<'a> {
    fn read(c: &mut Cursor<'a>) -> Result<Self, Broken> {
        let mut quantity = Self::default();
        let (mut code, mut system) = (None, None);
        c.object(|c, key| {
            match key {
                "value" => quantity.number = c.number()?,
                "comparator" => quantity.comparator = c.text()?,
                "unit" | "units" => quantity.unit = c.text()?.and_then(short),
                "code" => code = c.text()?.and_then(short),
                "system" => system = c.text()?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        // A code of another system (SNOMED CT has codes for units) says less than the unit's text.
        let ucum = system.is_none_or(|system| system == UCUM);
        let unit = quantity.unit.take();
        quantity.unit = if ucum { code.or(unit) } else { unit.or(code) };
        Ok(quantity)
    }

    fn said(self) -> Option<Cow<'a, str>> {
        let number = self.number?;
        Some(match self.comparator {
            Some(comparator) => Cow::Owned(format!("{comparator}{number}")),
            None => number,
        })
    }
}

fn joined(first: Option<&str>, by: &str, second: Option<&str>) -> Option<Cow<'static, str>> {
    if first.is_none() && second.is_none() {
        return None;
    }
    let text = format!("{}{by}{}", first.unwrap_or(""), second.unwrap_or(""));
    short(Cow::Owned(text))
}

fn short(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (text.len() <= LONGEST_TEXT).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said<'a> = (
        Option<i128>,
        Option<&'a str>,
        Option<&'a str>,
        Option<&'a str>,
    );

    fn check(member: &str, expected: Said<'_>) {
        let json = format!("{{{member}}}");
        let mut value = Value::default();
        let read = Cursor::new(&json).object(|c, key| value.member(key, c));
        assert_eq!(read, Ok(true), "{member}");
        let said = (
            value.number,
            value.unit.as_deref(),
            value.text.as_deref(),
            value.code.code.as_deref(),
        );
        assert_eq!(said, expected, "{member}");
    }

    #[test]
    fn quantities() {
        let cm = r#""valueQuantity":{"value":181.25,"unit":"centimetre","system":"http://unitsofmeasure.org","code":"cm"}"#;
        check(cm, (Some(181_250_000), Some("cm"), None, None));
        check(
            r#""valueQuantity":{"value":1,"unit":"cm"}"#,
            (Some(1_000_000), Some("cm"), None, None),
        );
        check(
            r#""valueQuantity":{"value":"4.5","unit":""}"#,
            (Some(4_500_000), None, None, None),
        );
        check(
            r#""valueQuantity":{"value":60,"comparator":">"}"#,
            (Some(60_000_000), None, Some(">60"), None),
        );
        check(
            r#""valueQuantity":{"value":2,"system":"http://snomed.info/sct","code":"258672001","unit":"cm"}"#,
            (Some(2_000_000), Some("cm"), None, None),
        );
        check(
            r#""valueQuantity":{"unit":"cm"}"#,
            (None, Some("cm"), None, None),
        );
        check(
            r#""valueQuantity":{"value":null,"_value":{"extension":[]}}"#,
            (None, None, None, None),
        );
        check(r#""valueQuantity":"5 cm""#, (None, None, None, None));
    }

    #[test]
    fn other_types() {
        check(r#""valueInteger":-3"#, (Some(-3_000_000), None, None, None));
        check(r#""valueBoolean":false"#, (None, None, None, Some("false")));
        check(
            r#""valueString":"trace""#,
            (None, None, Some("trace"), None),
        );
        check(
            r#""valueDateTime":"2020-05""#,
            (None, None, Some("2020-05"), None),
        );
        check(
            r#""valueTime":"10:30:00""#,
            (None, None, Some("10:30:00"), None),
        );
        check(
            r#""valueCodeableConcept":{"coding":[{"code":"LA1"},{"system":"http://loinc.org","code":"LA2"}],"text":"x"}"#,
            (None, None, None, Some("LA2")),
        );
        check(
            r#""valueCodeableConcept":{"text":"Never smoker"}"#,
            (None, None, Some("Never smoker"), None),
        );
        check(
            r#""valuePeriod":{"start":"2020","end":"2021"}"#,
            (None, None, Some("2020/2021"), None),
        );
        check(
            r#""valueRange":{"low":{"value":5,"code":"mg"},"high":{"value":10,"code":"mg"}}"#,
            (None, Some("mg"), Some("5-10"), None),
        );
        check(
            r#""valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}"#,
            (None, None, Some("1:128"), None),
        );
        check(
            r#""valueRatio":{"numerator":{"value":30,"code":"mg"},"denominator":{"value":1.0,"code":"g"}}"#,
            (Some(30_000_000), Some("mg/g"), None, None),
        );
        check(
            r#""valueSampledData":{"origin":{"value":0},"period":10,"dimensions":1,"data":"1 2 3"}"#,
            (None, None, None, None),
        );
        check(
            r#""valueAttachment":{"data":"aGVsbG8="}"#,
            (None, None, None, None),
        );
        check(
            &format!(r#""valueString":"{}""#, "a".repeat(257)),
            (None, None, None, None),
        );
    }

    #[test]
    fn a_number_that_does_not_fit_is_told_apart_from_none() {
        for member in [
            r#"{"valueQuantity":{"value":1e12}}"#,
            r#"{"valueInteger":1e400}"#,
        ] {
            let mut value = Value::default();
            Cursor::new(member)
                .object(|c, key| value.member(key, c))
                .expect("well formed");
            assert!(value.out_of_range && value.number.is_none());
        }
    }
}
