//! What rules S2 to S7 refuse below a release.

use super::Hostile;

pub(super) const QUESTIONS: &[Hostile] = &[
    // Of several arguments none is overlooked.
    (
        "any",
        "SELECT COUNT(CASE WHEN deprivation > 0 THEN person_id END, death_date) FROM patient",
    ),
    (
        "any",
        "SELECT COUNT(DISTINCT CASE WHEN deprivation > 0 THEN person_id END, sex) FROM patient",
    ),
    ("any", "SELECT COUNT(person_id, sex) FROM patient"),
    // Values that are made of others, whose equality is not that of their bytes.
    (
        "S1",
        "SELECT COUNT(*) FROM patient WHERE CAST(sex AS VARCHAR[]) = CAST('male' AS VARCHAR[])",
    ),
    (
        "S1",
        "SELECT k, COUNT(*) FROM (SELECT CASE WHEN deceased THEN CAST(CAST('-0' AS DOUBLE) AS DOUBLE[]) ELSE CAST(CAST('0' AS DOUBLE) AS DOUBLE[]) END AS k FROM patient) t GROUP BY k",
    ),
    (
        "keys",
        "SELECT k, COUNT(*) FROM (SELECT CASE WHEN deceased THEN CAST('-0' AS DOUBLE) ELSE CAST('0' AS DOUBLE) END AS k FROM patient) t GROUP BY k",
    ),
    // A date that is compared with arithmetic.
    (
        "S1",
        "SELECT COUNT(*) FROM encounter WHERE start_date >= 2024-07-01",
    ),
    ("S1", "SELECT COUNT(*) FROM patient WHERE birth_date < 65"),
    (
        "S1",
        "SELECT COUNT(*) FROM patient WHERE birth_date BETWEEN 1950 AND 1960",
    ),
    // Subqueries that a join would answer otherwise.
    (
        "S2",
        "SELECT COUNT(*) FILTER (WHERE e.class NOT IN (SELECT x FROM (VALUES ('AMB'), (NULL)) v(x))) FROM encounter e",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM encounter e WHERE e.length_minutes > 5 OR e.class IN (SELECT c.class FROM encounter c WHERE c.person_id = e.person_id)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient p WHERE EXISTS (SELECT COUNT(*) FROM condition c WHERE c.person_id = p.person_id)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FILTER (WHERE EXISTS (SELECT COUNT(*) FROM condition c WHERE c.person_id = p.person_id HAVING COUNT(*) = 0)) FROM patient p",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient p WHERE EXISTS (SELECT 1 FROM condition c WHERE c.person_id = p.person_id OFFSET 3)",
    ),
    // More keys than anybody needs.
    (
        "keys",
        "SELECT COUNT(*) FROM patient GROUP BY death_date, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'aa', 'ab', 'ac', 'ad', 'ae', 'af'",
    ),
    // S2: joins that do not bind the person.
    ("S2", "SELECT COUNT(*) FROM patient, encounter"),
    ("S2", "SELECT COUNT(*) FROM patient CROSS JOIN encounter"),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a JOIN patient b ON a.birth_date = b.birth_date",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id = b.id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM encounter a JOIN encounter b ON a.id = b.id",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id + 1 = b.person_id",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON CAST(a.person_id AS VARCHAR) = CAST(b.person_id AS VARCHAR)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id = b.person_id OR a.sex = 'male'",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id <> b.person_id",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id >= b.person_id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a JOIN encounter b ON a.person_id IS NOT DISTINCT FROM b.person_id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a FULL JOIN encounter b ON a.person_id = b.person_id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient FULL JOIN encounter USING (person_id)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a RIGHT SEMI JOIN encounter b ON a.person_id = b.person_id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient a RIGHT ANTI JOIN encounter b ON a.person_id = b.person_id",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM (patient a LEFT JOIN encounter b ON a.person_id = b.person_id) JOIN condition c ON b.person_id = c.person_id",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT b.person_id AS pid FROM patient a LEFT JOIN encounter b ON a.person_id = b.person_id) t GROUP BY pid",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient WHERE EXISTS (SELECT 1 FROM condition WHERE code = '44054006')",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM condition WHERE code IN (SELECT code FROM condition)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM condition WHERE encounter_id NOT IN (SELECT encounter_id FROM procedure)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM condition WHERE code NOT IN (SELECT code FROM measurement WHERE code <> 'x')",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM condition c WHERE code NOT IN (SELECT value_code FROM observation o WHERE o.person_id = c.person_id)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p WHERE NOT EXISTS (SELECT 1 FROM encounter e WHERE e.person_id > p.person_id)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p WHERE EXISTS (SELECT 1 FROM encounter e WHERE e.id = p.person_id)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p, LATERAL (SELECT * FROM encounter e WHERE e.id = p.person_id LIMIT 1) l",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p, LATERAL (SELECT MAX(q.birth_date) AS d FROM patient q WHERE q.sex = p.sex) l WHERE l.d > p.birth_date",
    ),
    // Values computed over everybody.
    (
        "S4",
        "SELECT COUNT(*) FROM patient WHERE deprivation > (SELECT AVG(deprivation) FROM patient)",
    ),
    (
        "S2",
        "SELECT COUNT(*) FROM patient WHERE deprivation >= ALL (SELECT deprivation FROM patient)",
    ),
    (
        "any",
        "SELECT COUNT(*), (SELECT COUNT(*) FROM encounter) FROM patient",
    ),
    (
        "any",
        "SELECT a FROM (SELECT sex AS a, (SELECT COUNT(*) FROM patient) AS b FROM patient GROUP BY sex) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient, (VALUES ((SELECT COUNT(*) FROM encounter))) v(n) WHERE deprivation < n",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient LIMIT (SELECT COUNT(*) FROM encounter)",
    ),
    // S3: public rows without a person behind them.
    (
        "S3",
        "SELECT COUNT(*) FROM measurement m LEFT JOIN observation o ON m.code = o.code",
    ),
    (
        "S3",
        "SELECT COUNT(*) FROM observation o RIGHT JOIN measurement m ON m.code = o.code",
    ),
    (
        "S3",
        "SELECT COUNT(*) FROM observation o FULL JOIN measurement m ON m.code = o.code",
    ),
    (
        "S3",
        "SELECT COUNT(*) FROM measurement m WHERE EXISTS (SELECT 1 FROM observation o WHERE o.code = m.code)",
    ),
    (
        "S3",
        "SELECT COUNT(*) FROM measurement m WHERE NOT EXISTS (SELECT 1 FROM observation o WHERE o.code = m.code)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p CROSS JOIN (SELECT a.x FROM (VALUES (1)) a(x) FULL JOIN (VALUES (2)) b(y) ON a.x = b.y) v",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient p CROSS JOIN ((VALUES (1)) a(x) RIGHT ANTI JOIN (VALUES (2), (3)) b(y) ON a.x = b.y)",
    ),
    // S4: aggregates below the release are per person, and exact.
    (
        "S4",
        "SELECT COUNT(*) FROM patient p JOIN (SELECT MAX(deprivation) AS m FROM patient) t ON p.deprivation = t.m",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, SUM(CAST(value AS DOUBLE)) AS s FROM observation GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, AVG(length_minutes) AS s FROM encounter GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, MAX(sqrt(value)) AS s FROM observation GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, stddev(value) AS s FROM observation GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, first_value(value) AS s FROM observation GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, first_value(value ORDER BY effective_date) AS s FROM observation GROUP BY person_id) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT person_id, array_agg(code) AS s FROM condition GROUP BY person_id) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, sex, COUNT(*) AS n FROM patient GROUP BY GROUPING SETS ((person_id, sex), (sex))) t",
    ),
    (
        "S4",
        "SELECT COUNT(*) FROM (SELECT person_id, COUNT(*) AS n FROM patient GROUP BY ROLLUP (person_id)) t",
    ),
    // S5, S6, S7: windows, unions, DISTINCT, LIMIT below.
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT row_number() OVER (ORDER BY birth_date) AS r FROM patient) t WHERE r < 10",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT person_id FROM patient INTERSECT SELECT person_id FROM encounter) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT person_id FROM patient EXCEPT SELECT person_id FROM encounter) t",
    ),
    (
        "S6",
        "SELECT COUNT(*) FROM (SELECT DISTINCT sex FROM patient) t",
    ),
    (
        "S6",
        "SELECT COUNT(*) FROM (SELECT DISTINCT code, clinical_status FROM condition) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT DISTINCT ON (sex) person_id, sex FROM patient ORDER BY sex, birth_date) t",
    ),
    (
        "S7",
        "SELECT COUNT(*) FROM (SELECT * FROM patient LIMIT 10) t",
    ),
    (
        "S7",
        "SELECT COUNT(*) FROM (SELECT * FROM patient ORDER BY birth_date LIMIT 1) t WHERE sex = 'male'",
    ),
    (
        "S7",
        "SELECT COUNT(*) FROM (SELECT * FROM patient OFFSET 10) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT * FROM patient FETCH FIRST 1 ROWS ONLY) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient TABLESAMPLE BERNOULLI (50)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient WHERE person_id IN (SELECT person_id FROM encounter ORDER BY start_date LIMIT 1)",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM patient, UNNEST(make_array(1, 2, 3)) u",
    ),
    // Unions that do not keep persons apart, or show them.
    (
        "S6",
        "SELECT COUNT(*) FROM (SELECT person_id FROM patient UNION ALL SELECT id FROM encounter) t",
    ),
    (
        "any",
        "SELECT COUNT(*) FROM (SELECT person_id FROM patient UNION ALL SELECT 1) t",
    ),
    (
        "S6",
        "SELECT COUNT(*) FROM (SELECT sex FROM patient UNION SELECT class FROM encounter) t",
    ),
    (
        "S6",
        "SELECT COUNT(*) FROM (SELECT sex FROM patient EXCEPT SELECT class FROM encounter) t",
    ),
    // Windows across persons, in an order of chance, over floats.
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT person_id, rank() OVER (ORDER BY start_date) AS r FROM encounter) t WHERE r = 1",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT person_id, lag(class) OVER (PARTITION BY class ORDER BY start_date) AS r FROM encounter) t WHERE r = 'IMP'",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT person_id, SUM(CAST(value AS DOUBLE)) OVER (PARTITION BY person_id) AS s FROM observation) t WHERE s > 10",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT person_id, lag(value, CAST(value AS INT)) OVER (PARTITION BY person_id ORDER BY effective_date) AS s FROM observation) t WHERE s > 10",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT person_id, cume_dist() OVER (PARTITION BY person_id ORDER BY effective_date) AS s FROM observation) t WHERE s > 0.5",
    ),
    // Frames that some person's rows would make fail.
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT bool_and(class = 'IMP') OVER (PARTITION BY person_id ORDER BY start_date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b FROM encounter WHERE class = 'X') t WHERE b",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT last_value(class) OVER (PARTITION BY person_id ORDER BY start_date ROWS BETWEEN 1 PRECEDING AND 3 PRECEDING) AS c FROM encounter) t WHERE c = 'IMP'",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT COUNT(*) OVER (PARTITION BY person_id ORDER BY start_date ROWS BETWEEN CURRENT ROW AND 18446744073709551615 FOLLOWING) AS c FROM encounter) t WHERE c > 1",
    ),
    (
        "S5",
        "SELECT COUNT(*) FROM (SELECT SUM(length_minutes) OVER (PARTITION BY person_id ORDER BY length_minutes RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) AS c FROM encounter) t WHERE c > 1",
    ),
];
