//! Questions that a health department asks, each with the plain query that computes the same numbers.

/// Tables a question reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// One row for each person.
    Persons,
    /// Events, joined or folded by person.
    Events,
}

impl Reads {
    /// The name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persons => "persons",
            Self::Events => "events",
        }
    }
}

/// A question and its floor.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Name in the output.
    pub name: &'static str,
    /// Which tables.
    pub reads: Reads,
    /// What Salus is asked.
    pub private: &'static str,
    /// What a plain DataFusion session is asked.
    pub plain: &'static str,
}

/// All pairs. The last column of each is the number that both must agree on; the columns before it are the key.
pub const PAIRS: [Pair; 9] = [
    Pair {
        name: "sex",
        reads: Reads::Persons,
        private: "SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex",
        plain: "SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex",
    },
    Pair {
        name: "age_bands",
        reads: Reads::Persons,
        private: "SELECT age_band(birth_date, DATE '2025-01-01', 10) AS age, COUNT(*) AS n FROM patient \
                  GROUP BY age_band(birth_date, DATE '2025-01-01', 10)",
        // Dates compared with literals: the cheapest plain query that gives these bands.
        plain: "SELECT CASE WHEN birth_date > DATE '2015-01-01' THEN '00-09' WHEN birth_date > DATE '2005-01-01' THEN '10-19' \
                WHEN birth_date > DATE '1995-01-01' THEN '20-29' WHEN birth_date > DATE '1985-01-01' THEN '30-39' \
                WHEN birth_date > DATE '1975-01-01' THEN '40-49' WHEN birth_date > DATE '1965-01-01' THEN '50-59' \
                WHEN birth_date > DATE '1955-01-01' THEN '60-69' WHEN birth_date > DATE '1945-01-01' THEN '70-79' \
                WHEN birth_date > DATE '1935-01-01' THEN '80-89' ELSE '90+' END AS age, COUNT(*) AS n FROM patient GROUP BY 1",
    },
    Pair {
        name: "average",
        reads: Reads::Persons,
        private: "SELECT deprivation, AVG(clamp(date_part('year', birth_date), 1900, 2025)) AS born FROM patient GROUP BY deprivation",
        plain: "SELECT deprivation, AVG(least(greatest(date_part('year', birth_date), 1900), 2025)) AS born FROM patient GROUP BY deprivation",
    },
    Pair {
        name: "filter",
        reads: Reads::Persons,
        private: "SELECT deprivation, COUNT(*) AS n FROM patient WHERE sex = 'female' AND birth_date < DATE '1960-01-01' GROUP BY deprivation",
        plain: "SELECT deprivation, COUNT(*) AS n FROM patient WHERE sex = 'female' AND birth_date < DATE '1960-01-01' GROUP BY deprivation",
    },
    Pair {
        name: "two_keys",
        reads: Reads::Persons,
        private: "SELECT sex, deprivation, COUNT(*) AS n FROM patient GROUP BY sex, deprivation",
        plain: "SELECT sex, deprivation, COUNT(*) AS n FROM patient GROUP BY sex, deprivation",
    },
    Pair {
        name: "diabetes",
        reads: Reads::Events,
        private: "SELECT p.sex, COUNT(DISTINCT p.person_id) AS n FROM patient p JOIN condition c ON c.person_id = p.person_id \
                  WHERE c.code = '44054006' GROUP BY p.sex",
        plain: "SELECT p.sex, COUNT(DISTINCT p.person_id) AS n FROM patient p JOIN condition c ON c.person_id = p.person_id \
                WHERE c.code = '44054006' GROUP BY p.sex",
    },
    Pair {
        name: "hba1c",
        reads: Reads::Events,
        private: "SELECT AVG(clamp(worst, 4, 14)) AS hba1c FROM (SELECT person_id, MAX(value) AS worst FROM observation \
                  WHERE code = '4548-4' GROUP BY person_id) h",
        plain: "SELECT AVG(least(greatest(worst, 4), 14)) AS hba1c FROM (SELECT person_id, MAX(value) AS worst FROM observation \
                WHERE code = '4548-4' GROUP BY person_id) h",
    },
    Pair {
        name: "pressure",
        reads: Reads::Events,
        private: "SELECT p.deprivation, AVG(clamp(b.systolic, 80, 200)) AS systolic FROM patient p JOIN (SELECT person_id, \
                  MAX(value) AS systolic FROM observation_component WHERE code = '8480-6' GROUP BY person_id) b \
                  ON b.person_id = p.person_id GROUP BY p.deprivation",
        plain: "SELECT p.deprivation, AVG(least(greatest(b.systolic, 80), 200)) AS systolic FROM patient p JOIN (SELECT person_id, \
                MAX(value) AS systolic FROM observation_component WHERE code = '8480-6' GROUP BY person_id) b \
                ON b.person_id = p.person_id GROUP BY p.deprivation",
    },
    Pair {
        name: "care_gap",
        reads: Reads::Events,
        private: "SELECT p.sex, COUNT(DISTINCT p.person_id) AS n FROM patient p WHERE p.person_id IN (SELECT person_id FROM condition \
                  WHERE code = '44054006') AND NOT EXISTS (SELECT 1 FROM observation o WHERE o.person_id = p.person_id \
                  AND o.code = '4548-4') GROUP BY p.sex",
        plain: "SELECT p.sex, COUNT(DISTINCT p.person_id) AS n FROM patient p WHERE p.person_id IN (SELECT person_id FROM condition \
                WHERE code = '44054006') AND NOT EXISTS (SELECT 1 FROM observation o WHERE o.person_id = p.person_id \
                AND o.code = '4548-4') GROUP BY p.sex",
    },
];
