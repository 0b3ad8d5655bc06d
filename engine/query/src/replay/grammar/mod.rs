//! Random questions over the whole surface: what is released, by which keys, several releases in one statement, and what is computed from them.
//!
//! The relations below the releases are in [`rows`].

mod rows;

use std::collections::BTreeSet;

use super::support::Dice;

/// A question, and which forms it has: so many of each must be admitted, or a form would die unseen.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) forms: BTreeSet<&'static str>,
}

/// Writes a question.
pub(super) struct Grammar<'d> {
    dice: &'d mut Dice,
    forms: BTreeSet<&'static str>,
}

const PREDICATES: &[&str] = &[
    "n > 50",
    "n IS NOT NULL",
    "b",
    "NOT b OR k LIKE '%a%'",
    "k IN ('AMB', 'female', '44054006')",
    "d >= DATE '2019-01-01'",
    "n / 0 IS NULL",
    "CAST(k AS INT) > 3 OR n < 100",
    "date_part('month', d) BETWEEN 2 AND 8",
    "COALESCE(n, 0) * 3 - 7 > 20",
];

const CASE: &str = "CASE WHEN n > 100 THEN 'hi' WHEN b THEN 'mid' ELSE 'lo' END";

/// Days between ends, where buckets of dates are public.
const YEARS: &str = "d BETWEEN DATE '2015-01-01' AND DATE '2021-12-31'";

/// A form, its text, and the condition that it needs.
type Key = (&'static str, &'static str, &'static str);

/// Keys with a public domain.
const PUBLIC: &[Key] = &[
    ("", "b", ""),
    ("case key", CASE, ""),
    ("", "date_part('month', d)", ""),
    ("", "width_bucket(n, 0, 120, 3)", ""),
    ("", "n > 60", ""),
    ("age band", "age_band(d, DATE '2025-01-01', 30)", ""),
    ("", "COALESCE(CASE WHEN k = 'AMB' THEN 'a' END, 'z')", ""),
    ("", "clamp(date_part('quarter', d), 2, 3)", ""),
    ("date_trunc", "date_trunc('year', d)", YEARS),
];

/// Keys mostly without.
const UNKNOWN: &[Key] = &[
    ("unknown key", "k", ""),
    ("unknown key", "d", ""),
    ("date_trunc", "CAST(date_trunc('month', d) AS DATE)", ""),
];

const RELEASES: &[(&str, &str)] = &[
    ("", "COUNT(*)"),
    ("", "COUNT(DISTINCT person_id)"),
    ("", "COUNT(DISTINCT person_id)"),
    ("", "COUNT(DISTINCT person_id)"),
    ("", "COUNT(n)"),
    ("count distinct", "COUNT(DISTINCT k)"),
    ("count distinct", "COUNT(DISTINCT d)"),
    ("sum", "SUM(clamp(n, -20, 90))"),
    ("avg", "AVG(clamp(n, 10, 70))"),
    ("stddev", "STDDEV(clamp(n, 0, 120))"),
    ("var", "VAR(clamp(n, -10, 50))"),
    ("median", "MEDIAN(clamp(n, 0, 300))"),
    ("extreme", "MAX(clamp(n, 0.5, 40))"),
    ("extreme", "MIN(clamp(n, 0, 64))"),
    (
        "percentile",
        "approx_percentile_cont(clamp(n, 0, 3000), 0.9)",
    ),
    (
        "sum",
        "SUM(CASE WHEN b THEN 2 WHEN n > 10 THEN -3 ELSE 0 END)",
    ),
];

/// Numbers that two relations can be compared by.
const COUNTS: &[&str] = &["COUNT(*)", "COUNT(DISTINCT person_id)", "COUNT(n)"];

/// What is written above a release: `{}` is the release, whose last column is `last`.
const ABOVE: &[(&str, &str)] = &[
    ("order by", "SELECT * FROM ({}) q ORDER BY last DESC, 1"),
    (
        "limit",
        "SELECT * FROM ({}) q ORDER BY last LIMIT 3 OFFSET 1",
    ),
    (
        "arithmetic",
        "SELECT round(100.0 * last / 7, 1) AS a, last > 3 AS b FROM ({}) q WHERE last <> 5",
    ),
    (
        "window above",
        "SELECT last, SUM(last) OVER () AS w FROM ({}) q",
    ),
    (
        "aggregate above",
        "SELECT SUM(last), MAX(last), COUNT(*) FROM ({}) q",
    ),
];

impl<'d> Grammar<'d> {
    pub(super) fn new(dice: &'d mut Dice) -> Self {
        Self {
            dice,
            forms: BTreeSet::new(),
        }
    }

    pub(super) fn question(mut self) -> Asked {
        let sql = match self.dice.below(16) {
            0 => self.ratio(),
            1 => self.stacked(),
            2 => self.joined(),
            3 | 4 => self.above(),
            5 => self.over_floats(),
            _ => self.release(&[]),
        };
        Asked {
            sql,
            forms: self.forms,
        }
    }

    fn has(&mut self, form: &'static str) {
        if !form.is_empty() {
            self.forms.insert(form);
        }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.dice.below(n) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.dice.below(all.len() as u64)).unwrap()]
    }

    fn rows(&mut self) -> String {
        if self.one_in(5) {
            return self.half_a_persons();
        }
        let depth = self.of(&[0, 1, 1, 1, 2, 2, 3]);
        self.relation(depth)
    }

    /// One aggregation: up to two keys, up to two aggregates besides `last`, which stand under that name at the end.
    fn release(&mut self, last: &[&str]) -> String {
        let rows = self.rows();
        let mut conditions: Vec<&str> = Vec::new();
        let mut shown: Vec<String> = Vec::new();
        let keys = self.dice.below(3);
        for _ in 0..keys {
            let known = !self.one_in(3);
            let (form, key, needs) = self.of(if known { PUBLIC } else { UNKNOWN });
            self.has(form);
            shown.push(format!("{key} AS c{}", shown.len()));
            conditions.extend((!needs.is_empty()).then_some(needs));
        }
        let more = u64::from(last.is_empty());
        for _ in 0..more + self.dice.below(2) {
            let (form, release) = self.of(RELEASES);
            self.has(form);
            let filter = if self.one_in(4) {
                self.has("filter");
                format!(" FILTER (WHERE {})", self.dice.pick(PREDICATES))
            } else {
                String::new()
            };
            shown.push(format!("{release}{filter} AS c{}", shown.len()));
        }
        shown.extend(last.iter().map(|release| format!("{release} AS last")));
        if self.one_in(3) {
            conditions.push(self.dice.pick(PREDICATES));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let places: Vec<String> = (1..=keys).map(|i| i.to_string()).collect();
        let grouping = if keys == 0 {
            String::new()
        } else {
            format!(" GROUP BY {}", places.join(", "))
        };
        let having = if keys > 0 && self.one_in(6) {
            self.has("having");
            " HAVING COUNT(*) > 2"
        } else {
            ""
        };
        let shown = shown.join(", ");
        format!("SELECT {shown} FROM ({rows}) t{filter}{grouping}{having}")
    }

    /// Numerator and denominator, each of its own rows.
    fn ratio(&mut self) -> String {
        self.has("scalar subqueries");
        let (a, b) = (self.rows(), self.rows());
        let (x, y) = (self.dice.pick(COUNTS), self.dice.pick(COUNTS));
        let filter = self.dice.pick(PREDICATES);
        format!(
            "SELECT 100.0 * (SELECT {x} FROM ({a}) t WHERE {filter}) / (SELECT {y} FROM ({b}) u) AS percent"
        )
    }

    /// Two aggregates, one below the other.
    fn stacked(&mut self) -> String {
        self.has("union of releases");
        let (a, b) = (self.rows(), self.rows());
        let (x, y) = (self.dice.pick(COUNTS), self.dice.pick(COUNTS));
        if self.one_in(2) {
            format!(
                "SELECT 'a' AS what, {x} AS n FROM ({a}) t UNION ALL SELECT 'b', {y} FROM ({b}) u"
            )
        } else {
            format!(
                "SELECT {CASE} AS what, {x} AS n FROM ({a}) t GROUP BY 1 UNION ALL SELECT 'all', {y} FROM ({b}) u"
            )
        }
    }

    /// Two releases that are joined on a public key.
    fn joined(&mut self) -> String {
        self.has("joined releases");
        let (a, b) = (self.rows(), self.rows());
        let (x, y) = (self.dice.pick(COUNTS), self.dice.pick(COUNTS));
        let (form, key, needs) = self.of(PUBLIC);
        self.has(form);
        let needs = if needs.is_empty() {
            String::new()
        } else {
            format!(" WHERE {needs}")
        };
        let side = self.dice.pick(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
        format!(
            "WITH x AS (SELECT {key} AS c, {x} AS n FROM ({a}) t{needs} GROUP BY 1), y AS (SELECT {key} AS c, {y} AS n FROM ({b}) u{needs} GROUP BY 1) SELECT x.c, x.n, y.n AS m, 1.0 * x.n / y.n AS r FROM x {side} y ON x.c = y.c"
        )
    }

    /// Computed from released numbers.
    fn above(&mut self) -> String {
        let last = self.dice.pick(COUNTS);
        let release = self.release(&[last]);
        let (form, above) = self.of(ABOVE);
        self.has(form);
        above.replace("{}", &release)
    }

    /// A person's sum or mean of floats, whose last digits depend on the order of her rows, and branches of a union come in no order. Refused.
    fn over_floats(&mut self) -> String {
        self.has("floats");
        let sum = self.dice.pick(&["SUM", "AVG"]);
        let of = |table: &str, n: &str| {
            format!("SELECT person_id, CAST({n} AS DOUBLE) / 7 AS x FROM {table}")
        };
        let mut branches = vec![
            of("observation", "value"),
            of("encounter", "length_minutes"),
        ];
        branches.extend(self.one_in(2).then(|| of("patient", "deprivation")));
        let digits = self.dice.pick(&["100000000000", "1000000000000"]);
        format!(
            "SELECT SUM(clamp(s * {digits} % 997, -997, 997)) FROM (SELECT person_id, {sum}(x) AS s FROM ({}) t GROUP BY person_id) u",
            branches.join(" UNION ALL ")
        )
    }
}
