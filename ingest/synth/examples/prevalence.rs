//! Prints what a population looks like: the figures that docs/synth.md quotes.
#![allow(
    clippy::cast_precision_loss,
    clippy::too_many_lines,
    clippy::similar_names
)]
//!
//! `cargo run --release -p salus-synth --no-default-features --example prevalence -- 20000 1`

use std::collections::BTreeMap;
use std::time::Instant;

use salus_synth::record::{Class, Kind, Person, Sex, Value};
use salus_synth::time::Day;
use salus_synth::{Options, persons};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let options = Options {
        persons: arguments.next().unwrap_or(20_000),
        seed: arguments.next().unwrap_or(1),
        ..Options::default()
    };
    let end = Day::of(options.as_of);
    let begun = Instant::now();
    let people: Vec<Person> = persons(&options).collect();
    let seconds = begun.elapsed().as_secs_f64();
    let n = people.len() as f64;
    println!("{n} persons in {seconds:.2} s: {:.0} a second", n / seconds);
    let age = |person: &Person| (end.0 - person.patient.birth.0) / 365;
    let adults: Vec<&Person> = people.iter().filter(|person| age(person) >= 18).collect();
    let has = |person: &Person, code: &str| {
        person
            .conditions
            .iter()
            .any(|it| it.concept.codings.iter().any(|coding| coding.code == code))
    };

    println!("\nrecorded prevalence among {} adults", adults.len());
    let mut conditions: BTreeMap<&str, (u32, &str)> = BTreeMap::new();
    for person in &adults {
        let mut seen = Vec::new();
        for condition in &person.conditions {
            let coding = condition.concept.first();
            if !seen.contains(&coding.code) {
                seen.push(coding.code);
                conditions
                    .entry(coding.code)
                    .or_insert((0, coding.display))
                    .0 += 1;
            }
        }
    }
    for (code, (count, display)) in conditions {
        println!(
            "{:6.2} % {code:>18} {display}",
            100.0 * f64::from(count) / adults.len() as f64
        );
    }
    let share = |name: &str, of: &dyn Fn(&Person) -> bool, among: &dyn Fn(&Person) -> bool| {
        let among: Vec<&&Person> = adults.iter().filter(|person| among(person)).collect();
        let count = among.iter().filter(|person| of(person)).count();
        println!(
            "{:6.2} % {name} (of {})",
            100.0 * count as f64 / among.len() as f64,
            among.len()
        );
    };
    let all = |_: &Person| true;
    share("any hypertension", &|p| has(p, "I10"), &all);
    share(
        "any CKD",
        &|p| {
            p.conditions
                .iter()
                .any(|it| it.concept.codings.iter().any(|c| c.code.starts_with("N18")))
        },
        &all,
    );
    share("died", &|p| p.patient.death.is_some(), &all);
    share("no visit", &|p| p.encounters.is_empty(), &all);
    let value = |person: &Person, code: &str| {
        person
            .observations
            .iter()
            .rev()
            .find(|it| it.concept.first().code == code)
            .and_then(|it| match it.value {
                Value::Quantity(measure, value) => {
                    Some(f64::from(value) / 10_f64.powi(i32::from(measure.scale)))
                }
                _ => None,
            })
    };
    for answer in ["266919005", "8517006", "449868002", "428041000124106"] {
        share(
            &format!("smoking {answer}"),
            &|p| {
                p.observations.iter().rev().find_map(|it| {
                    if let Value::Coded(a) = it.value {
                        (it.concept.first().code == "72166-2").then_some(a.first().code)
                    } else {
                        None
                    }
                }) == Some(answer)
            },
            &|p| {
                p.observations
                    .iter()
                    .any(|it| it.concept.first().code == "72166-2")
            },
        );
    }
    let diabetic = |p: &Person| has(p, "44054006") && p.patient.death.is_none();
    share(
        "diabetics without HbA1c in the last year",
        &|p| {
            !p.observations
                .iter()
                .any(|it| it.concept.first().code == "4548-4" && it.at.day >= end.plus(-365))
        },
        &diabetic,
    );
    let tested = |p: &Person| diabetic(p) && value(p, "4548-4").is_some();
    share(
        "of tested diabetics last HbA1c < 7",
        &|p| value(p, "4548-4").unwrap() < 7.0,
        &tested,
    );
    share(
        "of tested diabetics last HbA1c > 9",
        &|p| value(p, "4548-4").unwrap() > 9.0,
        &tested,
    );
    share(
        "diabetics with retinal exam in the last year",
        &|p| {
            p.procedures
                .iter()
                .any(|it| it.concept.first().code == "722161008" && it.performed >= end.plus(-365))
        },
        &diabetic,
    );
    let pressure = |p: &Person| {
        p.observations.iter().rev().find_map(|it| {
            if let Value::Pressure(s, d) = it.value {
                Some((s, d))
            } else {
                None
            }
        })
    };
    let hypertensive = |p: &Person| has(p, "I10") && pressure(p).is_some();
    share(
        "of hypertensives last pressure < 140/90",
        &|p| pressure(p).is_some_and(|(s, d)| s < 140 && d < 90),
        &hypertensive,
    );
    share(
        "of others last pressure >= 140/90",
        &|p| pressure(p).is_some_and(|(s, d)| s >= 140 || d >= 90),
        &|p| !has(p, "I10") && pressure(p).is_some(),
    );
    share(
        "obese by last BMI",
        &|p| value(p, "39156-5").unwrap() >= 30.0,
        &|p| value(p, "39156-5").is_some(),
    );
    let between = |p: &Person, low: i32, high: i32| {
        (low..=high).contains(&age(p)) && p.patient.death.is_none()
    };
    share(
        "colonoscopy in 10 years, 50-75",
        &|p| {
            p.procedures
                .iter()
                .any(|it| it.concept.first().code == "73761001")
        },
        &|p| between(p, 50, 75),
    );
    share(
        "mammography in 27 months, women 50-74",
        &|p| {
            p.procedures
                .iter()
                .any(|it| it.concept.first().code == "71651007" && it.performed >= end.plus(-821))
        },
        &|p| between(p, 50, 74) && p.patient.sex == Sex::Female,
    );
    share(
        "influenza vaccine in the last year, 65+",
        &|p| {
            p.immunizations.iter().any(|it| {
                it.occurred >= end.plus(-365) && ["140", "141"].contains(&it.concept.first().code)
            })
        },
        &|p| between(p, 65, 120),
    );
    share(
        "influenza vaccine in the last year, 18-64",
        &|p| {
            p.immunizations.iter().any(|it| {
                it.occurred >= end.plus(-365) && ["140", "141"].contains(&it.concept.first().code)
            })
        },
        &|p| between(p, 18, 64),
    );

    println!("\nmeans");
    let mean = |name: &str, values: Vec<f64>| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let sd = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
        println!("{name:40} {mean:8.2} sd {sd:6.2} (n {count})");
    };
    for (code, name) in [
        ("4548-4", "HbA1c"),
        ("98979-8", "eGFR"),
        ("13457-7", "LDL"),
        ("2085-9", "HDL"),
        ("2571-8", "triglycerides"),
        ("2093-3", "cholesterol"),
        ("39156-5", "BMI"),
        ("8302-2", "height"),
        ("2345-7", "glucose"),
        ("44261-6", "PHQ-9"),
        ("9318-7", "UACR"),
    ] {
        for (group, wanted) in [("diabetic", true), ("others", false)] {
            mean(
                &format!("{name}, {group}"),
                adults
                    .iter()
                    .filter(|p| has(p, "44054006") == wanted)
                    .filter_map(|p| value(p, code))
                    .collect(),
            );
        }
    }
    for (group, wanted) in [("hypertensive", true), ("others", false)] {
        mean(
            &format!("systolic, {group}"),
            adults
                .iter()
                .filter(|p| has(p, "I10") == wanted)
                .filter_map(|p| pressure(p))
                .map(|(s, _)| f64::from(s))
                .collect(),
        );
        mean(
            &format!("diastolic, {group}"),
            adults
                .iter()
                .filter(|p| has(p, "I10") == wanted)
                .filter_map(|p| pressure(p))
                .map(|(_, d)| f64::from(d))
                .collect(),
        );
    }
    for class in [Class::Ambulatory, Class::Emergency, Class::Inpatient] {
        mean(
            &format!("{class:?} visits"),
            people
                .iter()
                .map(|p| p.encounters.iter().filter(|it| it.class == class).count() as f64)
                .collect(),
        );
    }
    mean(
        "encounters",
        people.iter().map(|p| p.encounters.len() as f64).collect(),
    );
    let count = |kind: Kind, p: &Person| match kind {
        Kind::Patient => 1,
        Kind::Encounter => p.encounters.len(),
        Kind::Condition => p.conditions.len(),
        Kind::Observation => p.observations.len(),
        Kind::MedicationRequest => p.medication_requests.len(),
        Kind::Procedure => p.procedures.len(),
        Kind::Immunization => p.immunizations.len(),
    };
    for kind in Kind::ALL {
        mean(
            kind.name(),
            people.iter().map(|p| count(kind, p) as f64).collect(),
        );
    }
    mean(
        "resources",
        people.iter().map(|p| p.resources() as f64).collect(),
    );
    let mut visits: Vec<usize> = people.iter().map(|p| p.encounters.len()).collect();
    visits.sort_unstable();
    println!(
        "encounters: median {}, 90 % {}, 99 % {}, largest {}",
        visits[visits.len() / 2],
        visits[visits.len() * 9 / 10],
        visits[visits.len() * 99 / 100],
        visits.last().unwrap()
    );
}
