//! Random questions over the whole surface. Every relation has the same five columns, so that any can stand where any other does.

use super::support::Dice;

/// Writes a question.
pub(super) struct Grammar<'d> {
    dice: &'d mut Dice,
}

/// `person_id`, a text `k`, a number `n`, a date `d`, a boolean `b`.
const TABLES: &[&str] = &[
    "SELECT person_id, sex AS k, deprivation AS n, birth_date AS d, deceased AS b FROM patient",
    "SELECT person_id, class AS k, length_minutes AS n, start_date AS d, length_minutes > 60 AS b FROM encounter",
    "SELECT person_id, code AS k, id % 7 AS n, onset_date AS d, clinical_status = 'active' AS b FROM condition",
    "SELECT person_id, code AS k, value AS n, effective_date AS d, unit IS NULL AS b FROM observation",
];

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

/// Keys, most of them with a public domain, `k` and `d` mostly without.
const KEYS: &[&str] = &[
    "k",
    "b",
    "d",
    CASE,
    "date_part('month', d)",
    "width_bucket(n, 0, 120, 3)",
    "n > 60",
    "age_band(d, DATE '2025-01-01', 30)",
    "COALESCE(CASE WHEN k = 'AMB' THEN 'a' END, 'z')",
    "clamp(date_part('quarter', d), 2, 3)",
];

const RELEASES: &[&str] = &[
    "COUNT(*)",
    "COUNT(DISTINCT person_id)",
    "COUNT(n)",
    "COUNT(DISTINCT k)",
    "COUNT(DISTINCT d)",
    "SUM(clamp(n, -20, 90))",
    "AVG(clamp(n, 10, 70))",
    "STDDEV(clamp(n, 0, 120))",
    "MEDIAN(clamp(n, 0, 300))",
    "MAX(clamp(n, 0.5, 40))",
    "approx_percentile_cont(clamp(n, 0, 3000), 0.9)",
    "SUM(CASE WHEN b THEN 2 WHEN n > 10 THEN -3 ELSE 0 END)",
];

impl<'d> Grammar<'d> {
    pub(super) fn new(dice: &'d mut Dice) -> Self {
        Self { dice }
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.dice.below(n) == 0
    }

    pub(super) fn question(&mut self) -> String {
        let depth = self.dice.below(4);
        let rows = self.relation(depth);
        let keys: Vec<&str> = (0..self.dice.below(3))
            .map(|_| self.dice.pick(KEYS))
            .collect();
        let mut shown: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        for _ in 0..=self.dice.below(3) {
            let release = self.dice.pick(RELEASES);
            shown.push(if self.one_in(4) {
                format!("{release} FILTER (WHERE {})", self.dice.pick(PREDICATES))
            } else {
                release.to_owned()
            });
        }
        let named = shown
            .iter()
            .enumerate()
            .map(|(i, expr)| format!("{expr} AS c{i}"));
        let named: Vec<String> = named.collect();
        let filter = if self.one_in(3) {
            format!(" WHERE {}", self.dice.pick(PREDICATES))
        } else {
            String::new()
        };
        let places: Vec<String> = (1..=keys.len()).map(|i| i.to_string()).collect();
        let grouping = if keys.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", places.join(", "))
        };
        format!(
            "SELECT {} FROM ({rows}) t{filter}{grouping}",
            named.join(", ")
        )
    }

    fn relation(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.dice.pick(TABLES).to_owned();
        }
        let below = depth - 1;
        match self.dice.below(12) {
            0 => {
                let rows = self.relation(below);
                format!(
                    "SELECT * FROM ({rows}) r WHERE {}",
                    self.dice.pick(PREDICATES)
                )
            }
            1 | 2 => self.join(below),
            3 => self.per_person(below),
            4 | 5 => self.window(below),
            6 => {
                let (a, b) = (self.relation(below), self.relation(below));
                let all = if self.one_in(3) { "" } else { " ALL" };
                format!(
                    "SELECT person_id, k, CAST(n AS DECIMAL(18, 3)) AS n, d, b FROM ({a}) a UNION{all} SELECT person_id, k, CAST(n AS DECIMAL(18, 3)), d, b FROM ({b}) b"
                )
            }
            7 => {
                let rows = self.relation(below);
                format!("SELECT DISTINCT person_id, k, n, d, b FROM ({rows}) r")
            }
            8 => {
                let rows = self.relation(below);
                let side = self.dice.pick(&["JOIN", "LEFT JOIN", "CROSS JOIN"]);
                let on = if side == "CROSS JOIN" {
                    ""
                } else {
                    " ON r.k = v.c"
                };
                format!(
                    "SELECT r.person_id, v.c AS k, r.n, r.d, r.b FROM ({rows}) r {side} (VALUES ('AMB'), ('female'), ('AMB')) v(c){on}"
                )
            }
            9 => {
                let (a, b) = (self.relation(below), self.relation(0));
                match self.dice.below(3) {
                    0 => format!(
                        "SELECT * FROM ({a}) r WHERE person_id IN (SELECT person_id FROM ({b}) x WHERE x.b)"
                    ),
                    1 => format!(
                        "SELECT * FROM ({a}) r WHERE NOT EXISTS (SELECT 1 FROM ({b}) x WHERE x.person_id = r.person_id AND x.d > r.d)"
                    ),
                    _ => format!(
                        "SELECT * FROM ({a}) r WHERE n < 10 * (SELECT COUNT(*) FROM ({b}) x WHERE x.person_id = r.person_id)"
                    ),
                }
            }
            10 => {
                let rows = self.relation(below);
                format!(
                    "SELECT person_id, {CASE} AS k, n * 2 AS n, d, n IS NULL AS b FROM ({rows}) r"
                )
            }
            _ => self.relation(below),
        }
    }

    fn join(&mut self, below: u64) -> String {
        let (left, right) = (self.relation(below), self.relation(below));
        let kind = self
            .dice
            .pick(&["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN"]);
        let also = self.dice.pick(&[
            "",
            " AND a.d < b.d",
            " AND a.k = b.k",
            " AND a.n > b.n",
            " AND b.b",
        ]);
        let unit = if kind == "RIGHT JOIN" { "b" } else { "a" };
        let mut side = || self.dice.pick(&["a", "b"]);
        let (k, n, d) = (side(), side(), side());
        let flag = self.dice.pick(&["a.b", "b.b", "b.person_id IS NULL AS b"]);
        format!(
            "SELECT {unit}.person_id, {k}.k, {n}.n, {d}.d, {flag} FROM ({left}) a {kind} ({right}) b ON a.person_id = b.person_id{also}"
        )
    }

    fn per_person(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let n = self.dice.pick(&[
            "COUNT(*)",
            "SUM(n)",
            "MAX(n)",
            "AVG(CAST(n AS DECIMAL(12, 2)))",
            "COUNT(DISTINCT d)",
        ]);
        let (k, keys) = if self.one_in(2) {
            ("k", "person_id, k")
        } else {
            ("MIN(k)", "person_id")
        };
        let having = self
            .dice
            .pick(&["", " HAVING COUNT(*) > 1", " HAVING MAX(n) > 20"]);
        format!(
            "SELECT person_id, {k} AS k, {n} AS n, MAX(d) AS d, bool_or(b) AS b FROM ({rows}) r GROUP BY {keys}{having}"
        )
    }

    fn window(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let by = self.dice.pick(&["person_id", "person_id, k"]);
        let order = self.dice.pick(&["d", "n DESC", "k", "b, d DESC"]);
        let frame = self.dice.pick(&[
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING",
        ]);
        let over = match self.dice.below(7) {
            0 => format!("row_number() OVER (PARTITION BY {by} ORDER BY {order})"),
            1 => format!("rank() OVER (PARTITION BY {by} ORDER BY {order})"),
            2 => format!("lag(n) OVER (PARTITION BY {by} ORDER BY {order})"),
            3 => format!("first_value(n) OVER (PARTITION BY {by} ORDER BY {order})"),
            4 => format!("SUM(n) OVER (PARTITION BY {by} ORDER BY {order}{frame})"),
            5 => format!("MAX(n) OVER (PARTITION BY {by})"),
            _ => format!("COUNT(*) OVER (PARTITION BY {by} ORDER BY {order}{frame})"),
        };
        let kept = self
            .dice
            .pick(&["", " WHERE w = 1", " WHERE w > 2 OR w IS NULL"]);
        format!(
            "SELECT person_id, k, w AS n, d, b FROM (SELECT person_id, k, d, b, {over} AS w FROM ({rows}) r) s{kept}"
        )
    }
}
