//! Questions that must be refused, each with the rule.

mod below;

/// Rule that refuses, and the question. `any` stands for rules whose choice is a matter of taste.
pub(crate) type Hostile = (&'static str, &'static str);

/// All of them.
pub(crate) fn hostile() -> impl Iterator<Item = &'static Hostile> {
    QUESTIONS.iter().chain(below::QUESTIONS)
}

/// What is no question, shows rows, or asks a release for what it does not give.
const QUESTIONS: &[Hostile] = &[
    // One statement, and it only reads.
    ("statement", "DROP TABLE patient"),
    ("statement", "CREATE TABLE mine AS SELECT * FROM patient"),
    ("statement", "CREATE VIEW mine AS SELECT * FROM patient"),
    (
        "statement",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
    ),
    ("statement", "INSERT INTO patient (person_id) VALUES (1)"),
    ("statement", "UPDATE patient SET sex = 'x'"),
    ("statement", "DELETE FROM patient"),
    ("statement", "TRUNCATE TABLE patient"),
    ("statement", "COPY patient TO '/tmp/stolen.csv'"),
    (
        "statement",
        "COPY (SELECT COUNT(*) FROM patient) TO '/tmp/stolen.csv'",
    ),
    ("statement", "SET datafusion.execution.batch_size = 1"),
    ("statement", "RESET datafusion.execution.batch_size"),
    ("statement", "SHOW TABLES"),
    ("statement", "SHOW ALL"),
    ("statement", "DESCRIBE patient"),
    ("statement", "EXPLAIN SELECT COUNT(*) FROM patient"),
    ("statement", "EXPLAIN ANALYZE SELECT COUNT(*) FROM patient"),
    ("statement", "PREPARE q AS SELECT COUNT(*) FROM patient"),
    ("statement", "EXECUTE q"),
    ("statement", "BEGIN"),
    (
        "statement",
        "SELECT COUNT(*) FROM patient; SELECT COUNT(*) FROM patient",
    ),
    ("statement", "SELECT COUNT(*) FROM patient FOR UPDATE"),
    ("statement", "SELEKT COUNT(*) FROM patient"),
    ("statement", ""),
    ("statement", "SELECT COUNT(*) INTO stolen FROM patient"),
    (
        "any",
        "WITH x AS (INSERT INTO patient (person_id) VALUES (1)) SELECT COUNT(*) FROM x",
    ),
    (
        "any",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT COUNT(*) FROM patient, r",
    ),
    // Names that do not resolve: other tables, files, system tables, functions.
    ("resolve", "SELECT COUNT(*) FROM nowhere"),
    ("resolve", "SELECT COUNT(nothing) FROM patient"),
    ("resolve", "SELECT COUNT(*) FROM '/etc/passwd'"),
    (
        "resolve",
        "SELECT COUNT(*) FROM 'lake/patient/part-0.parquet'",
    ),
    ("resolve", "SELECT COUNT(*) FROM information_schema.tables"),
    ("resolve", "SELECT COUNT(*) FROM generate_series(1, 10)"),
    ("resolve", "SELECT COUNT(*) FROM read_csv('/etc/passwd')"),
    ("resolve", "SELECT SUM(clamp(random(), 0, 1)) FROM patient"),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE now() > birth_date",
    ),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE current_date > birth_date",
    ),
    ("resolve", "SELECT COUNT(*) FROM patient WHERE uuid() = 'x'"),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE version() = 'x'",
    ),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE regexp_like(sex, '((a+)+)+$')",
    ),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE repeat(sex, 1000000000) = 'x'",
    ),
    (
        "resolve",
        "SELECT COUNT(*) FROM patient WHERE array_length(make_array(1)) = 1",
    ),
    ("S1", "SELECT COUNT(*) FROM patient WHERE sex ~ 'fe.*'"),
    (
        "S1",
        "SELECT COUNT(*) FROM patient WHERE sex SIMILAR TO 'fe%'",
    ),
    // The person is opaque.
    ("S1", "SELECT COUNT(*) FROM patient WHERE person_id = 5"),
    ("S1", "SELECT COUNT(*) FROM patient WHERE person_id < 100"),
    (
        "S1",
        "SELECT COUNT(*) FROM patient WHERE person_id IN (1, 2, 3)",
    ),
    ("S1", "SELECT COUNT(*) FROM patient WHERE person_id % 2 = 0"),
    (
        "S1",
        "SELECT COUNT(*) FROM patient WHERE CAST(person_id AS VARCHAR) LIKE '1%'",
    ),
    (
        "S1",
        "SELECT SUM(clamp(pid, 0, 5)) FROM (SELECT person_id + 1 AS pid FROM patient) t",
    ),
    (
        "any",
        "SELECT COUNT(DISTINCT CASE WHEN sex = 'male' THEN person_id ELSE deprivation END) FROM patient",
    ),
    (
        "any",
        "SELECT COUNT(DISTINCT CASE WHEN person_id = 5 THEN person_id END) FROM patient",
    ),
    (
        "any",
        "SELECT SUM(CASE WHEN sex = 'male' THEN person_id END) FROM patient",
    ),
    (
        "any",
        "SELECT COUNT(DISTINCT COALESCE(a.person_id, b.person_id)) FROM patient a LEFT JOIN encounter b ON a.person_id = b.person_id",
    ),
    ("any", "SELECT SUM(clamp(person_id, 0, 5)) FROM patient"),
    ("any", "SELECT MAX(person_id) FROM patient"),
    (
        "S1",
        "SELECT COUNT(*) FROM (SELECT person_id, MIN(person_id) AS m FROM encounter GROUP BY person_id) t",
    ),
    (
        "release",
        "SELECT person_id, COUNT(*) FROM encounter GROUP BY person_id",
    ),
    // Rows are not shown.
    ("release", "SELECT * FROM patient"),
    ("release", "SELECT sex FROM patient LIMIT 1"),
    ("release", "SELECT DISTINCT sex FROM patient"),
    ("any", "TABLE patient"),
    ("release", "VALUES (1), (2)"),
    ("release", "SELECT 1"),
    ("release", "SELECT COUNT(*) FROM measurement"),
    ("release", "SELECT sex FROM patient GROUP BY sex"),
    ("any", "SELECT array_agg(sex) FROM patient"),
    ("any", "SELECT string_agg(sex, ',') FROM patient"),
    (
        "any",
        "SELECT first_value(sex ORDER BY birth_date) FROM patient",
    ),
    ("bounds", "SELECT MIN(birth_date) FROM patient"),
    ("bounds", "SELECT MAX(value) FROM observation"),
    (
        "release",
        "SELECT median(DISTINCT deprivation) FROM patient",
    ),
    (
        "any",
        "SELECT approx_percentile_cont(deprivation, 1.5) FROM patient",
    ),
    (
        "any",
        "SELECT approx_percentile_cont(deprivation, deprivation) FROM patient",
    ),
    (
        "bounds",
        "SELECT approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM observation",
    ),
    (
        "function",
        "SELECT width_bucket(deprivation, 10, 1, 5), COUNT(*) FROM patient GROUP BY 1",
    ),
    (
        "function",
        "SELECT width_bucket(deprivation, 1, deprivation, 5), COUNT(*) FROM patient GROUP BY 1",
    ),
    // The condition of an outer join does not choose among the rows of the side that is kept.
    (
        "bounds",
        "SELECT AVG(o.value) FROM observation o LEFT JOIN condition c ON o.person_id = c.person_id AND o.code = '4548-4'",
    ),
    (
        "bounds",
        "SELECT AVG(o.value) FROM observation o WHERE NOT EXISTS (SELECT 1 FROM condition c WHERE c.person_id = o.person_id AND o.code = '4548-4' AND c.code = 'x')",
    ),
    ("release", "SELECT approx_distinct(sex) FROM patient"),
    ("any", "SELECT corr(deprivation, deprivation) FROM patient"),
    (
        "release",
        "SELECT COUNT(DISTINCT sqrt(value)) FROM observation",
    ),
    ("release", "SELECT SUM(DISTINCT deprivation) FROM patient"),
    ("release", "SELECT AVG(DISTINCT deprivation) FROM patient"),
    // Keys that are not public, too many, or aggregated in sets.
    (
        "function",
        "SELECT age_band(birth_date, DATE '2025-01-01', 7), COUNT(*) FROM patient GROUP BY 1",
    ),
    (
        "keys",
        "SELECT CAST(value AS DOUBLE), COUNT(*) FROM observation GROUP BY 1",
    ),
    // Keys that cannot be spelled for every value, and names of ours.
    (
        "keys",
        "SELECT CAST(start_date AS TIMESTAMP), COUNT(*) FROM encounter GROUP BY 1",
    ),
    (
        "statement",
        "SELECT COUNT(*) AS '__salus_unit_1' FROM patient",
    ),
    (
        "S1",
        "SELECT COUNT(*) FROM (SELECT lag(person_id) OVER (PARTITION BY person_id ORDER BY effective_date) AS s FROM observation) t WHERE s > 10",
    ),
    (
        "any",
        "SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY effective_date) FROM observation",
    ),
    // Released numbers with rows of the data, or deciding what belongs together.
    (
        "release",
        "SELECT p.sex, t.n FROM patient p JOIN (SELECT COUNT(*) AS n FROM encounter) t ON true",
    ),
    (
        "release",
        "SELECT n, COUNT(*) FROM (SELECT deprivation, COUNT(*) AS n FROM patient GROUP BY deprivation) t GROUP BY n",
    ),
    (
        "release",
        "SELECT DISTINCT COUNT(*) FROM patient GROUP BY deprivation",
    ),
    (
        "release",
        "SELECT a.d FROM (SELECT deprivation AS d, COUNT(*) AS n FROM patient GROUP BY 1) a JOIN (SELECT deprivation AS d, COUNT(*) AS n FROM patient GROUP BY 1) b ON a.n = b.n",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient WHERE deprivation > (SELECT COUNT(*) FROM encounter)",
    ),
    (
        "release",
        "SELECT sex, person_id, COUNT(*) FROM patient GROUP BY ROLLUP (sex, person_id)",
    ),
    (
        "keys",
        "SELECT sex, state, COUNT(*) FROM patient GROUP BY CUBE (sex, state, race, marital_status, birth_date, deprivation)",
    ),
    (
        "release",
        "SELECT sex, person_id, COUNT(*) FROM patient GROUP BY GROUPING SETS ((sex), (person_id))",
    ),
    (
        "keys",
        "SELECT state, race, marital_status, age_band(birth_date, DATE '2025-01-01', 1), COUNT(*) FROM patient GROUP BY 1, 2, 3, 4",
    ),
    // Sums without public bounds, and bounds that are none.
    ("bounds", "SELECT SUM(value) FROM observation"),
    (
        "bounds",
        "SELECT AVG(value) FROM observation WHERE code = 'no such code'",
    ),
    (
        "bounds",
        "SELECT AVG(value) FROM observation WHERE code = '4548-4' OR code = '2345-7'",
    ),
    (
        "bounds",
        "SELECT SUM(value % 2) FROM observation WHERE code = '4548-4'",
    ),
    (
        "bounds",
        "SELECT SUM(n) FROM (SELECT person_id, COUNT(*) AS n FROM encounter GROUP BY person_id) t",
    ),
    ("bounds", "SELECT SUM(clamp(value, 10, 0)) FROM observation"),
    ("bounds", "SELECT SUM(clamp(value, 1, 1)) FROM observation"),
    (
        "bounds",
        "SELECT SUM(clamp(value, 0, 1000000000000000000000000)) FROM observation",
    ),
    (
        "bounds",
        "SELECT SUM(clamp(value, -1000000000000000, 1000000000000000)) FROM observation",
    ),
    (
        "bounds",
        "SELECT SUM(clamp(value, NULL, 1)) FROM observation",
    ),
    (
        "any",
        "SELECT SUM(clamp(value, deprivation, 100)) FROM observation o JOIN patient p ON o.person_id = p.person_id",
    ),
    ("any", "SELECT SUM(clamp(value, 0, 'NaN')) FROM observation"),
    (
        "any",
        "SELECT SUM(clamp(CAST(1 AS DECIMAL(60, 2)), 0, 1)) FROM patient WHERE sex = 'made-up'",
    ),
    // Computing with released numbers, placeholders, internal names.
    ("any", "SELECT COUNT(*) FROM patient WHERE deprivation = $1"),
    ("any", "SELECT COUNT(*) FROM patient LIMIT $1"),
    (
        "any",
        "SELECT sex AS \"__salus_cell\", COUNT(*) AS \"__salus_cell\" FROM patient GROUP BY sex",
    ),
    ("any", "SELECT COUNT(*) AS \"__salus_cell\" FROM patient"),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT sex AS \"__salus_unit_1\" FROM patient) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT sex AS \"__salus_key_0\", state AS \"__salus_unit\" FROM patient) t",
    ),
    (
        "any",
        "SELECT COUNT(DISTINCT \"__salus_unit_1\") FROM (SELECT sex FROM patient) t",
    ),
];
