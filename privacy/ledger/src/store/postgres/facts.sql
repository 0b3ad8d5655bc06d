-- What the schema consists of, in words that do not change from one version of PostgreSQL to the next: names, types, constraints, and
-- triggers as numbers. Compared with `facts.txt` when a ledger is opened.
WITH here AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
SELECT concat_ws(' ', 'relation', c.relname, c.relkind, c.relpersistence, c.relhasrules, c.relrowsecurity, c.relispartition)
FROM pg_class AS c, here WHERE c.relnamespace = here.oid
UNION ALL
SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, o.collname,
    pg_get_expr(d.adbin, d.adrelid))
FROM here
JOIN pg_class AS c ON c.relnamespace = here.oid AND c.relkind <> 'i'
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation AS o ON o.oid = a.attcollation
UNION ALL
-- What must not be NULL stands with the columns: later versions also list it here.
SELECT concat_ws(' ', 'constraint', c.relname, k.conname, k.convalidated, k.condeferrable, pg_get_constraintdef(k.oid))
FROM here
JOIN pg_constraint AS k ON k.connamespace = here.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')
LEFT JOIN pg_class AS c ON c.oid = k.conrelid
UNION ALL
SELECT concat_ws(' ', 'index', c.relname, i.indisunique, i.indisvalid, i.indkey::text)
FROM here
JOIN pg_class AS c ON c.relnamespace = here.oid
JOIN pg_index AS i ON i.indexrelid = c.oid
UNION ALL
-- Those of foreign keys are the database's own, under names that it makes up.
SELECT concat_ws(' ', 'trigger', c.relname, t.tgname, p.proname, t.tgtype, t.tgenabled, t.tgnewtable, t.tgqual IS NULL)
FROM here
JOIN pg_class AS c ON c.relnamespace = here.oid
JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
JOIN pg_proc AS p ON p.oid = t.tgfoid
UNION ALL
SELECT concat_ws(' ', 'foreign key', c.relname, p.proname, t.tgenabled, count(*))
FROM here
JOIN pg_class AS c ON c.relnamespace = here.oid
JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgisinternal
JOIN pg_proc AS p ON p.oid = t.tgfoid
GROUP BY c.relname, p.proname, t.tgenabled
UNION ALL
SELECT concat_ws(' ', 'function', p.proname, p.prokind, p.prosecdef, p.provolatile,
    -- With or without blanks and quotes: a dump writes them.
    translate(array_to_string(p.proconfig, ';'), ' "', '') = 'search_path=' || current_schema() || ',pg_temp',
    encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'))
FROM pg_proc AS p, here WHERE p.pronamespace = here.oid
UNION ALL
SELECT concat_ws(' ', 'inherits', c.relname)
FROM here
JOIN pg_class AS c ON c.relnamespace = here.oid
JOIN pg_inherits AS i ON i.inhparent = c.oid
UNION ALL
SELECT concat_ws(' ', 'format', format) FROM sequencer
