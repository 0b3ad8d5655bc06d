//! Who gets which drug, when it is renewed, and what it does.

use crate::chart::{Chart, due};
use crate::course::Purpose;
use crate::onset::Illness;
use crate::physiology::Effect;
use crate::record::{MedicationRequest, RequestStatus};
use crate::terms::{self, Concept};
use crate::time::{Day, Instant};

/// A drug for an illness: taken by those whose uniform number `of` (0 or 1, two for each illness)
/// lies in [from, to).
struct Regimen {
    illness: Illness,
    of: usize,
    from: f64,
    to: f64,
    drug: &'static Concept,
    effect: Effect,
}

const NO_EFFECT: Effect = Effect {
    sugar: 0.0,
    pressure: 0.0,
    ldl: 0.0,
    mood: 0.0,
};

macro_rules! regimens {
    ($($illness:ident $of:literal $from:literal $to:literal $drug:ident { $($effect:ident $size:literal)? };)+) => {
        &[$(Regimen {
            illness: Illness::$illness, of: $of, from: $from, to: $to, drug: &terms::$drug,
            effect: Effect { $($effect: $size,)? ..NO_EFFECT },
        }),+]
    };
}

/// Shares of use among the diagnosed (NHANES 2015-20 treatment rates, rounded) and mean effects
/// (trial meta-analyses, rounded).
#[rustfmt::skip]
static REGIMENS: &[Regimen] = regimens! {
    Diabetes           0 0.00 0.76 METFORMIN { sugar 1.1 };
    Diabetes           1 0.00 0.18 GLIPIZIDE { sugar 0.8 };
    Hypertension       0 0.00 0.40 LISINOPRIL { pressure 9.0 };
    Hypertension       0 0.40 0.58 LOSARTAN { pressure 8.0 };
    Hypertension       1 0.00 0.36 AMLODIPINE { pressure 9.0 };
    Hypertension       1 0.36 0.52 HYDROCHLOROTHIAZIDE { pressure 7.0 };
    Hyperlipidemia     0 0.00 0.40 ATORVASTATIN_10 { ldl 0.33 };
    Hyperlipidemia     0 0.40 0.64 ATORVASTATIN_40 { ldl 0.45 };
    Coronary           0 0.00 0.70 ASPIRIN { };
    Coronary           1 0.00 0.55 METOPROLOL { pressure 4.0 };
    HeartFailure       0 0.00 0.65 FUROSEMIDE { };
    AtrialFibrillation 0 0.00 0.45 APIXABAN { };
    AtrialFibrillation 0 0.45 0.65 WARFARIN { };
    Copd               0 0.00 0.60 SALMETEROL { };
    Copd               1 0.00 0.55 ALBUTEROL { };
    Asthma             0 0.00 0.70 ALBUTEROL { };
    Asthma             1 0.00 0.45 FLUTICASONE { };
    Depression         0 0.00 0.55 SERTRALINE { mood 4.5 };
    Hypothyroidism     0 0.00 0.90 LEVOTHYROXINE { };
    Reflux             0 0.00 0.50 OMEPRAZOLE { };
};

/// A drug that a person is meant to take.
#[derive(Debug)]
pub(crate) struct Course {
    illness: Illness,
    drug: &'static Concept,
    effect: Effect,
    /// Day of the last prescription, those from before the window included.
    last: Option<Day>,
    /// The last prescription of the window.
    request: Option<usize>,
}

/// A prescription lasts a year and a little.
const LASTS: i32 = 420;

impl Chart<'_> {
    /// Chooses drugs for every illness a person has or will get; who was diagnosed before the
    /// window already takes them.
    pub(crate) fn plan(&mut self) {
        for illness in crate::diagnosis::ALL {
            if self.ill.onset(illness).is_none() {
                continue;
            }
            let uniforms = [self.draw.unit(), self.draw.unit()];
            for regimen in REGIMENS.iter().filter(|regimen| regimen.illness == illness) {
                if (regimen.from..regimen.to).contains(&uniforms[regimen.of]) {
                    self.intend(illness, regimen.drug, regimen.effect);
                }
            }
            if illness == Illness::Diabetes && self.body.wants_insulin(self.draw) {
                self.intend(
                    illness,
                    &terms::GLARGINE,
                    Effect {
                        sugar: 1.7,
                        ..NO_EFFECT
                    },
                );
            }
        }
    }

    fn intend(&mut self, illness: Illness, drug: &'static Concept, effect: Effect) {
        let back = self.draw.day_between(1, 365);
        let last = self.knows(illness).then(|| self.span.from.plus(-back));
        if self.courses.iter().all(|course| course.drug != drug) {
            self.courses.push(Course {
                illness,
                drug,
                effect,
                last,
                request: None,
            });
        }
    }

    /// What the drugs in effect on a day add up to.
    pub(crate) fn effect(&self, day: Day) -> Effect {
        let mut sum = Effect::default();
        for course in self
            .courses
            .iter()
            .filter(|course| !due(course.last, day, LASTS))
        {
            sum.sugar += course.effect.sugar;
            sum.pressure += course.effect.pressure;
            sum.ldl += course.effect.ldl;
            sum.mood += course.effect.mood;
        }
        sum
    }

    /// Starts and renews drugs at planned visits, and treats acute complaints.
    pub(crate) fn prescribe(&mut self, purpose: Purpose, at: Instant, encounter: u32) {
        if matches!(purpose, Purpose::Symptom | Purpose::Emergency) && self.draw.chance(0.28) {
            let drug = self.draw.pick(&[
                &terms::AMOXICILLIN,
                &terms::IBUPROFEN,
                &terms::ACETAMINOPHEN,
            ]);
            let over = at.day.plus(14) <= self.span.to;
            let status = if over {
                RequestStatus::Completed
            } else {
                RequestStatus::Active
            };
            self.person.medication_requests.push(MedicationRequest {
                concept: drug,
                status,
                authored: at,
                encounter: Some(encounter),
            });
        }
        if !matches!(
            purpose,
            Purpose::Wellness | Purpose::FollowUp | Purpose::Admission
        ) {
            return;
        }
        for place in 0..self.courses.len() {
            let course = &self.courses[place];
            let (drug, last, knows) = (course.drug, course.last, self.knows(course.illness));
            // A first prescription may wait for the next visit; metformin stops when the kidneys
            // fail.
            let ready = knows
                && due(last, at.day, 300)
                && self.draw.chance(if last.is_some() { 0.92 } else { 0.6 });
            let barred = *drug == terms::METFORMIN
                && self.body.filtration(&self.traits, &self.ill, at.day) < 30.0;
            if !ready || barred {
                continue;
            }
            let index = self.person.medication_requests.len();
            let status = if self.draw.chance(0.03) {
                RequestStatus::Stopped
            } else {
                RequestStatus::Completed
            };
            self.person.medication_requests.push(MedicationRequest {
                concept: drug,
                status,
                authored: at,
                encounter: Some(encounter),
            });
            self.courses[place].last = Some(at.day);
            self.courses[place].request = Some(index);
        }
    }

    /// The last prescription of a living person's course is active until it runs out.
    pub(crate) fn settle_requests(&mut self) {
        if self.person.patient.death.is_some() {
            return;
        }
        for course in &self.courses {
            let Some(request) = course
                .request
                .map(|index| &mut self.person.medication_requests[index])
            else {
                continue;
            };
            if request.status == RequestStatus::Completed
                && self.span.to.0 - request.authored.day.0 < LASTS
            {
                request.status = RequestStatus::Active;
            }
        }
    }
}
