//! What is measured and done at a visit.

use crate::chart::{Chart, due};
use crate::course::Purpose;
use crate::demography;
use crate::draw::{logistic, whole};
use crate::onset::Illness;
use crate::physiology::{Effect, Physiology};
use crate::record::{Category, Value};
use crate::terms;
use crate::time::{Day, Instant};

impl Chart<'_> {
    /// Vital signs, history and laboratory of a visit.
    pub(crate) fn measure(
        &mut self,
        purpose: Purpose,
        at: Instant,
        encounter: u32,
        effect: Effect,
    ) {
        self.vital_signs(purpose, at, encounter, effect);
        if purpose == Purpose::Wellness {
            self.smoking(at, encounter);
        }
        self.mood(purpose, at, encounter, effect);
        self.blood_and_urine(purpose, at, encounter, effect);
    }

    fn vital_signs(&mut self, purpose: Purpose, at: Instant, encounter: u32, effect: Effect) {
        let age = self.traits.age(at.day);
        let adult = self.traits.age(self.span.to) >= 18.0;
        let (pressure, weight, height) = match purpose {
            Purpose::Wellness => (
                0.96,
                0.96,
                if age < 18.0 || self.last.height.is_none() {
                    0.95
                } else {
                    0.15
                },
            ),
            Purpose::FollowUp => (0.93, 0.55, 0.05),
            Purpose::Symptom => (0.55, if age < 13.0 { 0.7 } else { 0.15 }, 0.0),
            Purpose::Colonoscopy => (0.9, 0.2, 0.0),
            Purpose::Emergency => (0.8, 0.05, 0.0),
            Purpose::Admission => (0.95, 0.5, 0.0),
        };
        let encounter = Some(encounter);
        if age >= 3.0 && self.draw.chance(pressure) {
            let (systolic, diastolic) =
                self.body
                    .pressure(self.draw, &self.traits, &self.ill, at.day, effect);
            self.observe(
                &terms::BLOOD_PRESSURE,
                Category::VitalSigns,
                at,
                encounter,
                Value::Pressure(systolic, diastolic),
            );
        }
        let centimetres = demography::height(&self.traits, age);
        if self.draw.chance(height) {
            self.last.height = Some(at.day);
            self.observe(
                &terms::C_HEIGHT,
                Category::VitalSigns,
                at,
                encounter,
                Value::Quantity(&terms::HEIGHT, whole(10.0 * centimetres)),
            );
        }
        if self.draw.chance(weight) {
            let kilograms =
                demography::bmi(&self.traits, age, adult) * centimetres * centimetres / 10_000.0;
            let weighed = whole(10.0 * kilograms * (1.0 + 0.012 * self.draw.normal())).max(20);
            self.observe(
                &terms::C_WEIGHT,
                Category::VitalSigns,
                at,
                encounter,
                Value::Quantity(&terms::WEIGHT, weighed),
            );
            if age >= 2.0 && self.draw.chance(0.8) {
                let index =
                    whole(f64::from(weighed) * 100_000.0 / (centimetres * centimetres) / 10.0);
                self.observe(
                    &terms::C_BMI,
                    Category::VitalSigns,
                    at,
                    encounter,
                    Value::Quantity(&terms::BMI, index),
                );
            }
        }
    }

    fn smoking(&mut self, at: Instant, encounter: u32) {
        if self.traits.age(at.day) >= 13.0
            && due(self.last.smoking, at.day, 300)
            && self.draw.chance(0.85)
        {
            self.last.smoking = Some(at.day);
            let answer = Value::Coded(self.traits.smoker.answer());
            self.observe(
                &terms::SMOKING_STATUS,
                Category::SocialHistory,
                at,
                Some(encounter),
                answer,
            );
        }
    }

    /// PHQ-9, and at check-ups the screening result that follows from it (10 points or more are
    /// positive).
    fn mood(&mut self, purpose: Purpose, at: Instant, encounter: u32, effect: Effect) {
        let p = match purpose {
            Purpose::Wellness => 0.3,
            Purpose::FollowUp if self.knows(Illness::Depression) => 0.4,
            _ => 0.0,
        };
        if self.traits.age(at.day) < 12.0
            || !due(self.last.screen, at.day, 60)
            || !self.draw.chance(p)
        {
            return;
        }
        self.last.screen = Some(at.day);
        let score = self.body.phq9(self.draw, &self.ill, at.day, effect);
        self.observe(
            &terms::C_PHQ9,
            Category::Survey,
            at,
            Some(encounter),
            Value::Quantity(&terms::PHQ9, score),
        );
        if purpose == Purpose::Wellness && self.traits.age(at.day) >= 18.0 {
            let answer = if score >= 10 {
                &terms::SCREEN_POSITIVE
            } else {
                &terms::SCREEN_NEGATIVE
            };
            self.observe(
                &terms::DEPRESSION_SCREEN,
                Category::Survey,
                at,
                Some(encounter),
                Value::Coded(answer),
            );
        }
    }

    fn blood_and_urine(&mut self, purpose: Purpose, at: Instant, encounter: u32, effect: Effect) {
        let day = at.day;
        let age = self.traits.age(day);
        if age < 18.0 {
            return;
        }
        let planned = matches!(purpose, Purpose::Wellness | Purpose::FollowUp);
        let watched = [
            Illness::Diabetes,
            Illness::Hypertension,
            Illness::Kidney,
            Illness::HeartFailure,
        ]
        .iter()
        .any(|ill| self.knows(*ill));
        let diabetic = self.knows(Illness::Diabetes);
        let willing = logistic(1.1 + 0.9 * self.traits.engagement);
        let kidney = match purpose {
            Purpose::Wellness => 0.55,
            Purpose::FollowUp if watched && due(self.last.kidney, day, 120) => 0.55,
            Purpose::Emergency => 0.3,
            Purpose::Admission => 0.92,
            _ => 0.0,
        };
        // A hidden diabetes shows in the sugar of any panel; HbA1c is ordered for the known and for
        // those at risk.
        let sugar = self
            .body
            .hba1c(self.draw, &self.traits, &self.ill, day, effect);
        if self.draw.chance(kidney) {
            self.last.kidney = Some(day);
            let (creatinine, egfr) = self.body.kidney(self.draw, &self.traits, &self.ill, day);
            let glucose = Physiology::glucose(self.draw, sugar);
            self.laboratory(&terms::CREATININE, creatinine, at, encounter);
            self.laboratory(&terms::EGFR, egfr, at, encounter);
            self.laboratory(&terms::GLUCOSE, glucose, at, encounter);
        }
        let ordered = if diabetic && planned {
            due(self.last.hba1c, day, 85) && self.draw.chance(0.85 * willing)
        } else if purpose == Purpose::Wellness && age >= 35.0 && self.traits.bmi >= 25.0 {
            due(self.last.hba1c, day, 330) && self.draw.chance(0.3)
        } else {
            diabetic && purpose == Purpose::Admission && self.draw.chance(0.5)
        };
        if ordered {
            self.last.hba1c = Some(day);
            self.laboratory(&terms::HBA1C, sugar, at, encounter);
            if !self.ill.has(Illness::Diabetes, day) {
                self.prediabetes(sugar, day, encounter);
            }
        }
        let fatty =
            diabetic || self.knows(Illness::Hyperlipidemia) || self.knows(Illness::Coronary);
        let fats = match purpose {
            Purpose::Wellness if due(self.last.lipids, day, 300) => 0.45,
            Purpose::FollowUp if fatty && due(self.last.lipids, day, 300) => 0.5,
            _ => 0.0,
        };
        if self.draw.chance(fats) {
            self.last.lipids = Some(day);
            let lipids = self
                .body
                .lipids(self.draw, &self.traits, &self.ill, day, effect);
            self.laboratory(&terms::CHOLESTEROL, lipids.total, at, encounter);
            self.laboratory(&terms::TRIGLYCERIDES, lipids.triglycerides, at, encounter);
            self.laboratory(&terms::HDL, lipids.hdl, at, encounter);
            if let Some(ldl) = lipids.ldl {
                self.laboratory(&terms::LDL, ldl, at, encounter);
            }
        }
        let urine = planned
            && (diabetic || self.knows(Illness::Kidney))
            && due(self.last.albumin, day, 300);
        if urine && self.draw.chance(0.5 * willing) {
            self.last.albumin = Some(day);
            let ratio = self
                .body
                .albuminuria(self.draw, &self.traits, &self.ill, day);
            self.laboratory(&terms::UACR, ratio, at, encounter);
        }
    }

    /// Procedures that belong to a visit.
    pub(crate) fn procedures_at(&mut self, purpose: Purpose, day: Day, encounter: u32) {
        let encounter = Some(encounter);
        match purpose {
            Purpose::Colonoscopy => self.procedure(&terms::COLONOSCOPY, day, encounter),
            Purpose::FollowUp => {
                if self.knows(Illness::Diabetes)
                    && due(self.last.foot, day, 300)
                    && self.draw.chance(0.5)
                {
                    self.last.foot = Some(day);
                    self.procedure(&terms::FOOT_EXAM, day, encounter);
                }
                if self.knows(Illness::Copd) && self.draw.chance(0.2) {
                    self.procedure(&terms::SPIROMETRY, day, encounter);
                }
                if self.knows(Illness::Coronary) && self.draw.chance(0.25) {
                    self.procedure(&terms::ELECTROCARDIOGRAM, day, encounter);
                }
            }
            Purpose::Emergency if self.traits.age(day) >= 30.0 && self.draw.chance(0.3) => {
                self.procedure(&terms::ELECTROCARDIOGRAM, day, encounter);
            }
            Purpose::Admission if self.draw.chance(0.7) => {
                self.procedure(&terms::RECONCILIATION, day, encounter);
            }
            _ => {}
        }
    }
}
