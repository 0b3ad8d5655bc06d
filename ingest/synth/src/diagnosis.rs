//! How an illness becomes a Condition: known before the window, found at a visit, or acute.

use crate::chart::Chart;
use crate::course::Purpose;
use crate::onset::Illness;
use crate::record::Condition;
use crate::terms::{self, Concept};
use crate::time::Day;

use Illness::{
    Alzheimer, Anxiety, Asthma, AtrialFibrillation, BreastCancer, ColonCancer, Copd, Coronary,
    Depression, Diabetes, HeartFailure, Hyperlipidemia, Hypertension, Hypothyroidism, Kidney,
    LungCancer, Neuropathy, Obesity, Osteoarthritis, Osteoporosis, ProstateCancer, Reflux,
    Retinopathy, Stroke,
};

/// All illnesses, in order.
pub(crate) const ALL: [Illness; crate::onset::ILLNESSES] = [
    Diabetes,
    Hypertension,
    Hyperlipidemia,
    Kidney,
    Coronary,
    HeartFailure,
    AtrialFibrillation,
    Stroke,
    Copd,
    Asthma,
    Depression,
    Anxiety,
    Obesity,
    BreastCancer,
    ProstateCancer,
    ColonCancer,
    LungCancer,
    Osteoarthritis,
    Osteoporosis,
    Hypothyroidism,
    Reflux,
    Alzheimer,
    Retinopathy,
    Neuropathy,
];

const MINOR: &[(u32, &Concept)] = &[
    (26, &terms::SINUSITIS),
    (18, &terms::PHARYNGITIS),
    (16, &terms::BRONCHITIS),
    (10, &terms::URINARY_INFECTION),
    (14, &terms::BACK_PAIN),
    (6, &terms::ANKLE_SPRAIN),
    (10, &terms::COVID),
];
const CHILDHOOD: &[(u32, &Concept)] = &[
    (30, &terms::OTITIS),
    (25, &terms::SINUSITIS),
    (25, &terms::PHARYNGITIS),
    (10, &terms::BRONCHITIS),
    (10, &terms::COVID),
];
const URGENT: &[(u32, &Concept)] = &[
    (24, &terms::CHEST_PAIN),
    (14, &terms::BACK_PAIN),
    (14, &terms::ANKLE_SPRAIN),
    (12, &terms::URINARY_INFECTION),
    (12, &terms::PNEUMONIA),
    (12, &terms::COVID),
    (12, &terms::BRONCHITIS),
];
/// What brings people into hospital, if they have it.
const SERIOUS: &[Illness] = &[
    HeartFailure,
    Copd,
    Stroke,
    Coronary,
    AtrialFibrillation,
    LungCancer,
    ColonCancer,
    Diabetes,
    Kidney,
    Alzheimer,
    Depression,
];

impl Chart<'_> {
    /// The problem list as the window opens.
    pub(crate) fn history(&mut self) {
        for illness in ALL {
            let (Some(onset), Some(recorded)) = (self.ill.onset(illness), self.ill.known(illness))
            else {
                continue;
            };
            self.add(illness, onset, recorded, None);
        }
    }

    /// Finds illnesses that have begun and are not yet on the problem list.
    pub(crate) fn diagnose(&mut self, purpose: Purpose, day: Day, encounter: u32) {
        let found = match purpose {
            Purpose::Wellness | Purpose::FollowUp | Purpose::Admission => 0.6,
            Purpose::Symptom | Purpose::Emergency => 0.15,
            Purpose::Colonoscopy => 0.0,
        };
        for illness in ALL {
            let Some(onset) = self.ill.onset(illness).filter(|onset| *onset <= day) else {
                continue;
            };
            if !self.knows(illness) && self.draw.chance(found) {
                self.add(illness, onset, day, Some(encounter));
            }
        }
        self.restage(day, encounter);
    }

    fn add(&mut self, illness: Illness, onset: Day, recorded: Day, encounter: Option<u32>) {
        let concept = self.concept(illness, recorded);
        let confirmed = !self.draw.chance(0.01);
        self.diagnosed[illness as usize] = Some(self.person.conditions.len());
        self.person.conditions.push(Condition {
            concept,
            acute: false,
            confirmed,
            onset,
            abatement: None,
            recorded,
            encounter,
        });
    }

    /// Kidney disease moves to a later stage: the earlier condition is resolved and the later one
    /// recorded.
    fn restage(&mut self, day: Day, encounter: u32) {
        let Some(index) = self.diagnosed[Kidney as usize] else {
            return;
        };
        let before = self.person.conditions[index].concept;
        let now = self.concept(Kidney, day);
        if rank(now) > rank(before) && self.draw.chance(0.5) {
            self.person.conditions[index].abatement = Some(day);
            self.add(Kidney, day, day, Some(encounter));
        }
    }

    fn concept(&mut self, illness: Illness, day: Day) -> &'static Concept {
        match illness {
            Diabetes => &terms::DIABETES,
            Hypertension if self.draw.chance(0.08) => &terms::HYPERTENSIVE_DISORDER,
            Hypertension => &terms::HYPERTENSION,
            Hyperlipidemia => &terms::HYPERLIPIDEMIA,
            Kidney => stage(self.body.filtration(&self.traits, &self.ill, day)),
            Coronary => &terms::CORONARY,
            HeartFailure => &terms::HEART_FAILURE,
            AtrialFibrillation => &terms::ATRIAL_FIBRILLATION,
            Stroke => &terms::STROKE,
            Copd => &terms::COPD,
            Asthma => &terms::ASTHMA,
            Depression => &terms::DEPRESSION,
            Anxiety => &terms::ANXIETY,
            Obesity => &terms::OBESITY,
            BreastCancer => &terms::BREAST_CANCER,
            ProstateCancer => &terms::PROSTATE_CANCER,
            ColonCancer => &terms::COLON_CANCER,
            LungCancer => &terms::LUNG_CANCER,
            Osteoarthritis => &terms::OSTEOARTHRITIS,
            Osteoporosis => &terms::OSTEOPOROSIS,
            Hypothyroidism => &terms::HYPOTHYROIDISM,
            Reflux => &terms::REFLUX,
            Alzheimer => &terms::ALZHEIMER,
            Retinopathy => &terms::RETINOPATHY,
            Neuropathy => &terms::NEUROPATHY,
        }
    }

    /// A HbA1c of 5.7 to 6.4 % without diabetes goes on the problem list of half of those who have
    /// it, once (American Diabetes Association, Standards of Care).
    pub(crate) fn prediabetes(&mut self, sugar: i32, day: Day, encounter: u32) {
        let noted = self
            .person
            .conditions
            .iter()
            .any(|it| *it.concept == terms::PREDIABETES);
        if !(57..65).contains(&sugar) || noted || self.draw.chance(0.5) {
            return;
        }
        self.person.conditions.push(Condition {
            concept: &terms::PREDIABETES,
            acute: false,
            confirmed: true,
            onset: day,
            abatement: None,
            recorded: day,
            encounter: Some(encounter),
        });
    }

    /// Why the person comes, when the record says so.
    pub(crate) fn reason(&mut self, purpose: Purpose, day: Day) -> Option<&'static Concept> {
        let said = self.draw.unit();
        match purpose {
            Purpose::Wellness | Purpose::Colonoscopy => None,
            Purpose::Symptom => {
                let table = if self.traits.age(day) < 13.0 {
                    CHILDHOOD
                } else {
                    MINOR
                };
                (said < 0.92).then(|| self.of(table))
            }
            Purpose::Emergency => (said < 0.85).then(|| self.of(URGENT)),
            Purpose::FollowUp => {
                let known: Vec<usize> = self.diagnosed.iter().flatten().copied().collect();
                (said < 0.7 && !known.is_empty())
                    .then(|| self.person.conditions[self.draw.pick(&known)].concept)
            }
            Purpose::Admission => {
                let known: Vec<usize> = SERIOUS
                    .iter()
                    .filter_map(|illness| self.diagnosed[*illness as usize])
                    .collect();
                if said < 0.6 && !known.is_empty() {
                    Some(self.person.conditions[self.draw.pick(&known)].concept)
                } else {
                    (said < 0.9).then(|| self.of(URGENT))
                }
            }
        }
    }

    fn of(&mut self, table: &[(u32, &'static Concept)]) -> &'static Concept {
        table[self.draw.weighted(table.iter().map(|(weight, _)| *weight))].1
    }

    /// A short illness that the visit is about; it is over within weeks.
    pub(crate) fn acute_illness(
        &mut self,
        purpose: Purpose,
        reason: Option<&'static Concept>,
        day: Day,
        encounter: u32,
    ) {
        let acute = matches!(
            purpose,
            Purpose::Symptom | Purpose::Emergency | Purpose::Admission
        );
        let Some(concept) = reason.filter(|concept| {
            acute
                && MINOR
                    .iter()
                    .chain(CHILDHOOD)
                    .chain(URGENT)
                    .any(|(_, one)| one == concept)
        }) else {
            return;
        };
        if self.draw.chance(0.15) {
            return;
        }
        let onset = day
            .plus(-self.draw.day_between(0, 4))
            .max(self.traits.birth);
        let over = day.plus(self.draw.day_between(4, 24));
        let confirmed = !self.draw.chance(0.03);
        let abatement = (over <= self.span.to).then_some(over);
        self.person.conditions.push(Condition {
            concept,
            acute: true,
            confirmed,
            onset,
            abatement,
            recorded: day,
            encounter: Some(encounter),
        });
    }
}

/// The KDIGO stage of a filtration in mL/min/1.73 m2.
fn stage(filtration: f64) -> &'static Concept {
    match filtration {
        f if f >= 90.0 => &terms::CKD_1,
        f if f >= 60.0 => &terms::CKD_2,
        f if f >= 45.0 => &terms::CKD_3A,
        f if f >= 30.0 => &terms::CKD_3B,
        f if f >= 15.0 => &terms::CKD_4,
        _ => &terms::CKD_5,
    }
}

fn rank(concept: &Concept) -> Option<usize> {
    [
        &terms::CKD_1,
        &terms::CKD_2,
        &terms::CKD_3A,
        &terms::CKD_3B,
        &terms::CKD_4,
        &terms::CKD_5,
    ]
    .iter()
    .position(|stage| *stage == concept)
}
