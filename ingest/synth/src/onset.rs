//! When chronic illness begins.
//!
//! Each illness has a Weibull hazard over age, multiplied by what a person carries from birth (sex,
//! deprivation, body mass, smoking) and, from their own onset on, by earlier illnesses: H(a) =
//! lambda * r * (a/60)^k piecewise. `lambda` is the cumulative hazard of an average person at 60.
//! The values were fitted to the prevalences that docs/synth.md lists with their sources.

use crate::Window;
use crate::demography::{Smoker, Traits, YEAR};
use crate::draw::{Draw, whole};
use crate::time::Day;

/// Chronic illnesses, in the order in which they may depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Illness {
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
}

use Illness::{
    Alzheimer, Anxiety, Asthma, AtrialFibrillation, BreastCancer, ColonCancer, Copd, Coronary,
    Depression, Diabetes, HeartFailure, Hyperlipidemia, Hypertension, Hypothyroidism, Kidney,
    LungCancer, Neuropathy, Obesity, Osteoarthritis, Osteoporosis, ProstateCancer, Reflux,
    Retinopathy, Stroke,
};

pub(crate) const ILLNESSES: usize = 24;

/// Hazard of one illness.
struct Hazard {
    illness: Illness,
    lambda: f64,
    shape: u8,
    /// Log hazard ratios: per kg/m2 of BMI above 28, per standard deviation of deprivation, female,
    /// former and current smoker.
    bmi: f64,
    deprived: f64,
    female: f64,
    former: f64,
    current: f64,
    /// Log hazard ratios from the onset of earlier illnesses on.
    after: &'static [(Illness, f64)],
    /// Share of prevalent cases that nobody has diagnosed when the window opens.
    hidden: f64,
}

macro_rules! hazards {
    ($($illness:ident $lambda:literal $shape:literal $bmi:literal $deprived:literal $female:literal $former:literal $current:literal
       [$($cause:ident $ratio:literal),*] $hidden:literal;)+) => {
        &[$(Hazard {
            illness: $illness, lambda: $lambda, shape: $shape, bmi: $bmi, deprived: $deprived, female: $female,
            former: $former, current: $current, after: &[$(($cause, $ratio)),*], hidden: $hidden,
        }),+]
    };
}

// illness          lambda  k   BMI   depr  female former current after  hidden
#[rustfmt::skip]
static HAZARDS: &[Hazard] = hazards! {
    Diabetes           0.142   3  0.075 0.14 -0.15  0.05  0.25 [] 0.10;
    Hypertension       0.930   2  0.050 0.10 -0.05  0.05  0.10 [Diabetes 0.45] 0.10;
    Hyperlipidemia     0.420   2  0.030 0.02  0.00  0.05  0.10 [Diabetes 0.50] 0.15;
    Kidney             0.118   4  0.015 0.08  0.15  0.05  0.15 [Diabetes 0.75, Hypertension 0.55] 0.15;
    Coronary           0.042   4  0.010 0.12 -0.60  0.25  0.65 [Diabetes 0.60, Hypertension 0.45, Hyperlipidemia 0.40] 0.04;
    HeartFailure       0.009   5  0.030 0.15 -0.10  0.10  0.35 [Diabetes 0.40, Hypertension 0.50, Kidney 0.50, Coronary 1.40] 0.04;
    AtrialFibrillation 0.016   5  0.025 0.02 -0.30  0.10  0.20 [Hypertension 0.40, HeartFailure 1.00, Coronary 0.30] 0.05;
    Stroke             0.023   4  0.005 0.14 -0.10  0.10  0.50 [Diabetes 0.40, Hypertension 0.60, AtrialFibrillation 0.80] 0.00;
    Copd               0.030   4  0.000 0.22  0.05  1.10  1.80 [] 0.15;
    Asthma             0.085   1  0.020 0.10  0.20  0.05  0.15 [] 0.05;
    Depression         0.175   1  0.010 0.15  0.55  0.15  0.40 [Diabetes 0.25, Stroke 0.40] 0.15;
    Anxiety            0.130   1  0.000 0.10  0.50  0.10  0.25 [Depression 0.90] 0.15;
    BreastCancer       0.0002  3  0.010 0.00  4.80  0.00  0.05 [] 0.00;
    ProstateCancer     0.028   5  0.000 0.00 -40.0  0.00  0.00 [] 0.00;
    ColonCancer        0.005   4  0.015 0.08 -0.20  0.10  0.20 [] 0.00;
    LungCancer         0.0007  5  0.000 0.15  0.00  1.40  2.40 [Copd 0.60] 0.00;
    Osteoarthritis     0.260   3  0.045 0.05  0.30  0.00  0.00 [] 0.10;
    Osteoporosis       0.014   5 -0.050 0.03  1.40  0.10  0.30 [] 0.25;
    Hypothyroidism     0.040   2  0.010 0.00  1.20  0.00  0.00 [] 0.10;
    Reflux             0.160   1  0.030 0.05  0.05  0.05  0.10 [] 0.10;
    Alzheimer          0.004   8  0.000 0.10  0.20  0.00  0.10 [Diabetes 0.30, Stroke 0.50] 0.15;
};

/// Yearly rates of diabetic complications after the onset of diabetes.
const COMPLICATIONS: [(Illness, f64); 2] = [(Retinopathy, 0.018), (Neuropathy, 0.022)];

/// One person's illnesses.
#[derive(Debug, Clone)]
pub(crate) struct Morbidity {
    /// First day of illness, when it falls before the end of the window.
    onset: [Option<Day>; ILLNESSES],
    /// Day of diagnosis, when it falls before the window.
    known: [Option<Day>; ILLNESSES],
}

impl Morbidity {
    /// First day of an illness.
    pub(crate) fn onset(&self, illness: Illness) -> Option<Day> {
        self.onset[illness as usize]
    }

    /// Day of a diagnosis from before the window.
    pub(crate) fn known(&self, illness: Illness) -> Option<Day> {
        self.known[illness as usize]
    }

    /// Ill on a day, diagnosed or not.
    pub(crate) fn has(&self, illness: Illness, day: Day) -> bool {
        self.onset(illness).is_some_and(|onset| onset <= day)
    }

    /// How many of `among` a person has on a day.
    pub(crate) fn weight(&self, among: &[(Illness, f64)], day: Day) -> f64 {
        among
            .iter()
            .filter(|(illness, _)| self.has(*illness, day))
            .map(|(_, weight)| weight)
            .sum()
    }
}

/// Draws the illnesses of one person up to the end of the window.
pub(crate) fn draw(draw: &mut Draw, traits: &Traits, window: Window) -> Morbidity {
    let until = traits.age(window.end);
    // Hazards use adult body mass from birth on; for children it stands at the middle.
    let bmi = if until < 18.0 { 0.0 } else { traits.bmi - 28.0 };
    let mut begins: [Option<f64>; ILLNESSES] = [None; ILLNESSES];
    let mut hidden = [0.0; ILLNESSES];
    for hazard in HAZARDS {
        let smoke = match traits.smoker {
            Smoker::Never => 0.0,
            Smoker::Former => hazard.former,
            Smoker::SomeDays | Smoker::Daily => hazard.current,
        };
        let female = if traits.female { hazard.female } else { 0.0 };
        let ratio =
            libm::exp(hazard.bmi * bmi + hazard.deprived * traits.deprived + female + smoke);
        begins[hazard.illness as usize] = hazard.begin(draw.exponential(), ratio, &begins, until);
        hidden[hazard.illness as usize] = hazard.hidden;
    }
    if until >= 18.0 && traits.bmi >= 30.0 {
        begins[Obesity as usize] = Some(draw.between(14.0, 0.9 * until.max(16.0)));
        hidden[Obesity as usize] = 0.35;
    }
    if let Some(diabetes) = begins[Diabetes as usize] {
        for (illness, rate) in COMPLICATIONS {
            let begin = diabetes + draw.exponential() / rate;
            begins[illness as usize] = (begin <= until).then_some(begin);
        }
    }
    let mut onset = [None; ILLNESSES];
    let mut known = [None; ILLNESSES];
    for illness in 0..ILLNESSES {
        let Some(age) = begins[illness] else { continue };
        let day = traits.birth.plus(whole(age * YEAR));
        onset[illness] = Some(day);
        let lag = whole(250.0 * draw.exponential());
        if day < window.start && !draw.chance(hidden[illness]) {
            known[illness] = Some(day.plus(lag).min(window.start.plus(-1)));
        }
    }
    Morbidity { onset, known }
}

impl Hazard {
    /// The age at which the cumulative hazard reaches `threshold`, if that is before `until`.
    fn begin(
        &self,
        threshold: f64,
        ratio: f64,
        begins: &[Option<f64>; ILLNESSES],
        until: f64,
    ) -> Option<f64> {
        let mut left = threshold / self.lambda;
        let mut ratio = ratio;
        let mut from = 0.0;
        let mut done = 0_u32;
        loop {
            // The next cause to begin, each taken once.
            let next = self
                .after
                .iter()
                .enumerate()
                .filter(|(place, _)| done & 1 << place == 0)
                .filter_map(|(place, (cause, log_ratio))| {
                    begins[*cause as usize].map(|age| (age, place, *log_ratio))
                })
                .filter(|(age, _, _)| *age < until)
                .min_by(|one, other| one.0.total_cmp(&other.0));
            let to = next.map_or(until, |(age, _, _)| age.max(from));
            let piece = ratio * (self.shape_at(to) - self.shape_at(from));
            if left <= piece {
                let reached = self.shape_at(from) + left / ratio;
                let age = 60.0 * libm::pow(reached, 1.0 / f64::from(self.shape));
                return Some(age.clamp(from, to));
            }
            left -= piece;
            let (_, place, log_ratio) = next?;
            done |= 1 << place;
            ratio *= libm::exp(log_ratio);
            from = to;
        }
    }

    /// (age/60)^k, by multiplication: the standard library does not promise the bits of `powi`.
    fn shape_at(&self, age: f64) -> f64 {
        (0..self.shape).fold(1.0, |power, _| power * age / 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hazard(after: &'static [(Illness, f64)]) -> Hazard {
        Hazard {
            illness: Stroke,
            lambda: 0.1,
            shape: 2,
            bmi: 0.0,
            deprived: 0.0,
            female: 0.0,
            former: 0.0,
            current: 0.0,
            after,
            hidden: 0.0,
        }
    }

    #[test]
    fn onset_inverts_the_cumulative_hazard() {
        let none = [None; ILLNESSES];
        assert_eq!(hazard(&[]).begin(0.1, 1.0, &none, 90.0), Some(60.0));
        assert_eq!(hazard(&[]).begin(0.1, 1.0, &none, 59.0), None);
        let doubled = hazard(&[]).begin(0.1, 4.0, &none, 90.0).unwrap();
        assert!((doubled - 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_cause_speeds_up_the_hazard_only_after_its_own_onset() {
        let mut causes = [None; ILLNESSES];
        causes[Diabetes as usize] = Some(30.0);
        let after = hazard(&[(Diabetes, 1.386_294_361_119_890_6)]);
        // 0.1 * (0.25 + 4 * (x^2 - 0.25)) = 0.1 at x^2 = 0.4375.
        let age = after.begin(0.1, 1.0, &causes, 90.0).unwrap();
        assert!((age - 60.0 * 0.4375_f64.sqrt()).abs() < 1e-9);
        assert!(
            (after.begin(0.01, 1.0, &causes, 90.0).unwrap() - 60.0 * 0.1_f64.sqrt()).abs() < 1e-9
        );
        causes[Diabetes as usize] = Some(95.0);
        assert_eq!(after.begin(0.1, 1.0, &causes, 90.0), Some(60.0));
    }
}
