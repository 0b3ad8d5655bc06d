//! The population looks as docs/synth.md says: prevalences within bands, correlations in the right
//! direction, and none where there is no cause.
//!
//! The seed is fixed, so that these tests cannot fail by chance; they fail when the model changes.

use std::sync::LazyLock;

use salus_synth::record::{Class, Person, Sex, Value};
use salus_synth::time::Day;
use salus_synth::{Options, persons};

const PERSONS: u64 = 20_000;

static POPULATION: LazyLock<Vec<Person>> = LazyLock::new(|| {
    persons(&Options {
        persons: PERSONS,
        seed: 1,
        ..Options::default()
    })
    .collect()
});

fn end() -> Day {
    Day::of(Options::default().as_of)
}

fn age(person: &Person) -> i32 {
    (end().0 - person.patient.birth.0) / 365
}

fn adults() -> Vec<&'static Person> {
    POPULATION
        .iter()
        .filter(|person| age(person) >= 18)
        .collect()
}

fn has(person: &Person, code: &str) -> bool {
    let mut codings = person.conditions.iter().flat_map(|it| it.concept.codings);
    codings.any(|coding| coding.code.starts_with(code))
}

/// The last value of a measurement, in its unit.
fn last(person: &Person, code: &str) -> Option<f64> {
    let mut values = person
        .observations
        .iter()
        .rev()
        .filter_map(|it| match it.value {
            Value::Quantity(measure, value) if measure.concept.first().code == code => {
                Some(f64::from(value) / 10_f64.powi(i32::from(measure.scale)))
            }
            Value::Pressure(systolic, _) if code == "8480-6" => Some(f64::from(systolic)),
            _ => None,
        });
    values.next()
}

fn smokes(person: &Person) -> Option<bool> {
    person.observations.iter().find_map(|it| match it.value {
        Value::Coded(answer) if it.concept.first().code == "72166-2" => {
            Some(["449868002", "428041000124106"].contains(&answer.first().code))
        }
        _ => None,
    })
}

fn takes(person: &Person, code: &str) -> bool {
    person
        .medication_requests
        .iter()
        .any(|it| it.concept.first().code == code)
}

/// Share of those `among` whom `of` holds, in percent.
fn percent(of: impl Fn(&Person) -> bool, among: impl Fn(&Person) -> bool) -> f64 {
    let among: Vec<&&Person> = adults_ref().iter().filter(|person| among(person)).collect();
    let count = among.iter().filter(|person| of(person)).count();
    assert!(among.len() > 300, "only {} persons", among.len());
    100.0 * number(count) / number(among.len())
}

fn adults_ref() -> &'static [&'static Person] {
    static ADULTS: LazyLock<Vec<&'static Person>> = LazyLock::new(adults);
    &ADULTS
}

#[expect(clippy::cast_precision_loss, reason = "counts of a small population")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Welch's z of the difference of means between two groups.
fn z(value: impl Fn(&Person) -> Option<f64>, group: impl Fn(&Person) -> Option<bool>) -> f64 {
    let moments = |wanted: bool| {
        let of_group = adults_ref()
            .iter()
            .filter(|person| group(person) == Some(wanted));
        let values: Vec<f64> = of_group.filter_map(|person| value(person)).collect();
        assert!(values.len() > 100, "only {} values", values.len());
        let n = number(values.len());
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((yes, yes_error), (no, no_error)) = (moments(true), moments(false));
    (yes - no) / (yes_error + no_error).sqrt()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of a value that may be missing"
)]
fn flag(yes: bool) -> Option<f64> {
    Some(f64::from(u8::from(yes)))
}

/// Which of two groups a person belongs to, if to any.
type Group = fn(&Person) -> Option<bool>;

/// Most against least deprived three deciles.
fn deprived(person: &Person) -> Option<bool> {
    match person.patient.deprivation {
        Some(8..=10) => Some(true),
        Some(1..=3) => Some(false),
        _ => None,
    }
}

#[test]
fn prevalences_lie_within_their_bands() {
    let all = |_: &Person| true;
    let bands: [(&str, f64, f64); 16] = [
        ("44054006", 10.0, 13.0),
        ("I10", 42.0, 48.0),
        ("N18", 12.0, 16.0),
        ("55822004", 23.0, 31.0),
        ("13645005", 4.0, 7.0),
        ("195967001", 6.0, 10.0),
        ("53741008", 4.0, 7.0),
        ("84114007", 1.5, 3.0),
        ("230690007", 2.2, 3.6),
        ("49436004", 1.4, 3.0),
        ("370143000", 15.0, 22.0),
        ("414916001", 30.0, 42.0),
        ("254837009", 0.6, 1.6),
        ("254637007", 0.1, 0.6),
        ("N18.5", 0.1, 0.6),
        ("40930008", 4.0, 8.0),
    ];
    for (code, low, high) in bands {
        let share = percent(|person| has(person, code), all);
        assert!(
            (low..=high).contains(&share),
            "{code}: {share:.2} % is outside {low} to {high}"
        );
    }
}

#[test]
fn care_and_control_lie_within_their_bands() {
    let alive = |person: &Person| person.patient.death.is_none();
    let diabetic = |person: &Person| alive(person) && has(person, "44054006");
    let tested = |person: &Person| diabetic(person) && last(person, "4548-4").is_some();
    let pressed = |person: &Person| has(person, "I10") && last(person, "8480-6").is_some();
    let in_last_year = |person: &Person, code: &str| {
        let after = end().plus(-365);
        let seen = person
            .observations
            .iter()
            .any(|it| it.concept.first().code == code && it.at.day >= after);
        let done = person
            .procedures
            .iter()
            .any(|it| it.concept.first().code == code && it.performed >= after);
        seen || done
    };
    let figures = [
        (
            "smokers",
            percent(|it| smokes(it) == Some(true), |it| smokes(it).is_some()),
            9.0,
            14.0,
        ),
        (
            "obese",
            percent(
                |it| last(it, "39156-5") >= Some(30.0),
                |it| last(it, "39156-5").is_some(),
            ),
            37.0,
            45.0,
        ),
        (
            "diabetics without HbA1c in a year",
            percent(|it| !in_last_year(it, "4548-4"), diabetic),
            15.0,
            30.0,
        ),
        (
            "diabetics with HbA1c above 9",
            percent(|it| last(it, "4548-4") > Some(9.0), tested),
            8.0,
            18.0,
        ),
        (
            "diabetics with HbA1c below 7",
            percent(|it| last(it, "4548-4") < Some(7.0), tested),
            40.0,
            60.0,
        ),
        (
            "diabetics with retinal exam in a year",
            percent(|it| in_last_year(it, "722161008"), diabetic),
            45.0,
            65.0,
        ),
        (
            "hypertensives at 140 or more",
            percent(|it| last(it, "8480-6") >= Some(140.0), pressed),
            28.0,
            50.0,
        ),
        (
            "deaths in three years",
            percent(|it| !alive(it), |_| true),
            2.2,
            4.0,
        ),
        (
            "adults without any visit",
            percent(|it| it.encounters.is_empty(), |_| true),
            0.5,
            6.0,
        ),
    ];
    for (name, share, low, high) in figures {
        assert!(
            (low..=high).contains(&share),
            "{name}: {share:.2} % is outside {low} to {high}"
        );
    }
}

#[test]
fn causes_show_in_the_right_direction() {
    let diabetic = |person: &Person| Some(has(person, "44054006"));
    let treated = |person: &Person| has(person, "55822004").then(|| takes(person, "617311"));
    let old = |person: &Person| Some(age(person) >= 65);
    let effects = [
        (
            "deprivation and smoking",
            z(|it| smokes(it).and_then(flag), deprived),
        ),
        (
            "deprivation and diabetes",
            z(|it| flag(has(it, "44054006")), deprived),
        ),
        (
            "deprivation and emergency visits",
            z(|it| visits(it, Class::Emergency), deprived),
        ),
        ("diabetes and HbA1c", z(|it| last(it, "4548-4"), diabetic)),
        (
            "diabetes and body mass",
            z(|it| last(it, "39156-5"), diabetic),
        ),
        (
            "diabetes and kidney disease",
            z(|it| flag(has(it, "N18")), diabetic),
        ),
        (
            "hypertension and pressure",
            z(|it| last(it, "8480-6"), |it| Some(has(it, "I10"))),
        ),
        ("age and pressure", z(|it| last(it, "8480-6"), old)),
        ("age and filtration", -z(|it| last(it, "98979-8"), old)),
        (
            "kidney disease and creatinine",
            z(|it| last(it, "2160-0"), |it| Some(has(it, "N18"))),
        ),
        (
            "strong statin and LDL",
            -z(|it| last(it, "13457-7"), treated),
        ),
        (
            "smoking and COPD",
            z(|it| flag(has(it, "13645005")), smokes),
        ),
        (
            "heart failure and admissions",
            z(
                |it| visits(it, Class::Inpatient),
                |it| Some(has(it, "84114007")),
            ),
        ),
        (
            "heart failure and death",
            z(
                |it| flag(it.patient.death.is_some()),
                |it| Some(has(it, "84114007")),
            ),
        ),
        (
            "depression and PHQ-9",
            z(|it| last(it, "44261-6"), |it| Some(has(it, "370143000"))),
        ),
        (
            "women and depression",
            z(
                |it| flag(has(it, "370143000")),
                |it| Some(it.patient.sex == Sex::Female),
            ),
        ),
    ];
    for (name, z) in effects {
        assert!(z > 4.0, "{name}: z = {z:.1}");
    }
}

#[test]
fn where_there_is_no_cause_there_is_no_correlation() {
    // The same statistic on groups that nothing depends on: it must not find anything.
    let groups: [(&str, Group); 3] = [
        ("even number", |it| Some(it.number % 2 == 0)),
        ("even birthday", |it| Some(it.patient.birth.0 % 2 == 0)),
        ("family name", |it| Some(it.patient.family < "Lanternby")),
    ];
    for (name, group) in groups {
        let effects = [
            z(|it| smokes(it).and_then(flag), group),
            z(|it| flag(has(it, "44054006")), group),
            z(|it| last(it, "4548-4"), group),
            z(|it| last(it, "8480-6"), group),
            z(|it| last(it, "98979-8"), group),
            z(|it| visits(it, Class::Emergency), group),
            z(|it| flag(it.patient.death.is_some()), group),
        ];
        assert!(effects.iter().all(|z| z.abs() < 3.3), "{name}: {effects:?}");
    }
}

#[test]
fn visits_have_a_heavy_tail_and_vaccinations_do_not() {
    let dispersion = |count: &dyn Fn(&Person) -> usize| {
        let counts: Vec<f64> = adults_ref()
            .iter()
            .map(|person| number(count(person)))
            .collect();
        let mean = counts.iter().sum::<f64>() / number(counts.len());
        let variance =
            counts.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / number(counts.len());
        variance / mean
    };
    let emergency = |person: &Person| {
        person
            .encounters
            .iter()
            .filter(|it| it.class == Class::Emergency)
            .count()
    };
    let all = |person: &Person| person.encounters.len();
    let influenza = |person: &Person| {
        person
            .immunizations
            .iter()
            .filter(|it| ["140", "141"].contains(&it.concept.first().code))
            .count()
    };
    // A Poisson count has dispersion one.
    assert!(dispersion(&emergency) > 1.7, "{}", dispersion(&emergency));
    assert!(dispersion(&all) > 2.5, "{}", dispersion(&all));
    assert!(dispersion(&influenza) < 1.3, "{}", dispersion(&influenza));
    let most = adults_ref().iter().map(|person| all(person)).max();
    assert!(most > Some(50), "{most:?}");
}

#[test]
fn volume_stays_moderate() {
    let total: usize = POPULATION.iter().map(Person::resources).sum();
    let mean = number(total) / number(POPULATION.len());
    assert!((30.0..60.0).contains(&mean), "{mean} resources a person");
    let most = POPULATION.iter().map(Person::resources).max();
    assert!(most < Some(2_000), "{most:?}");
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of a value that may be missing"
)]
fn visits(person: &Person, class: Class) -> Option<f64> {
    Some(number(
        person
            .encounters
            .iter()
            .filter(|it| it.class == class)
            .count(),
    ))
}
