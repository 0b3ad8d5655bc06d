//! What a measurement would show on a day: personal set points, illness, treatment, and the noise
//! of one visit.

use crate::demography::Traits;
use crate::draw::{Draw, logistic, whole};
use crate::onset::{Illness, Morbidity};
use crate::time::Day;

/// Personal set points, drawn once.
#[derive(Debug, Clone)]
pub(crate) struct Physiology {
    /// HbA1c of a person without diabetes at 45 and 28 kg/m2, %.
    sugar: f64,
    /// Severity of diabetes, standard normal.
    pub(crate) severity: f64,
    /// Systolic pressure, offset in mm[Hg].
    pressure: f64,
    /// LDL cholesterol untreated, offset in mg/dL.
    ldl: f64,
    hdl: f64,
    triglycerides: f64,
    /// eGFR, offset in mL/min/1.73 m2.
    filtration: f64,
    /// Whether kidney disease lowers filtration; otherwise it shows as albuminuria alone.
    declining: bool,
    /// Loss of eGFR a year, mL/min/1.73 m2.
    decline: f64,
    albumin: f64,
    /// Share of the effect of a drug that a person gets.
    adherence: f64,
    mood: f64,
}

/// Drugs in effect at a visit, as effect sizes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effect {
    /// Fall of HbA1c, percentage points.
    pub(crate) sugar: f64,
    /// Fall of systolic pressure, mm[Hg].
    pub(crate) pressure: f64,
    /// Fall of LDL, share.
    pub(crate) ldl: f64,
    /// Fall of PHQ-9, points.
    pub(crate) mood: f64,
}

/// A visit's blood fats in mg/dL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lipids {
    pub(crate) total: i32,
    pub(crate) triglycerides: i32,
    pub(crate) hdl: i32,
    /// By Friedewald; missing when triglycerides reach 400.
    pub(crate) ldl: Option<i32>,
}

impl Physiology {
    pub(crate) fn draw(draw: &mut Draw, traits: &Traits) -> Self {
        Self {
            sugar: 5.34 + 0.24 * draw.normal(),
            severity: draw.normal() + 0.12 * traits.deprived,
            pressure: 8.5 * draw.normal(),
            ldl: 27.0 * draw.normal(),
            hdl: draw.normal(),
            triglycerides: draw.normal(),
            filtration: 9.0 * draw.normal(),
            declining: draw.chance(0.58),
            decline: 0.6 * libm::exp(0.7 * draw.normal()),
            albumin: draw.normal(),
            adherence: (0.8 + 0.18 * traits.engagement).clamp(0.15, 1.1),
            mood: draw.normal(),
        }
    }

    /// HbA1c in tenths of a percent.
    pub(crate) fn hba1c(
        &self,
        draw: &mut Draw,
        traits: &Traits,
        ill: &Morbidity,
        day: Day,
        effect: Effect,
    ) -> i32 {
        let noise = draw.normal();
        let age = traits.age(day);
        let healthy = self.sugar + 0.007 * (age - 45.0) + 0.012 * (traits.bmi - 28.0);
        let value = match ill.onset(Illness::Diabetes).filter(|onset| *onset <= day) {
            None => healthy.min(6.35) + 0.13 * noise,
            Some(onset) => {
                let years = f64::from(day.0 - onset.0) / 365.25;
                let untreated =
                    5.8 + 1.3 * libm::exp(0.82 * self.severity) + 0.04 * years.min(20.0);
                (untreated - self.adherence * effect.sugar).max(5.5) + 0.32 * noise
            }
        };
        whole(10.0 * value).clamp(38, 168)
    }

    /// Glucose in mg/dL that goes with an HbA1c in tenths of a percent (ADAG: 28.7 A1c - 46.7;
    /// Nathan 2008), fasting and therefore a little lower.
    pub(crate) fn glucose(draw: &mut Draw, hba1c: i32) -> i32 {
        let average = 2.87 * f64::from(hba1c) - 46.7;
        whole(average * 0.9 + (5.0 + 0.12 * (average - 100.0).max(0.0)) * draw.normal())
            .clamp(52, 480)
    }

    /// Systolic and diastolic pressure in mm[Hg].
    pub(crate) fn pressure(
        &self,
        draw: &mut Draw,
        traits: &Traits,
        ill: &Morbidity,
        day: Day,
        effect: Effect,
    ) -> (i32, i32) {
        let age = traits.age(day);
        let (one, other) = (draw.normal(), draw.normal());
        if age < 18.0 {
            let systolic = 92.0 + 1.35 * age + 0.5 * self.pressure + 6.0 * one;
            let diastolic = 53.0 + 0.95 * age + 5.0 * other;
            return (
                whole(systolic).clamp(68, 165),
                whole(diastolic).clamp(36, 100),
            );
        }
        let ill_now = ill.has(Illness::Hypertension, day);
        let male = if traits.female { 0.0 } else { 4.0 };
        let raised = if ill_now {
            21.0 + 0.04 * (age - 50.0)
        } else {
            0.0
        };
        let base = 115.0
            + 0.20 * (age - 40.0)
            + 0.35 * (traits.bmi - 28.0)
            + male
            + raised
            + self.pressure;
        let ceiling = if ill_now { 240.0 } else { 136.0 };
        let systolic = base.min(ceiling) - self.adherence * effect.pressure + 6.5 * one;
        // Diastolic pressure follows systolic until middle age and then falls.
        let arch = -0.006 * (age - 52.0) * (age - 52.0);
        let diastolic = 76.0 + 0.38 * (systolic - 122.0) + arch.max(-8.0) + 5.0 * other;
        let systolic = whole(systolic).clamp(82, 228);
        (systolic, whole(diastolic).clamp(42, 128).min(systolic - 15))
    }

    /// Blood fats.
    pub(crate) fn lipids(
        &self,
        draw: &mut Draw,
        traits: &Traits,
        ill: &Morbidity,
        day: Day,
        effect: Effect,
    ) -> Lipids {
        let age = traits.age(day);
        let raised = if ill.has(Illness::Hyperlipidemia, day) {
            30.0
        } else {
            0.0
        };
        let arch = 0.55 * (age - 20.0).clamp(0.0, 35.0);
        let male_hdl = if traits.female { 59.0 } else { 48.5 };
        let ldl = (92.0 + arch + raised + self.ldl).max(45.0) * (1.0 - self.adherence * effect.ldl)
            + 8.0 * draw.normal();
        let diabetic = if ill.has(Illness::Diabetes, day) {
            1.0
        } else {
            0.0
        };
        let fat = 4.62
            + 0.012 * (traits.bmi - 28.0)
            + 0.16 * diabetic
            + 0.42 * self.triglycerides
            + 0.18 * draw.normal();
        let hdl = male_hdl - 0.5 * (traits.bmi - 28.0) + 11.0 * self.hdl
            - 3.0 * self.triglycerides
            - 4.0 * diabetic
            + 3.0 * draw.normal();
        let triglycerides = whole(libm::exp(fat)).clamp(30, 1200);
        let hdl = whole(hdl).clamp(20, 115);
        let ldl = whole(ldl).clamp(25, 320);
        let total = whole(f64::from(ldl + hdl) + f64::from(triglycerides) / 5.0);
        Lipids {
            total,
            triglycerides,
            hdl,
            ldl: (triglycerides < 400).then_some(ldl),
        }
    }

    /// True filtration in mL/min/1.73 m2.
    pub(crate) fn filtration(&self, traits: &Traits, ill: &Morbidity, day: Day) -> f64 {
        let age = traits.age(day);
        let healthy = (116.0 - 0.72 * (age - 20.0).max(0.0) + self.filtration).max(62.0);
        match ill.onset(Illness::Kidney).filter(|onset| *onset <= day) {
            Some(onset) if self.declining => {
                let years = f64::from(day.0 - onset.0) / 365.25;
                let faster = if ill.has(Illness::Diabetes, day) {
                    1.5
                } else {
                    1.0
                };
                (59.0 - faster * self.decline * years).max(4.0).min(healthy)
            }
            _ => healthy,
        }
    }

    /// Creatinine in hundredths of mg/dL and the eGFR that a laboratory would compute from it.
    pub(crate) fn kidney(
        &self,
        draw: &mut Draw,
        traits: &Traits,
        ill: &Morbidity,
        day: Day,
    ) -> (i32, i32) {
        let age = traits.age(day).floor();
        let filtration = self.filtration(traits, ill, day) * (1.0 + 0.06 * draw.normal());
        let creatinine =
            whole(100.0 * creatinine(filtration.clamp(3.0, 140.0), age, traits.female))
                .clamp(35, 1500);
        (
            creatinine,
            whole(ckd_epi(f64::from(creatinine) / 100.0, age, traits.female)),
        )
    }

    /// Urine albumin to creatinine ratio in mg/g.
    pub(crate) fn albuminuria(
        &self,
        draw: &mut Draw,
        traits: &Traits,
        ill: &Morbidity,
        day: Day,
    ) -> i32 {
        let median = if !ill.has(Illness::Kidney, day) {
            8.0
        } else if !self.declining {
            75.0
        } else if self.filtration(traits, ill, day) < 30.0 {
            260.0
        } else {
            38.0
        };
        let diabetic = if ill.has(Illness::Diabetes, day) {
            0.35
        } else {
            0.0
        };
        whole(median * libm::exp(diabetic + 0.55 * self.albumin + 0.3 * draw.normal()))
            .clamp(1, 4500)
    }

    /// PHQ-9 total, 0 to 27.
    pub(crate) fn phq9(&self, draw: &mut Draw, ill: &Morbidity, day: Day, effect: Effect) -> i32 {
        let centre = if ill.has(Illness::Depression, day) {
            11.5 - self.adherence * effect.mood
        } else {
            2.6
        };
        whole(centre + 2.6 * self.mood + 2.2 * draw.normal()).clamp(0, 27)
    }

    /// Whether a physician reaches for insulin.
    pub(crate) fn wants_insulin(&self, draw: &mut Draw) -> bool {
        draw.chance(logistic(-1.7 + 1.1 * self.severity))
    }
}

const fn constants(female: bool) -> (f64, f64, f64) {
    if female {
        (0.7, -0.241, 1.012)
    } else {
        (0.9, -0.302, 1.0)
    }
}

/// CKD-EPI 2021 (Inker et al., NEJM 2021;385:1737): eGFR in mL/min/1.73 m2 from creatinine in
/// mg/dL.
pub(crate) fn ckd_epi(creatinine: f64, age: f64, female: bool) -> f64 {
    let (kappa, alpha, sex) = constants(female);
    let ratio = creatinine / kappa;
    142.0
        * libm::pow(ratio.min(1.0), alpha)
        * libm::pow(ratio.max(1.0), -1.2)
        * libm::pow(0.9938, age)
        * sex
}

/// The creatinine that CKD-EPI 2021 takes to a filtration.
fn creatinine(filtration: f64, age: f64, female: bool) -> f64 {
    let (kappa, alpha, sex) = constants(female);
    let reached = filtration / (142.0 * libm::pow(0.9938, age) * sex);
    let exponent = if reached < 1.0 { -1.2 } else { alpha };
    kappa * libm::pow(reached, 1.0 / exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creatinine_and_filtration_are_inverse() {
        for female in [false, true] {
            for filtration in [8.0, 29.0, 60.0, 91.0, 118.0] {
                let back = ckd_epi(creatinine(filtration, 61.0, female), 61.0, female);
                assert!(
                    (back - filtration).abs() < 1e-9,
                    "{filtration} became {back}"
                );
            }
        }
    }

    #[test]
    fn ckd_epi_agrees_with_published_vectors() {
        let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
            .join("../../../shared/data/risk/ckdepi2021-vectors.csv");
        let Ok(text) = std::fs::read_to_string(&path) else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{} is missing",
                path.display()
            );
            println!("skipped: {} is missing", path.display());
            return;
        };
        let mut checked = 0;
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let [_, creatinine, age, sex, expected] = cells[..] else {
                panic!("{line}")
            };
            let egfr = ckd_epi(
                creatinine.parse().unwrap(),
                age.parse().unwrap(),
                sex == "f",
            );
            assert_eq!(whole(egfr), expected.parse::<i32>().unwrap(), "{line}");
            checked += 1;
        }
        assert!(checked > 3, "{checked} vectors");
    }
}
