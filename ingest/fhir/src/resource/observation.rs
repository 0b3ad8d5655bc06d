//! `Observation` and its components.

use super::Header;
use crate::coding::{Coded, INTERPRETATION, NO_PREFERENCE, OBSERVATION, OBSERVATION_CATEGORY};
use crate::date::Moment;
use crate::json::{Broken, Cursor};
use crate::reason::Reason;
use crate::value::Value;

/// The columns of `observation`.
#[derive(Debug, Default)]
pub(crate) struct Observation<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) category: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) effective: Option<Moment>,
    pub(crate) value: Value<'a>,
    pub(crate) interpretation: Coded<'a>,
    pub(crate) components: Vec<Component<'a>>,
}

/// The columns of `observation_component`.
#[derive(Debug, Default)]
pub(crate) struct Component<'a> {
    pub(crate) code: Coded<'a>,
    pub(crate) value: Value<'a>,
}

impl<'a> Observation<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut observation = Self::default();
        c.object(|c, key| {
            match key {
                "status" => observation.status.read(c, NO_PREFERENCE)?,
                "category" => observation.category.read(c, OBSERVATION_CATEGORY)?,
                "code" => observation.code.read(c, OBSERVATION)?,
                "effectiveDateTime" | "effectiveInstant" => {
                    observation.effective = header.date(c)?;
                }
                "effectivePeriod" => {
                    let (start, end) = header.period(c)?;
                    observation.effective = start.or(end);
                }
                "interpretation" => observation.interpretation.read(c, INTERPRETATION)?,
                "component" => {
                    observation.components.clear();
                    c.each(|c| {
                        observation.components.push(Component::read(c)?);
                        Ok(())
                    })?;
                }
                _ if key.starts_with("value") => observation.value.member(key, c)?,
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        let parts = observation
            .components
            .iter()
            .map(|component| &component.value);
        if parts
            .chain([&observation.value])
            .any(|value| value.out_of_range)
        {
            header.reject(Reason::NumberOutOfRange);
        }
        Ok(observation)
    }
}

impl<'a> Component<'a> {
    fn read(c: &mut Cursor<'a>) -> Result<Self, Broken> {
        let mut component = Self::default();
        c.object(|c, key| match key {
            "code" => component.code.read(c, OBSERVATION),
            _ => component.value.member(key, c),
        })?;
        Ok(component)
    }
}
