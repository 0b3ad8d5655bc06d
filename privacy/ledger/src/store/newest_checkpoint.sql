SELECT c.size, CASE WHEN s.lines IS NULL THEN c.note ELSE CAST(CAST(c.note AS TEXT) || s.lines AS BLOB) END
FROM checkpoints AS c LEFT JOIN cosignatures AS s ON s.size = c.size
ORDER BY c.size DESC
LIMIT 1;
