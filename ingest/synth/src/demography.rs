//! Who a person is: age, sex, place, deprivation, and the traits that drive illness and the use of
//! care.

use crate::Window;
use crate::draw::{Draw, logistic, whole};
use crate::places::{FAMILIES, GIVEN, STATES, STREETS, TOWNS};
use crate::record::{Patient, Sex};
use crate::terms::{self, Concept};
use crate::time::Day;

/// Days in a year, on average.
pub(crate) const YEAR: f64 = 365.25;

/// Share of five-year age groups from 0-4 to 95-99, per 1,000 (US Census Bureau, Vintage 2023
/// estimates, rounded).
const PYRAMID: [u32; 20] = [
    55, 60, 63, 65, 66, 66, 69, 67, 65, 59, 62, 62, 63, 55, 45, 33, 20, 12, 6, 2,
];

/// Women per 1,000 persons of each five-year age group (same source).
const WOMEN: [u32; 20] = [
    489, 489, 489, 489, 490, 492, 494, 497, 500, 503, 506, 510, 517, 527, 537, 550, 570, 600, 650,
    720,
];

/// Traits that no record states but everything recorded follows from.
#[derive(Debug, Clone)]
pub(crate) struct Traits {
    pub(crate) female: bool,
    pub(crate) birth: Day,
    /// Deprivation as a standard score: 0 is average, positive is more deprived.
    pub(crate) deprived: f64,
    pub(crate) smoker: Smoker,
    /// Adult BMI (kg/m2) on the middle of the window; for children their standard score on the
    /// growth curve.
    pub(crate) bmi: f64,
    /// Height as a standard score.
    pub(crate) stature: f64,
    /// Willingness to use planned care, standard normal.
    pub(crate) engagement: f64,
    /// Multiplies the rate of unplanned visits; mean 1, heavy tail.
    pub(crate) frailty: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Smoker {
    Never,
    Former,
    SomeDays,
    Daily,
}

impl Smoker {
    pub(crate) fn current(self) -> bool {
        matches!(self, Self::SomeDays | Self::Daily)
    }

    pub(crate) fn answer(self) -> &'static Concept {
        match self {
            Self::Never => &terms::NEVER_SMOKER,
            Self::Former => &terms::FORMER_SMOKER,
            Self::SomeDays => &terms::SOME_DAYS_SMOKER,
            Self::Daily => &terms::DAILY_SMOKER,
        }
    }
}

impl Traits {
    /// Age in years on a day.
    pub(crate) fn age(&self, day: Day) -> f64 {
        f64::from(day.0 - self.birth.0) / YEAR
    }
}

/// Draws a person's demographics and traits.
pub(crate) fn draw(draw: &mut Draw, window: Window) -> (Patient, Traits) {
    let group = draw.weighted(PYRAMID.iter().copied());
    let years = 5.0 * f64::from(u32::try_from(group).unwrap_or(0)) + draw.between(0.0, 5.0);
    let birth = window.end.plus(-whole(years * YEAR));
    let female = draw.below(1000) < WOMEN[group];
    let (race, hispanic) = race_and_ethnicity(draw);
    let decile = decile(draw, race, hispanic);
    let deprived = (f64::from(decile) - 5.5) / 2.872;
    let smoker = smoker(draw, years, female, deprived);
    let engagement = draw.normal() - 0.12 * deprived;
    let traits = Traits {
        female,
        birth,
        deprived,
        smoker,
        bmi: body_mass(draw, years, female, deprived, smoker),
        stature: draw.normal(),
        engagement,
        // Lognormal with mean one; sigma 0.85 makes the counts as dispersed as a negative binomial
        // of size about 0.95.
        frailty: libm::exp(0.85 * draw.normal() - 0.361),
    };
    let state = &STATES[draw.weighted(STATES.iter().map(|state| state.thousands))];
    let known_area = !draw.chance(0.02);
    let postal = postal(draw, state.zip3, decile);
    let patient = Patient {
        sex: if female { Sex::Female } else { Sex::Male },
        birth,
        death: None,
        marital: marital(draw, years, female),
        race: (!draw.chance(0.04)).then_some(race),
        ethnicity: (!draw.chance(0.05)).then_some(if hispanic {
            &terms::HISPANIC
        } else {
            &terms::NOT_HISPANIC
        }),
        state: state.code,
        postal: known_area.then_some(postal),
        deprivation: known_area.then_some(decile),
        language: if draw.chance(if hispanic { 0.45 } else { 0.01 }) {
            "es"
        } else {
            "en"
        },
        given: draw.pick(GIVEN[usize::from(!female)]),
        family: draw.pick(FAMILIES),
        street: (
            u16::try_from(draw.below(999)).unwrap_or(0) + 1,
            draw.pick(STREETS),
        ),
        town: draw.pick(TOWNS),
        phone: u8::try_from(draw.below(100)).unwrap_or(0),
    };
    (patient, traits)
}

/// Race and ethnicity, Census 2020 shares. They shift the area a person lives in and nothing
/// biological.
fn race_and_ethnicity(draw: &mut Draw) -> (&'static Concept, bool) {
    let hispanic = draw.chance(0.19);
    let shares: &[(u32, &'static Concept)] = if hispanic {
        &[
            (560, &terms::WHITE),
            (30, &terms::BLACK),
            (15, &terms::NATIVE_AMERICAN),
            (395, &terms::OTHER_RACE),
        ]
    } else {
        &[
            (740, &terms::WHITE),
            (155, &terms::BLACK),
            (75, &terms::ASIAN),
            (10, &terms::NATIVE_AMERICAN),
            (3, &terms::PACIFIC_ISLANDER),
            (17, &terms::OTHER_RACE),
        ]
    };
    (
        shares[draw.weighted(shares.iter().map(|(share, _)| *share))].1,
        hispanic,
    )
}

/// Area deprivation: uniform deciles, moved up for groups that residential segregation has moved
/// there and down for the rest.
fn decile(draw: &mut Draw, race: &Concept, hispanic: bool) -> u8 {
    let (one, other) = (draw.below(10) + 1, draw.below(10) + 1);
    let disadvantaged = hispanic || *race == terms::BLACK || *race == terms::NATIVE_AMERICAN;
    let decile = match (disadvantaged, draw.unit()) {
        (true, u) if u < 0.35 => one.max(other),
        (false, u) if u < 0.18 => one.min(other),
        _ => one,
    };
    u8::try_from(decile).unwrap_or(5)
}

/// A ZIP code whose fourth digit fixes the decile, so that one ZIP code is one area.
fn postal(draw: &mut Draw, zip3: (u16, u16), decile: u8) -> u32 {
    let prefix = u32::from(zip3.0) + draw.below(u32::from(zip3.1 - zip3.0) + 1);
    let fourth = (u32::from(decile) + prefix) % 10;
    prefix * 100 + fourth * 10 + draw.below(10)
}

/// Smoking: 11.5 % of adults smoke, 21 % used to (NHIS 2021-22), with the gradient over deprivation
/// that NHIS shows over income.
fn smoker(draw: &mut Draw, age: f64, female: bool, deprived: f64) -> Smoker {
    let (now, habit, before) = (draw.unit(), draw.unit(), draw.unit());
    if age < 18.0 {
        return Smoker::Never;
    }
    let old = if age > 65.0 { 0.55 } else { 0.0 };
    let young = if age < 25.0 { 0.7 } else { 0.0 };
    let male = if female { 0.0 } else { 0.25 };
    if now < logistic(-2.05 + 0.5 * deprived + male - old - young) {
        return if habit < 0.77 {
            Smoker::Daily
        } else {
            Smoker::SomeDays
        };
    }
    if before < logistic(-1.55 + 0.027 * (age - 45.0) + male + 0.08 * deprived) {
        Smoker::Former
    } else {
        Smoker::Never
    }
}

/// Adult BMI: lognormal with 42 % at or above 30 (NHANES 2017-20), a hump in middle age, a gradient
/// over deprivation.
fn body_mass(draw: &mut Draw, age: f64, female: bool, deprived: f64, smoker: Smoker) -> f64 {
    let z = draw.normal();
    if age < 18.0 {
        return z;
    }
    let hump = -0.000_09 * (age - 52.0) * (age - 52.0);
    let smoke = if smoker.current() { -0.03 } else { 0.0 };
    let spread = if female { 0.235 } else { 0.195 };
    (29.2 * libm::exp(hump + smoke + 0.025 * deprived + spread * z)).clamp(16.0, 62.0)
}

fn marital(draw: &mut Draw, age: f64, female: bool) -> Option<&'static Concept> {
    let (known, ever, ended, how) = (draw.unit(), draw.unit(), draw.unit(), draw.unit());
    if age < 18.0 || known < 0.06 {
        return None;
    }
    if ever > logistic((age - 30.0) / 6.0) * 0.86 {
        return Some(&terms::NEVER_MARRIED);
    }
    let widowed = logistic((age - if female { 80.0 } else { 90.0 }) / 6.0);
    Some(if how < widowed {
        &terms::WIDOWED
    } else if ended < 0.2 {
        &terms::DIVORCED
    } else {
        &terms::MARRIED
    })
}

/// Height in cm: adults 175.4 +- 7.3 (men), 161.5 +- 6.9 (women) (NHANES 2015-18); children on a
/// growth curve through round medians (CDC 2000).
pub(crate) fn height(traits: &Traits, age: f64) -> f64 {
    const BOYS: [f64; 20] = [
        50.0, 76.0, 87.0, 95.0, 102.5, 109.0, 115.5, 122.0, 128.0, 133.5, 138.5, 143.5, 149.0,
        156.0, 164.0, 170.0, 173.5, 175.0, 175.4, 175.4,
    ];
    const GIRLS: [f64; 20] = [
        49.5, 74.0, 86.0, 94.5, 101.5, 108.0, 115.0, 121.5, 127.5, 133.0, 138.0, 144.0, 151.0,
        157.0, 160.0, 161.0, 161.3, 161.5, 161.5, 161.5,
    ];
    let median = along(if traits.female { &GIRLS } else { &BOYS }, age);
    median * (1.0 + 0.042 * traits.stature.clamp(-3.5, 3.5))
}

/// BMI in kg/m2 on a day of life.
pub(crate) fn bmi(traits: &Traits, age_now: f64, adult: bool) -> f64 {
    const CHILD: [f64; 20] = [
        13.5, 17.0, 16.5, 16.0, 15.7, 15.5, 15.5, 15.7, 16.0, 16.5, 17.0, 17.6, 18.3, 19.0, 19.7,
        20.4, 21.0, 21.6, 22.2, 22.6,
    ];
    if adult {
        traits.bmi
    } else {
        along(&CHILD, age_now) * libm::exp(0.03 + 0.14 * traits.bmi.clamp(-3.0, 3.2))
    }
}

/// Linear interpolation over whole years.
fn along(curve: &[f64; 20], age: f64) -> f64 {
    let age = age.clamp(0.0, 18.999);
    let year = whole(age.floor());
    let at = usize::try_from(year).unwrap_or(0);
    curve[at] + (curve[at + 1] - curve[at]) * (age - f64::from(year))
}
