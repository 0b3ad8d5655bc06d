SELECT e.idx, e.kind, e.bytes, n.hash
FROM entries AS e LEFT JOIN nodes AS n ON n.level = 0 AND n.position = e.idx
WHERE e.kind = $1
ORDER BY e.idx DESC
LIMIT 1;
