//! Relations. Every one has the same five columns, so that any can stand where any other does: `person_id`, a text `k`, a number `n`, a date `d` and a
//! boolean `b`.

use super::{CASE, Grammar, PREDICATES};

const PATIENT: &str =
    "SELECT person_id, sex AS k, deprivation AS n, birth_date AS d, deceased AS b FROM patient";

const EVENTS: &[&str] = &[
    "SELECT person_id, class AS k, length_minutes AS n, start_date AS d, length_minutes > 60 AS b FROM encounter",
    "SELECT person_id, code AS k, id % 7 AS n, onset_date AS d, clinical_status = 'active' AS b FROM condition",
    "SELECT person_id, code AS k, value AS n, effective_date AS d, unit IS NULL AS b FROM observation",
];

type Form<'d> = fn(&mut Grammar<'d>, u64) -> String;

impl<'d> Grammar<'d> {
    /// Each makes a relation of others that are less deep by one.
    const FORMS: [(&'static str, Form<'d>); 19] = [
        ("where", Self::filtered),
        ("join", Self::join),
        ("join", Self::join),
        ("outer join", Self::outer_join),
        ("outer join", Self::person_beside_events),
        ("rename", Self::renamed),
        ("per person", Self::per_person),
        ("two levels", Self::two_levels),
        ("window", Self::window),
        ("window", Self::window),
        ("qualify", Self::qualify),
        ("union", Self::union),
        ("distinct", Self::distinct),
        ("values", Self::values),
        ("measurement", Self::measurement),
        ("in", Self::set_of_persons),
        ("exists", Self::exists),
        ("lateral", Self::lateral),
        ("case", Self::case),
    ];

    pub(super) fn relation(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.table();
        }
        let (name, form) = self.of(&Self::FORMS);
        self.has(name);
        form(self, depth - 1)
    }

    /// Rows in which what a person has once stands beside what she has often: where a fact about the one is taken for the other, keys show it.
    pub(super) fn half_a_persons(&mut self) -> String {
        if self.one_in(2) {
            self.has("rename");
            self.renamed(0)
        } else {
            self.has("outer join");
            self.person_beside_events(0)
        }
    }

    fn table(&mut self) -> String {
        let table = if self.one_in(4) {
            PATIENT
        } else {
            self.dice.pick(EVENTS)
        };
        table.to_owned()
    }

    fn filtered(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let filter = self.dice.pick(PREDICATES);
        format!("SELECT * FROM ({rows}) r WHERE {filter}")
    }

    fn union(&mut self, below: u64) -> String {
        let (a, b) = (self.relation(below), self.relation(below));
        let all = if self.one_in(3) { "" } else { " ALL" };
        let n = "CAST(n AS DECIMAL(18, 3))";
        format!(
            "SELECT person_id, k, {n} AS n, d, b FROM ({a}) a UNION{all} SELECT person_id, k, {n}, d, b FROM ({b}) b"
        )
    }

    fn distinct(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        format!("SELECT DISTINCT person_id, k, n, d, b FROM ({rows}) r")
    }

    /// A list that the analyst wrote out.
    fn values(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let (side, on) = self.of(&[
            ("JOIN", " ON r.k = v.c"),
            ("LEFT JOIN", " ON r.k = v.c"),
            ("CROSS JOIN", ""),
        ]);
        format!(
            "SELECT r.person_id, v.c AS k, r.n, r.d, r.b FROM ({rows}) r {side} (VALUES ('AMB'), ('female'), ('AMB')) v(c){on}"
        )
    }

    /// The public table of clinical limits.
    fn measurement(&mut self, below: u64) -> String {
        let rows = if self.one_in(2) {
            EVENTS[2].to_owned()
        } else {
            self.relation(below)
        };
        let side = self.dice.pick(&["JOIN", "LEFT JOIN"]);
        let k = self.dice.pick(&["m.name", "r.k", "m.unit"]);
        let b = self.dice.pick(&["r.b", "m.unit = '%'", "m.code IS NULL"]);
        format!(
            "SELECT r.person_id, {k} AS k, r.n, r.d, {b} AS b FROM ({rows}) r {side} measurement m ON m.code = r.k"
        )
    }

    fn set_of_persons(&mut self, below: u64) -> String {
        let (a, b) = (self.relation(below), self.relation(0));
        let not = if self.one_in(2) {
            self.has("not in");
            "NOT "
        } else {
            ""
        };
        format!(
            "SELECT * FROM ({a}) r WHERE person_id {not}IN (SELECT person_id FROM ({b}) x WHERE x.b)"
        )
    }

    fn exists(&mut self, below: u64) -> String {
        let (a, b) = (self.relation(below), self.relation(0));
        let also = self
            .dice
            .pick(&["", " AND x.d > r.d", " AND x.b", " AND x.n = r.n"]);
        match self.dice.below(3) {
            0 => format!(
                "SELECT * FROM ({a}) r WHERE EXISTS (SELECT 1 FROM ({b}) x WHERE x.person_id = r.person_id{also})"
            ),
            1 => {
                self.has("not exists");
                format!(
                    "SELECT * FROM ({a}) r WHERE NOT EXISTS (SELECT 1 FROM ({b}) x WHERE x.person_id = r.person_id{also})"
                )
            }
            _ => format!(
                "SELECT * FROM ({a}) r WHERE n < 10 * (SELECT COUNT(*) FROM ({b}) x WHERE x.person_id = r.person_id)"
            ),
        }
    }

    /// The first rows of a person, or how many she has, beside each of her rows.
    fn lateral(&mut self, below: u64) -> String {
        let (a, b) = (self.relation(below), self.relation(0));
        let inner = self.dice.pick(&[
            "SELECT x.n AS y FROM ({}) x WHERE x.person_id = r.person_id ORDER BY x.d DESC LIMIT 1",
            "SELECT x.n AS y FROM ({}) x WHERE x.person_id = r.person_id AND x.b ORDER BY x.k LIMIT 2",
            "SELECT COUNT(*) AS y FROM ({}) x WHERE x.person_id = r.person_id",
            "SELECT MAX(x.n) AS y FROM ({}) x WHERE x.person_id = r.person_id",
        ]);
        let inner = inner.replace("{}", &b);
        format!(
            "SELECT r.person_id, r.k, l.y AS n, r.d, r.b FROM ({a}) r CROSS JOIN LATERAL ({inner}) l"
        )
    }

    fn case(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        format!("SELECT person_id, {CASE} AS k, n * 2 AS n, d, n IS NULL AS b FROM ({rows}) r")
    }

    /// What is one value per person, and something else under its name.
    fn renamed(&mut self, below: u64) -> String {
        let rows = if self.one_in(2) {
            self.relation(0)
        } else {
            self.relation(below)
        };
        let joined = format!(
            "SELECT p.person_id, p.sex AS k, p.deprivation AS n, p.birth_date AS d, p.deceased AS b, r.k AS u, r.n AS v, r.d AS w, r.b AS x FROM patient p JOIN ({rows}) r ON r.person_id = p.person_id"
        );
        let shown = self.dice.pick(&[
            "u AS k, n, d, x AS b",
            "u AS k, v AS n, w AS d, x AS b",
            "k, v AS n, w AS d, x AS b",
        ]);
        format!("SELECT person_id, {shown} FROM ({joined}) s")
    }

    fn join(&mut self, below: u64) -> String {
        let (left, right) = (self.relation(below), self.relation(below));
        self.joining("JOIN", &left, &right)
    }

    fn outer_join(&mut self, below: u64) -> String {
        let (left, right) = (self.relation(below), self.relation(below));
        let kind = self.dice.pick(&["LEFT JOIN", "RIGHT JOIN"]);
        self.joining(kind, &left, &right)
    }

    /// What is one value per person, where some of her rows find it and others do not.
    fn person_beside_events(&mut self, below: u64) -> String {
        let events = if self.one_in(2) {
            self.dice.pick(EVENTS).to_owned()
        } else {
            self.relation(below)
        };
        let on = self.dice.pick(&[
            "a.k = 'AMB'",
            "a.k = '44054006'",
            "a.n > 50",
            "a.d > DATE '2020-01-15'",
            "a.b",
        ]);
        let n = self.dice.pick(&["a.n", "b.n"]);
        format!(
            "SELECT a.person_id, b.k, {n}, a.d, b.b FROM ({events}) a LEFT JOIN ({PATIENT}) b ON a.person_id = b.person_id AND {on}"
        )
    }

    fn joining(&mut self, kind: &str, left: &str, right: &str) -> String {
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
        self.aggregated(&rows)
    }

    /// What is aggregated by person and another key, aggregated by person.
    fn two_levels(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        format!(
            "SELECT person_id, MIN(k) AS k, MAX(n) AS n, MAX(d) AS d, bool_or(b) AS b FROM (SELECT person_id, k, d, bool_and(b) AS b, COUNT(*) AS n FROM ({rows}) r GROUP BY person_id, k, d) s GROUP BY person_id"
        )
    }

    fn aggregated(&mut self, rows: &str) -> String {
        let n = self.dice.pick(&[
            "COUNT(*)",
            "SUM(n)",
            "MAX(n)",
            "AVG(CAST(n AS DECIMAL(12, 2)))",
            "COUNT(DISTINCT d)",
        ]);
        let (k, keys) = self.of(&[("k", "person_id, k"), ("MIN(k)", "person_id")]);
        let having = self
            .dice
            .pick(&["", " HAVING COUNT(*) > 1", " HAVING MAX(n) > 20"]);
        format!(
            "SELECT person_id, {k} AS k, {n} AS n, MAX(d) AS d, bool_or(b) AS b FROM ({rows}) r GROUP BY {keys}{having}"
        )
    }

    /// A function over a person's rows in some order.
    fn over(&mut self) -> String {
        let by = self.dice.pick(&["person_id", "person_id, k"]);
        let order = self.dice.pick(&["d", "n DESC", "k", "b, d DESC"]);
        let frame = self.dice.pick(&[
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING",
        ]);
        let (form, function, framed) = self.of(&[
            ("row_number", "row_number()", false),
            ("rank", "rank()", false),
            ("lag", "lag(n)", false),
            ("lead", "lead(n)", false),
            ("ntile", "ntile(2)", false),
            ("first_value", "first_value(n)", true),
            ("last_value", "last_value(n)", true),
            ("running", "SUM(n)", true),
            ("running", "COUNT(*)", true),
            ("over the person", "MAX(n)", true),
        ]);
        self.has(form);
        let frame = if framed { frame } else { "" };
        format!("{function} OVER (PARTITION BY {by} ORDER BY {order}{frame})")
    }

    fn window(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let over = self.over();
        let kept = self
            .dice
            .pick(&["", " WHERE w = 1", " WHERE w > 2 OR w IS NULL"]);
        format!(
            "SELECT person_id, k, w AS n, d, b FROM (SELECT person_id, k, d, b, {over} AS w FROM ({rows}) r) s{kept}"
        )
    }

    fn qualify(&mut self, below: u64) -> String {
        let rows = self.relation(below);
        let order = self.dice.pick(&["d DESC", "n", "k, d"]);
        let most = self.dice.pick(&["= 1", "<= 2"]);
        format!(
            "SELECT person_id, k, n, d, b FROM ({rows}) r QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY {order}) {most}"
        )
    }
}
