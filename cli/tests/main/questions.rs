//! What is asked of the real exports, with the truth beside each question.

use std::collections::BTreeMap;

use crate::truth::{Export, Person, Row, each, most};

/// What a released number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Sum,
    Average,
}

/// A question and what a noiseless answer would say.
#[derive(Debug)]
pub(crate) struct Question {
    pub sql: String,
    /// k, large enough that no row is left out.
    pub rows_per_person: u64,
    pub rho: f64,
    /// Whether the first column is a key.
    pub keyed: bool,
    /// Kinds of the numbers, in their order.
    pub kinds: Vec<Kind>,
    /// Numbers by key; the key is empty when there is none. What is not named is zero.
    pub truth: BTreeMap<String, Vec<f64>>,
}

const ON: &str = "2021-01-01";

#[allow(clippy::cast_precision_loss)]
fn float(n: usize) -> f64 {
    n as f64
}

/// The price at which k rows a person are hidden by noise of 16 rows: well above the lattice, well below the counts.
#[allow(clippy::cast_precision_loss)]
fn rho_of(k: u64, mechanisms: u32) -> f64 {
    0.002 * (k * k) as f64 * f64::from(mechanisms)
}

/// The price at which an average stands clear of its noise: the noise of n is a tenth of n.
#[allow(clippy::cast_precision_loss)]
fn rho_of_mean(k: u64, n: usize) -> f64 {
    100.0 * (k * k) as f64 / (float(n) * float(n)).max(1.0)
}

fn one(numbers: Vec<f64>) -> BTreeMap<String, Vec<f64>> {
    BTreeMap::from([(String::new(), numbers)])
}

fn tally<T>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> BTreeMap<String, Vec<f64>> {
    let mut counts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for item in items {
        counts.entry(key(&item)).or_insert_with(|| vec![0.0])[0] += 1.0;
    }
    counts
}

/// One COUNT, of rows of which a person has at most k.
fn count(sql: &str, k: u64, n: usize) -> Question {
    Question {
        sql: sql.to_owned(),
        rows_per_person: k,
        rho: rho_of(k, 1),
        keyed: false,
        kinds: vec![Kind::Count],
        truth: one(vec![float(n)]),
    }
}

fn counts(sql: &str, k: u64, truth: BTreeMap<String, Vec<f64>>) -> Question {
    Question {
        sql: sql.to_owned(),
        rows_per_person: k,
        rho: rho_of(k, 1),
        keyed: true,
        kinds: vec![Kind::Count],
        truth,
    }
}

/// The mean of values within bounds, at a price that suits their number.
fn mean(sql: &str, k: u64, values: &[f64], bounds: (f64, f64)) -> Question {
    let sum: f64 = values.iter().map(|x| x.clamp(bounds.0, bounds.1)).sum();
    Question {
        sql: sql.to_owned(),
        rows_per_person: k,
        rho: rho_of_mean(k, values.len()),
        keyed: false,
        kinds: vec![Kind::Average],
        truth: one(vec![sum / float(values.len())]),
    }
}

fn sum(sql: &str, k: u64, values: &[f64], bounds: (f64, f64)) -> Question {
    Question {
        rho: 0.02,
        kinds: vec![Kind::Sum],
        truth: one(vec![
            values.iter().map(|x| x.clamp(bounds.0, bounds.1)).sum(),
        ]),
        ..count(sql, k, 0)
    }
}

fn values(rows: &[&Row]) -> Vec<f64> {
    rows.iter().filter_map(|row| row.value).collect()
}

fn coded<'a>(codes: &'a [&'a str]) -> impl Fn(&Row) -> bool + 'a {
    move |row| codes.contains(&row.code.as_str())
}

pub(crate) fn questions(export: &Export) -> Vec<Question> {
    let mut questions = of_persons(export);
    questions.extend(of_conditions(export));
    questions.extend(of_encounters(export));
    questions.extend(of_measurements(export));
    questions.extend(of_treatment(export));
    questions.extend(of_histories(export));
    questions
}

fn of_persons(export: &Export) -> Vec<Question> {
    let persons = || export.persons.iter();
    let band = |p: &Person| match p.age(ON) / 10 {
        9.. => "90+".to_owned(),
        decade => format!("{decade}0-{decade}9"),
    };
    let by_case = |p: &&Person| {
        let key = match p.age(ON) {
            0..18 => "child",
            18..65 => "adult",
            _ => "old",
        };
        key.to_owned()
    };
    let number = |meets: &dyn Fn(&Person) -> bool| persons().filter(|p| meets(p)).count();
    vec![
        count("SELECT COUNT(*) AS n FROM patient", 1, export.persons.len()),
        counts(
            "SELECT sex, COUNT(DISTINCT person_id) AS n FROM patient GROUP BY sex",
            1,
            tally(persons(), |p| p.sex.clone()),
        ),
        counts(
            "SELECT marital_status, COUNT(*) AS n FROM patient GROUP BY marital_status",
            1,
            tally(persons(), |p| p.marital.clone()),
        ),
        counts(
            "SELECT age_band(birth_date, DATE '2021-01-01', 10) AS age, COUNT(*) AS n FROM patient GROUP BY 1",
            1,
            tally(persons(), |p| band(p)),
        ),
        counts(
            "SELECT deceased, COUNT(*) AS n FROM patient GROUP BY deceased",
            1,
            tally(persons(), |p| p.deceased.to_string()),
        ),
        counts(
            "SELECT CASE WHEN age(birth_date, DATE '2021-01-01') < 18 THEN 'child' \
             WHEN age(birth_date, DATE '2021-01-01') < 65 THEN 'adult' ELSE 'old' END AS who, COUNT(*) AS n FROM patient GROUP BY 1",
            1,
            tally(persons(), by_case),
        ),
        counts(
            "SELECT birth_date < DATE '1970-01-01' AS older, COUNT(*) AS n FROM patient GROUP BY 1",
            1,
            tally(persons(), |p| (p.birth.as_str() < "1970-01-01").to_string()),
        ),
        Question {
            rho: rho_of(1, 3),
            kinds: vec![Kind::Count; 3],
            truth: one(vec![
                float(number(&|p| p.sex == "female")),
                float(number(&|p| p.sex == "male" && p.marital == "M")),
                float(number(&|p| p.birth.as_str() >= "1990-01-01")),
            ]),
            ..count(
                "SELECT COUNT(*) FILTER (WHERE sex = 'female') AS f, COUNT(*) FILTER (WHERE sex = 'male' AND marital_status = 'M') AS m, \
                 COUNT(*) FILTER (WHERE birth_date >= DATE '1990-01-01') AS young FROM patient",
                1,
                0,
            )
        },
    ]
}

fn of_conditions(export: &Export) -> Vec<Question> {
    let with = |code: &'static str| export.with("condition", coded(&[code]));
    let bronchitis = export.rows("condition", coded(&["10509002"]));
    let common = ["444814009", "195662009", "162864005"];
    let named = export.rows("condition", |_| true);
    let name = |row: &&&Row| match row.code.as_str() {
        "444814009" => "sinusitis".to_owned(),
        "195662009" => "pharyngitis".to_owned(),
        "162864005" => "obesity".to_owned(),
        _ => "other".to_owned(),
    };
    vec![
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM condition WHERE code = '444814009'",
            1,
            with("444814009").len(),
        ),
        counts(
            "SELECT p.sex, COUNT(DISTINCT p.person_id) AS n FROM patient p JOIN condition c ON c.person_id = p.person_id \
             WHERE c.code = '15777000' GROUP BY p.sex",
            1,
            tally(with("15777000"), |id| export.person(id).sex.clone()),
        ),
        count(
            "SELECT COUNT(*) AS n FROM condition WHERE code = '10509002'",
            most(&bronchitis),
            bronchitis.len(),
        ),
        counts(
            "SELECT CASE WHEN code = '444814009' THEN 'sinusitis' WHEN code = '195662009' THEN 'pharyngitis' \
             WHEN code = '162864005' THEN 'obesity' ELSE 'other' END AS what, COUNT(*) AS n FROM condition GROUP BY 1",
            most(&named),
            tally(&named, |row| name(row)),
        ),
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM condition WHERE clinical_status = 'active'",
            1,
            export.with("condition", |row| row.status == "active").len(),
        ),
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM condition WHERE code IN ('444814009', '195662009', '162864005') AND onset_date >= DATE '2012-01-01'",
            1,
            export
                .with("condition", |row| {
                    common.contains(&row.code.as_str()) && row.date.as_str() >= "2012-01-01"
                })
                .len(),
        ),
        count(
            "SELECT COUNT(*) AS n FROM patient WHERE person_id IN (SELECT person_id FROM condition WHERE code = '162864005')",
            1,
            with("162864005").len(),
        ),
        count(
            "SELECT COUNT(*) AS n FROM patient p WHERE NOT EXISTS (SELECT 1 FROM condition c WHERE c.person_id = p.person_id AND c.code = '195662009')",
            1,
            export.persons.len() - with("195662009").len(),
        ),
    ]
}

fn of_encounters(export: &Export) -> Vec<Question> {
    let all = export.rows("encounter", |_| true);
    let emergencies = export.rows("encounter", |row| row.class == "EMER");
    let class = |class: &str| float(all.iter().filter(|row| row.class == class).count());
    let minutes: Vec<f64> = emergencies.iter().filter_map(|row| row.minutes).collect();
    let k = most(&all);
    let mut visits: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &all {
        *visits.entry(&row.person).or_default() += 1;
    }
    let without = export.persons.iter().filter(|p| {
        let here = |row: &&&Row| row.person == p.id;
        !emergencies.iter().any(|row| here(&row))
    });
    vec![
        counts(
            "SELECT class, COUNT(*) AS n FROM encounter GROUP BY class",
            k,
            tally(&all, |row| row.class.clone()),
        ),
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM encounter WHERE class = 'EMER'",
            1,
            export.with("encounter", |row| row.class == "EMER").len(),
        ),
        Question {
            rho: rho_of(k, 3),
            kinds: vec![Kind::Count; 3],
            truth: one(vec![class("AMB"), class("EMER"), class("IMP")]),
            ..count(
                "SELECT COUNT(*) FILTER (WHERE class = 'AMB') AS a, COUNT(*) FILTER (WHERE class = 'EMER') AS e, \
                 COUNT(*) FILTER (WHERE class = 'IMP') AS i FROM encounter",
                k,
                0,
            )
        },
        sum(
            "SELECT SUM(clamp(length_minutes, 0, 600)) AS s FROM encounter WHERE class = 'EMER'",
            most(&emergencies),
            &minutes,
            (0.0, 600.0),
        ),
        mean(
            "SELECT AVG(clamp(length_minutes, 0, 600)) AS m FROM encounter WHERE class = 'EMER'",
            most(&emergencies),
            &minutes,
            (0.0, 600.0),
        ),
        count(
            "SELECT COUNT(*) AS n FROM (SELECT person_id, COUNT(*) AS visits FROM encounter GROUP BY person_id) t WHERE visits >= 20",
            1,
            visits.values().filter(|n| **n >= 20).count(),
        ),
        counts(
            "SELECT p.sex, COUNT(*) AS n FROM patient p WHERE NOT EXISTS \
             (SELECT 1 FROM encounter e WHERE e.person_id = p.person_id AND e.class = 'EMER') GROUP BY p.sex",
            1,
            tally(without, |p| p.sex.clone()),
        ),
    ]
}

fn of_measurements(export: &Export) -> Vec<Question> {
    let rows = |code: &'static str| export.rows("observation", coded(&[code]));
    let (hba1c, bmi, height) = (rows("4548-4"), rows("39156-5"), rows("8302-2"));
    // Both codes of the blood pressure panel, of the older and the newer generator.
    let panel = |row: &Row| ["85354-9", "55284-4"].contains(&row.panel.as_str());
    let systolic = export.rows("observation_component", |row| {
        row.code == "8480-6" && panel(row)
    });
    let diastolic = export.rows("observation_component", coded(&["8462-4"]));
    let recent = export.rows("observation", |row| {
        row.code == "39156-5" && row.date.as_str() >= "2014-01-01"
    });
    let by_sex = |sex: &str| -> Vec<f64> {
        let of = hba1c
            .iter()
            .filter(|row| export.person(&row.person).sex == sex);
        of.filter_map(|row| row.value).collect()
    };
    let of_men = by_sex("male");
    vec![
        mean(
            "SELECT AVG(clamp(value, 4, 14)) AS m FROM observation WHERE code = '4548-4'",
            most(&hba1c),
            &values(&hba1c),
            (4.0, 14.0),
        ),
        mean(
            "SELECT AVG(clamp(value, 15, 35)) AS m FROM observation WHERE code = '39156-5'",
            most(&bmi),
            &values(&bmi),
            (15.0, 35.0),
        ),
        mean(
            "SELECT AVG(clamp(c.value, 60, 240)) AS m FROM observation_component c JOIN observation o ON o.person_id = c.person_id \
             AND o.id = c.observation_id WHERE c.code = '8480-6' AND o.code IN ('85354-9', '55284-4')",
            most(&systolic),
            &values(&systolic),
            (60.0, 240.0),
        ),
        mean(
            "SELECT AVG(value) AS m FROM observation_component WHERE code = '8462-4'",
            most(&diastolic),
            &values(&diastolic),
            (20.0, 180.0),
        ),
        count(
            "SELECT COUNT(*) AS n FROM observation_component WHERE code = '8480-6'",
            most(&systolic),
            systolic.len(),
        ),
        sum(
            "SELECT SUM(clamp(value, 20, 230)) AS s FROM observation WHERE code = '8302-2'",
            most(&height),
            &values(&height),
            (20.0, 230.0),
        ),
        sum(
            "SELECT SUM(clamp(value, 10, 30)) AS s FROM observation WHERE code = '39156-5' AND effective_date >= DATE '2014-01-01'",
            most(&recent),
            &values(&recent),
            (10.0, 30.0),
        ),
        mean(
            "SELECT AVG(clamp(o.value, 3, 9)) AS m FROM observation o JOIN patient p ON p.person_id = o.person_id \
             WHERE o.code = '4548-4' AND p.sex = 'male'",
            most(&hba1c),
            &of_men,
            (3.0, 9.0),
        ),
    ]
}

fn of_treatment(export: &Export) -> Vec<Question> {
    let requests = export.rows("medication_request", |_| true);
    let influenza = export.rows("immunization", coded(&["140"]));
    let procedures = export.rows("procedure", coded(&["73761001"]));
    let lipids = export.rows("diagnostic_report", coded(&["57698-3"]));
    let vaccinated = |code: &'static str| export.with("immunization", coded(&[code])).len();
    let others = export.with("immunization", |row| {
        !["140", "113"].contains(&row.code.as_str())
    });
    let running = |row: &&&Row| (row.status == "active").to_string();
    vec![
        count(
            "SELECT COUNT(*) AS n FROM medication_request",
            most(&requests),
            requests.len(),
        ),
        counts(
            "SELECT status = 'active' AS running, COUNT(*) AS n FROM medication_request GROUP BY 1",
            most(&requests),
            tally(&requests, running),
        ),
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM medication_request WHERE code = '313782'",
            1,
            export.with("medication_request", coded(&["313782"])).len(),
        ),
        count(
            "SELECT COUNT(*) AS n FROM immunization WHERE code = '140' AND code_system = 'http://hl7.org/fhir/sid/cvx'",
            most(&influenza),
            influenza.len(),
        ),
        counts(
            "SELECT CASE code WHEN '140' THEN 'influenza' WHEN '113' THEN 'tetanus' ELSE 'other' END AS vaccine, \
             COUNT(DISTINCT person_id) AS n FROM immunization GROUP BY 1",
            1,
            BTreeMap::from([
                ("influenza".to_owned(), vec![float(vaccinated("140"))]),
                ("tetanus".to_owned(), vec![float(vaccinated("113"))]),
                ("other".to_owned(), vec![float(others.len())]),
            ]),
        ),
        count(
            "SELECT COUNT(*) AS n FROM procedure WHERE code = '73761001'",
            most(&procedures),
            procedures.len(),
        ),
        count(
            "SELECT COUNT(*) AS n FROM diagnostic_report WHERE code = '57698-3'",
            most(&lipids),
            lipids.len(),
        ),
        count(
            "SELECT COUNT(DISTINCT person_id) AS n FROM allergy_intolerance",
            1,
            export.with("allergy_intolerance", |_| true).len(),
        ),
    ]
}

/// What takes several rows of one person to know.
fn of_histories(export: &Export) -> Vec<Question> {
    let hba1c = export.rows("observation", coded(&["4548-4"]));
    let bmi = export.rows("observation", coded(&["39156-5"]));
    let systolic = export.rows("observation_component", coded(&["8480-6"]));
    let worst: Vec<f64> = each(&hba1c, f64::max).into_values().collect();
    let least: Vec<f64> = each(&bmi, f64::min).into_values().collect();
    let peak = each(&systolic, f64::max);
    let measured = export.with("observation", coded(&["4548-4"]));
    let prediabetic = export.with("condition", coded(&["15777000"]));
    let medicated = export.with("medication_request", |_| true);
    let vaccinated = export.with("immunization", |row| {
        row.code == "140" && row.date.as_str() >= "2015-01-01"
    });
    let women = |ids: Vec<&str>| {
        let women = ids.iter().filter(|id| export.person(id).sex == "female");
        women.count()
    };
    vec![
        mean(
            "SELECT AVG(clamp(worst, 3, 9)) AS m FROM (SELECT person_id, MAX(value) AS worst FROM observation WHERE code = '4548-4' GROUP BY person_id) t",
            1,
            &worst,
            (3.0, 9.0),
        ),
        mean(
            "SELECT AVG(clamp(least, 10, 40)) AS m FROM (SELECT person_id, MIN(value) AS least FROM observation WHERE code = '39156-5' GROUP BY person_id) t",
            1,
            &least,
            (10.0, 40.0),
        ),
        count(
            "SELECT COUNT(*) AS n FROM (SELECT person_id, MAX(value) AS peak FROM observation_component WHERE code = '8480-6' GROUP BY person_id) t WHERE peak >= 140",
            1,
            peak.values().filter(|value| **value >= 140.0).count(),
        ),
        counts(
            "SELECT p.sex, COUNT(*) AS n FROM patient p JOIN (SELECT person_id, MAX(value) AS peak FROM observation_component \
             WHERE code = '8480-6' GROUP BY person_id) b ON b.person_id = p.person_id WHERE b.peak >= 130 GROUP BY p.sex",
            1,
            tally(
                peak.iter().filter(|(_, value)| **value >= 130.0),
                |(id, _)| export.person(id).sex.clone(),
            ),
        ),
        count(
            "SELECT COUNT(*) AS n FROM patient p WHERE EXISTS (SELECT 1 FROM condition c WHERE c.person_id = p.person_id AND c.code = '15777000') \
             AND EXISTS (SELECT 1 FROM medication_request m WHERE m.person_id = p.person_id)",
            1,
            prediabetic.intersection(&medicated).count(),
        ),
        count(
            "SELECT COUNT(DISTINCT c.person_id) AS n FROM condition c WHERE c.code = '15777000' AND NOT EXISTS \
             (SELECT 1 FROM observation o WHERE o.person_id = c.person_id AND o.code = '4548-4')",
            1,
            prediabetic.difference(&measured).count(),
        ),
        count(
            "SELECT COUNT(DISTINCT p.person_id) AS n FROM patient p JOIN immunization i ON i.person_id = p.person_id \
             WHERE p.sex = 'female' AND i.code = '140' AND i.occurrence_date >= DATE '2015-01-01'",
            1,
            women(vaccinated.into_iter().collect()),
        ),
    ]
}
