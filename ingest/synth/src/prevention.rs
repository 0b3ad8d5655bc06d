//! Vaccinations, screening and monitoring that follow a calendar rather than a visit.

use crate::chart::Chart;
use crate::demography::YEAR;
use crate::draw::logistic;
use crate::onset::Illness;
use crate::record::{Category, Class, Immunization, Value};
use crate::terms::{self, Concept};
use crate::time::{Day, Instant};

/// Childhood schedule: vaccine and days of life when due (CDC schedule, shortened to four
/// vaccines).
const CHILDHOOD: &[(&Concept, &[i32])] = &[
    (&terms::DTAP, &[61, 122, 183, 480, 1640]),
    (&terms::POLIO, &[61, 122, 300, 1640]),
    (&terms::MMR, &[380, 1640]),
    (&terms::VARICELLA, &[380, 1640]),
];

/// All vaccinations of the window.
pub(crate) fn immunize(chart: &mut Chart<'_>) {
    for (vaccine, schedule) in CHILDHOOD {
        for due in *schedule {
            let day = chart.traits.birth.plus(due + chart.draw.day_between(0, 30));
            if chart.span.contains(day) && chart.draw.chance(0.91) {
                give(chart, vaccine, day);
            }
        }
    }
    influenza(chart);
    let (from, to) = (chart.span.from, chart.span.to);
    let years = f64::from((to.0 - from.0).max(0)) / YEAR;
    let willing = 0.6 * chart.traits.engagement - 0.1 * chart.traits.deprived;
    // Chance a year and ages of the adult vaccines.
    let adult: [(&Concept, f64, f64, f64); 4] = [
        (&terms::COVID_VACCINE, 0.22, 12.0, 120.0),
        (&terms::TETANUS, 0.06, 18.0, 120.0),
        (&terms::PNEUMOCOCCAL, 0.09, 65.0, 90.0),
        (&terms::ZOSTER, 0.055, 50.0, 90.0),
    ];
    for (vaccine, per_year, youngest, oldest) in adult {
        let day = Day(chart.draw.day_between(from.0, to.0));
        let p = years * per_year * libm::exp(willing.clamp(-1.5, 1.0));
        let age = chart.traits.age(day);
        if age < youngest || age > oldest || !chart.draw.chance(p) {
            continue;
        }
        give(chart, vaccine, day);
        let second = day.plus(60 + chart.draw.day_between(0, 120));
        if *vaccine == terms::ZOSTER && chart.span.contains(second) && chart.draw.chance(0.8) {
            give(chart, vaccine, second);
        }
    }
}

/// One influenza vaccine each autumn (coverage by age: CDC FluVaxView 2022-23).
fn influenza(chart: &mut Chart<'_>) {
    let (first, _, _) = chart.span.from.civil();
    let (last, _, _) = chart.span.to.civil();
    for year in first..=last {
        let day = Day::first_of(year, 9).plus(chart.draw.day_between(0, 110));
        let age = chart.traits.age(day);
        let usual = match age {
            a if a < 0.5 => -9.0,
            a if a < 5.0 => 0.45,
            a if a < 18.0 => -0.05,
            a if a < 50.0 => -0.75,
            a if a < 65.0 => -0.05,
            _ => 0.85,
        };
        let p = logistic(usual + 0.7 * chart.traits.engagement - 0.12 * chart.traits.deprived);
        if chart.span.contains(day) && chart.draw.chance(p) {
            let vaccine = if chart.draw.chance(0.6) {
                &terms::FLU
            } else {
                &terms::FLU_PRESERVED
            };
            give(chart, vaccine, day);
        }
    }
}

/// Records a dose: at an office visit within three weeks if there is one, elsewhere otherwise.
fn give(chart: &mut Chart<'_>, concept: &'static Concept, day: Day) {
    let visit = chart.person.encounters.iter().position(|encounter| {
        encounter.class == Class::Ambulatory && (encounter.start.day.0 - day.0).abs() <= 21
    });
    let occurred = visit.map_or(day, |index| chart.person.encounters[index].start.day);
    let done = !chart.draw.chance(0.01);
    let encounter = visit.and_then(|index| u32::try_from(index).ok());
    chart.person.immunizations.push(Immunization {
        concept,
        done,
        occurred,
        encounter,
    });
}

/// Mammography, retinal examination and dialysis.
pub(crate) fn examine(chart: &mut Chart<'_>) {
    mammography(chart);
    let Some(index) = chart.diagnosed[Illness::Diabetes as usize] else {
        dialysis(chart);
        return;
    };
    let known = chart.person.conditions[index].recorded.max(chart.span.from);
    let mut year_start = known;
    while year_start <= chart.span.to {
        let day = Day(chart.draw.day_between(year_start.0, year_start.0 + 364));
        let p = logistic(0.25 + 0.8 * chart.traits.engagement - 0.1 * chart.traits.deprived);
        if chart.span.contains(day) && chart.draw.chance(p) {
            chart.procedure(&terms::RETINAL_EXAM, day, None);
        }
        year_start = year_start.plus(365);
    }
    dialysis(chart);
}

/// Every other year for those who take part: 76 % of women aged 50 to 74 within two years (NHIS
/// 2021).
fn mammography(chart: &mut Chart<'_>) {
    let takes_part = chart.draw.chance(logistic(
        1.25 + 0.8 * chart.traits.engagement - 0.15 * chart.traits.deprived,
    ));
    let mut day = chart.span.to.plus(-chart.draw.day_between(0, 730));
    if !chart.traits.female || !takes_part {
        return;
    }
    while day >= chart.span.from {
        if (40.0..75.0).contains(&chart.traits.age(day)) {
            chart.procedure(&terms::MAMMOGRAPHY, day, None);
            let at = Instant { day, minute: 960 };
            chart.observe(
                &terms::MAMMOGRAM_REPORT,
                Category::Imaging,
                at,
                None,
                Value::None,
            );
        }
        day = day.plus(-700 - chart.draw.day_between(0, 60));
    }
}

/// Kidney failure: one record a month stands for the month's sessions.
fn dialysis(chart: &mut Chart<'_>) {
    if !chart.knows(Illness::Kidney) {
        return;
    }
    let mut day = chart.span.from.plus(chart.draw.day_between(0, 27));
    while chart.span.contains(day) {
        if chart.body.filtration(&chart.traits, &chart.ill, day) < 9.0 {
            chart.procedure(&terms::DIALYSIS, day, None);
        }
        day = day.plus(30);
    }
}
