//! When a person dies and when they see a clinician.

use crate::Window;
use crate::demography::{Traits, YEAR};
use crate::draw::{Draw, logistic, whole};
use crate::onset::{Illness, Morbidity};
use crate::time::{Day, Instant};

/// Why a person comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A planned check-up of a well person or child.
    Wellness,
    /// A planned visit for a chronic illness.
    FollowUp,
    /// An acute complaint.
    Symptom,
    /// A screening colonoscopy.
    Colonoscopy,
    /// Emergency department.
    Emergency,
    /// Hospital stay.
    Admission,
}

/// One visit to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) start: Instant,
    pub(crate) minutes: u32,
    pub(crate) purpose: Purpose,
}

/// Log hazard ratios of death.
const DEADLY: &[(Illness, f64)] = &[
    (Illness::Diabetes, 0.35),
    (Illness::Kidney, 0.30),
    (Illness::Coronary, 0.30),
    (Illness::HeartFailure, 0.85),
    (Illness::Stroke, 0.45),
    (Illness::Copd, 0.65),
    (Illness::LungCancer, 2.20),
    (Illness::ColonCancer, 0.90),
    (Illness::BreastCancer, 0.25),
    (Illness::ProstateCancer, 0.15),
    (Illness::Alzheimer, 0.90),
    (Illness::Depression, 0.15),
];

/// Planned visits a year for each chronic illness.
const FOLLOWED: &[(Illness, f64)] = &[
    (Illness::Diabetes, 1.3),
    (Illness::Hypertension, 0.6),
    (Illness::Hyperlipidemia, 0.15),
    (Illness::Kidney, 0.4),
    (Illness::Coronary, 0.6),
    (Illness::HeartFailure, 1.2),
    (Illness::AtrialFibrillation, 0.6),
    (Illness::Stroke, 0.3),
    (Illness::Copd, 0.7),
    (Illness::Asthma, 0.3),
    (Illness::Depression, 0.6),
    (Illness::Anxiety, 0.3),
    (Illness::BreastCancer, 1.0),
    (Illness::ProstateCancer, 0.8),
    (Illness::ColonCancer, 1.2),
    (Illness::LungCancer, 2.0),
    (Illness::Osteoarthritis, 0.25),
    (Illness::Hypothyroidism, 0.3),
    (Illness::Reflux, 0.1),
    (Illness::Alzheimer, 0.8),
];

/// How much each illness adds to the rate of admission.
const ADMITTED: &[(Illness, f64)] = &[
    (Illness::HeartFailure, 2.5),
    (Illness::Copd, 1.3),
    (Illness::Kidney, 0.7),
    (Illness::Coronary, 0.6),
    (Illness::Stroke, 0.7),
    (Illness::AtrialFibrillation, 0.5),
    (Illness::Diabetes, 0.45),
    (Illness::LungCancer, 2.5),
    (Illness::ColonCancer, 1.2),
    (Illness::Alzheimer, 0.7),
    (Illness::Depression, 0.2),
];

/// The day of death, when it falls in the window: Gompertz in age (doubling every eight years),
/// times illness, smoking, sex and deprivation.
pub(crate) fn death(
    draw: &mut Draw,
    traits: &Traits,
    ill: &Morbidity,
    window: Window,
) -> Option<Day> {
    const SLOPE: f64 = 0.086;
    let from = window.start.max(traits.birth);
    let smoke = if traits.smoker.current() { 0.6 } else { 0.0 };
    let sex = if traits.female { -0.20 } else { 0.18 };
    let mut left = draw.exponential();
    let mut year_start = from;
    while year_start < window.end {
        let year_end = year_start.plus(365).min(window.end);
        let middle = Day(i32::midpoint(year_start.0, year_end.0));
        let log_rate = -10.65
            + SLOPE * traits.age(middle)
            + ill.weight(DEADLY, middle)
            + smoke
            + sex
            + 0.12 * traits.deprived;
        let days = f64::from(year_end.0 - year_start.0);
        let hazard = libm::exp(log_rate) * days / YEAR;
        if left < hazard {
            return Some(year_start.plus(whole((days * left / hazard).floor())));
        }
        left -= hazard;
        year_start = year_end;
    }
    None
}

/// The colonoscopy history: the day of the last one, when there was one in the ten years before the
/// end.
pub(crate) fn colonoscopy(draw: &mut Draw, traits: &Traits, last: Day) -> Option<Day> {
    let (up_to_date, back) = (draw.unit(), draw.between(0.0, 10.0 * YEAR));
    let age = traits.age(last);
    // 67 % of those aged 50 to 75 are up to date (NHIS 2021), fewer just after the starting age of
    // 45.
    let eligible = logistic((age - 48.5) / 1.5) * if age > 80.0 { 0.5 } else { 1.0 };
    let p = eligible * logistic(1.0 + 0.7 * traits.engagement);
    let day = last.plus(-whole(back));
    (up_to_date < p && traits.age(day) >= 44.5).then_some(day)
}

/// All visits of a person in order of time; at most one starts on a day.
pub(crate) fn visits(
    draw: &mut Draw,
    traits: &Traits,
    ill: &Morbidity,
    span: Span,
    died: bool,
) -> Vec<Visit> {
    let mut visits = Vec::with_capacity(16);
    wellness(draw, traits, span, &mut visits);
    let planned = libm::exp(0.45 * traits.engagement.clamp(-3.0, 3.0) - 0.1);
    for (illness, per_year) in FOLLOWED {
        let Some(onset) = ill.onset(*illness) else {
            continue;
        };
        let from = onset.max(span.from);
        scatter(
            draw,
            planned * per_year,
            Span { from, to: span.to },
            Purpose::FollowUp,
            &mut visits,
        );
    }
    let middle = Day(i32::midpoint(span.from.0, span.to.0));
    let age = traits.age(middle);
    let young = if age < 6.0 { 1.9 } else { 1.0 };
    scatter(
        draw,
        0.55 * traits.frailty * young,
        span,
        Purpose::Symptom,
        &mut visits,
    );
    let burden = ill.weight(ADMITTED, middle);
    let emergency = 0.36 * traits.frailty * (1.0 + 0.3 * burden) * libm::exp(0.2 * traits.deprived);
    scatter(
        draw,
        emergency.min(30.0),
        span,
        Purpose::Emergency,
        &mut visits,
    );
    let admission = 0.052
        * traits.frailty
        * (1.0 + burden)
        * libm::exp(0.018 * (age - 45.0) + 0.1 * traits.deprived);
    scatter(
        draw,
        admission.min(12.0),
        span,
        Purpose::Admission,
        &mut visits,
    );
    if died && draw.chance(0.4) {
        let days = draw.day_between(1, 12).min(span.to.0 - span.from.0);
        let start = Instant {
            day: span.to.plus(-days),
            minute: minute(draw, 0, 1439),
        };
        visits.push(Visit {
            start,
            minutes: 1440 * days.unsigned_abs(),
            purpose: Purpose::Admission,
        });
    }
    visits.sort_by_key(|visit| (visit.start.day, visit.purpose as u8));
    visits.dedup_by_key(|visit| visit.start.day);
    let last = Instant {
        day: span.to,
        minute: 1439,
    };
    for visit in &mut visits {
        let room = (last.micros() - visit.start.micros()) / 60_000_000;
        visit.minutes = visit.minutes.min(u32::try_from(room).unwrap_or(0));
    }
    visits
}

/// The part of the window in which a person is alive, both days included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Day,
    pub(crate) to: Day,
}

impl Span {
    pub(crate) fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }

    fn years(self) -> f64 {
        f64::from((self.to.0 - self.from.0).max(0)) / YEAR
    }
}

/// A visit of the length and at the hour that its purpose has.
pub(crate) fn visit(draw: &mut Draw, day: Day, purpose: Purpose) -> Visit {
    let (minute, minutes) = match purpose {
        Purpose::Wellness => (office_hour(draw), 30),
        Purpose::FollowUp => (office_hour(draw), 20),
        Purpose::Symptom => (office_hour(draw), 15),
        Purpose::Colonoscopy => (office_hour(draw), 120),
        Purpose::Emergency => (minute(draw, 0, 1439), 60 + draw.below(420)),
        Purpose::Admission => {
            // Lognormal stay with a median of three and a mean of 4.5 days.
            let days = libm::exp(1.1 + 0.9 * draw.normal()).clamp(0.8, 60.0);
            (
                minute(draw, 0, 1439),
                u32::try_from(whole(days * 1440.0)).unwrap_or(1440),
            )
        }
    };
    Visit {
        start: Instant { day, minute },
        minutes,
        purpose,
    }
}

fn minute(draw: &mut Draw, low: i32, high: i32) -> u16 {
    u16::try_from(draw.day_between(low, high)).unwrap_or(0)
}

/// Between 13:00 and 22:00 UTC, in quarters of an hour: a working day in North America.
fn office_hour(draw: &mut Draw) -> u16 {
    780 + 15 * u16::try_from(draw.below(36)).unwrap_or(0)
}

/// A Poisson number of visits on uniform days.
fn scatter(draw: &mut Draw, per_year: f64, span: Span, purpose: Purpose, visits: &mut Vec<Visit>) {
    if span.to < span.from {
        return;
    }
    for _ in 0..draw.poisson(per_year * span.years()) {
        let day = Day(draw.day_between(span.from.0, span.to.0));
        visits.push(visit(draw, day, purpose));
    }
}

/// Check-ups: by the well-child schedule below three years, then at most one in each year of the
/// window.
fn wellness(draw: &mut Draw, traits: &Traits, span: Span, visits: &mut Vec<Visit>) {
    for due in [7, 61, 122, 183, 274, 370, 456, 548, 730, 913] {
        let day = traits.birth.plus(due + draw.day_between(0, 13));
        if span.contains(day) && draw.chance(0.88) {
            visits.push(visit(draw, day, Purpose::Wellness));
        }
    }
    let mut year_start = span.from;
    while year_start <= span.to {
        let year_end = year_start.plus(364).min(span.to);
        let day = Day(draw.day_between(year_start.0, year_end.0));
        let age = traits.age(day);
        let usual = match age {
            a if a < 2.7 => -9.0,
            a if a < 18.0 => 0.9,
            a if a < 40.0 => -0.75 + if traits.female { 0.6 } else { 0.0 },
            a if a < 65.0 => -0.05 + if traits.female { 0.35 } else { 0.0 },
            _ => 0.95,
        };
        let share = f64::from(year_end.0 - year_start.0 + 1) / 365.0;
        if draw.chance(share * logistic(usual + 0.9 * traits.engagement)) {
            visits.push(visit(draw, day, Purpose::Wellness));
        }
        year_start = year_start.plus(365);
    }
}
