//! `Patient`: demographics, and apart from them what identifies the person. Photos are not read.

use std::borrow::Cow;

use salus_lake::DirectRecord;

use super::Header;
use super::header::side_date;
use crate::coding::{Coded, LANGUAGE, MARITAL_STATUS, NO_PREFERENCE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};
use crate::place;

/// The columns of `patient`.
#[derive(Debug, Default)]
pub(crate) struct Patient<'a> {
    pub(crate) sex: Option<&'static str>,
    pub(crate) birth: Option<Moment>,
    pub(crate) deceased: bool,
    pub(crate) death: Option<Moment>,
    pub(crate) marital_status: Coded<'a>,
    pub(crate) race: Option<&'static str>,
    pub(crate) ethnicity: Option<&'static str>,
    pub(crate) state: Option<&'static str>,
    pub(crate) postal3: Option<String>,
    pub(crate) deprivation: Option<i32>,
    pub(crate) language: Option<Cow<'a, str>>,
    pub(crate) direct: Direct<'a>,
}

/// Longest element that is kept of what identifies a person, in bytes of JSON.
const LONGEST_DIRECT: usize = 64 << 10;

/// What identifies the person: not for the tables. The elements are JSON as it stands in the line.
#[derive(Default)]
pub(crate) struct Direct<'a> {
    name: Option<&'a str>,
    birth_date: Option<Cow<'a, str>>,
    address: Option<&'a str>,
    telecom: Option<&'a str>,
    identifier: Option<&'a str>,
    link: Option<&'a str>,
}

impl std::fmt::Debug for Direct<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Direct(…)")
    }
}

/// The next value as it stands, if it says something and is not beyond all measure.
fn element<'a>(c: &mut Cursor<'a>) -> Result<Option<&'a str>, Broken> {
    let raw = c.raw()?;
    Ok((raw != "null" && raw.len() <= LONGEST_DIRECT).then_some(raw))
}

impl<'a> Patient<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut patient = Self::default();
        let mut home = Address::default();
        c.object(|c, key| {
            match key {
                "gender" => patient.sex = c.text()?.and_then(|text| sex(&text)),
                "birthDate" => {
                    patient.direct.birth_date = c.clone().text()?.filter(|text| text.len() <= 32);
                    patient.birth = header.date(c)?;
                }
                "deceasedBoolean" => patient.deceased |= c.boolean()? == Some(true),
                "deceasedDateTime" => {
                    // Whoever has a date of death is dead, even if the date says nothing.
                    let mut again = c.clone();
                    patient.deceased |= again.text()?.is_some();
                    patient.death = side_date(c)?;
                }
                "maritalStatus" => patient.marital_status.read(c, MARITAL_STATUS)?,
                "extension" => c.each(|c| patient.extension(c))?,
                "address" => {
                    patient.direct.address = element(&mut c.clone())?;
                    c.each(|c| home.better(Address::read(c)?))?;
                }
                "name" => patient.direct.name = element(c)?,
                "telecom" => patient.direct.telecom = element(c)?,
                "identifier" => patient.direct.identifier = element(c)?,
                "link" => patient.direct.link = element(c)?,
                "communication" => c.each(|c| patient.communication(c))?,
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        patient.state = place::usps(home.state.as_deref(), home.country.as_deref());
        patient.postal3 = place::postal3(home.postal_code.as_deref(), home.country.as_deref());
        Ok(patient)
    }

    /// Who the person is, for the lake's list apart from the tables.
    pub(crate) fn direct(&self, number: i64, source: &str, header: &Header<'_>) -> DirectRecord {
        let direct = &self.direct;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        DirectRecord {
            number,
            source: source.to_owned(),
            source_id: header.id.as_deref().unwrap_or_default().to_owned(),
            last_updated: header.last_updated,
            name: owned(direct.name),
            birth_date: owned(direct.birth_date.as_deref()),
            sex: owned(self.sex),
            address: owned(direct.address),
            telecom: owned(direct.telecom),
            identifier: owned(direct.identifier),
            link: owned(direct.link),
        }
    }

    fn extension(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let mut url: Option<Cow<'a, str>> = None;
        let mut categories = Categories::default();
        let mut number = None;
        c.object(|c, key| {
            match key {
                "url" => url = c.text()?,
                "extension" => c.each(|c| categories.read(c))?,
                // DSTU2 and STU3 profiles had the concept here.
                "valueCodeableConcept" | "valueCoding" => categories.read_value(c)?,
                "valueInteger" | "valueDecimal" | "valueUnsignedInt" | "valuePositiveInt" => {
                    number = c.number()?;
                }
                _ => c.skip()?,
            }
            Ok(())
        })?;
        let name = url.as_deref().and_then(|url| url.rsplit('/').next());
        match name {
            Some("us-core-race" | "argo-race") => self.race = categories.race(),
            Some("us-core-ethnicity" | "argo-ethnicity") => self.ethnicity = categories.ethnicity(),
            Some("area-deprivation-decile") => {
                let decile = number.and_then(|number| number.parse().ok());
                self.deprivation = decile.filter(|decile| (1..=10).contains(decile));
            }
            _ => {}
        }
        Ok(())
    }

    fn communication(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let (mut language, mut preferred) = (Coded::default(), false);
        c.object(|c, key| {
            match key {
                "language" => language.read(c, LANGUAGE)?,
                "preferred" => preferred = c.boolean()? == Some(true),
                _ => c.skip()?,
            }
            Ok(())
        })?;
        if language.code.is_some() && (preferred || self.language.is_none()) {
            self.language = language.code;
        }
        Ok(())
    }
}

/// <http://hl7.org/fhir/ValueSet/administrative-gender>, and the letters that HL7 v2 wrote.
fn sex(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "male" | "m" => Some("male"),
        "female" | "f" => Some("female"),
        "other" | "o" => Some("other"),
        "unknown" | "u" | "unk" => Some("unknown"),
        _ => None,
    }
}

/// OMB categories out of us-core's race and ethnicity extensions.
#[derive(Debug, Default)]
struct Categories {
    race: Option<&'static str>,
    several: bool,
    ethnicity: Option<&'static str>,
}

impl Categories {
    /// One nested extension; `detailed` ones refine a category and are not read.
    fn read(&mut self, c: &mut Cursor<'_>) -> Result<(), Broken> {
        let mut nested = Self::default();
        let mut is_category = false;
        c.object(|c, key| {
            match key {
                "url" => is_category = c.text()?.as_deref() == Some("ombCategory"),
                "valueCoding" | "valueCodeableConcept" => nested.read_value(c)?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        if is_category {
            self.merge(&nested);
        }
        Ok(())
    }

    fn read_value(&mut self, c: &mut Cursor<'_>) -> Result<(), Broken> {
        let mut coded = Coded::default();
        coded.read(c, NO_PREFERENCE)?;
        let found = coded.code.as_deref().map(Self::of).unwrap_or_default();
        self.merge(&found);
        Ok(())
    }

    /// <http://hl7.org/fhir/us/core/ValueSet/omb-race-category> and `…/omb-ethnicity-category`.
    fn of(code: &str) -> Self {
        let (race, ethnicity) = match code {
            "2106-3" => (Some("White"), None),
            "2054-5" => (Some("Black or African American"), None),
            "2028-9" => (Some("Asian"), None),
            "1002-5" => (Some("American Indian or Alaska Native"), None),
            "2076-8" => (Some("Native Hawaiian or Other Pacific Islander"), None),
            "2131-1" => (Some("Other"), None),
            "2135-2" => (None, Some("Hispanic or Latino")),
            "2186-5" => (None, Some("Not Hispanic or Latino")),
            "UNK" | "ASKU" => (Some("Unknown"), Some("Unknown")),
            _ => (None, None),
        };
        Self {
            race,
            several: false,
            ethnicity,
        }
    }

    fn merge(&mut self, other: &Self) {
        // An unknown beside something known adds nothing.
        if let Some(race) = other
            .race
            .filter(|race| *race != "Unknown" || self.race.is_none())
        {
            self.several |= self
                .race
                .is_some_and(|known| known != "Unknown" && known != race);
            self.race = Some(race);
        }
        self.ethnicity = self
            .ethnicity
            .filter(|known| *known != "Unknown")
            .or(other.ethnicity);
    }

    fn race(&self) -> Option<&'static str> {
        if self.several {
            Some("Two or more")
        } else {
            self.race
        }
    }

    fn ethnicity(&self) -> Option<&'static str> {
        self.ethnicity
    }
}

/// The parts of an address that are not a direct identifier.
#[derive(Debug, Default)]
struct Address<'a> {
    state: Option<Cow<'a, str>>,
    postal_code: Option<Cow<'a, str>>,
    country: Option<Cow<'a, str>>,
    /// Current homes before other current addresses before old ones; 0 for none at all.
    rank: u8,
}

impl<'a> Address<'a> {
    fn read(c: &mut Cursor<'a>) -> Result<Self, Broken> {
        let mut address = Self {
            rank: 2,
            ..Self::default()
        };
        c.object(|c, key| {
            match key {
                "state" => address.state = c.text()?,
                "postalCode" => address.postal_code = c.text()?,
                "country" => address.country = c.text()?,
                "use" => {
                    address.rank = match c.text()?.as_deref() {
                        Some("home") => 3,
                        Some("old") => 1,
                        _ => 2,
                    }
                }
                _ => c.skip()?,
            }
            Ok(())
        })?;
        Ok(address)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a reading function")]
    fn better(&mut self, other: Self) -> Result<(), Broken> {
        if other.rank > self.rank {
            *self = other;
        }
        Ok(())
    }
}
