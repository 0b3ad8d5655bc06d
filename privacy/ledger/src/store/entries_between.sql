SELECT e.idx, e.kind, e.bytes, n.hash
FROM entries AS e LEFT JOIN nodes AS n ON n.level = 0 AND n.position = e.idx
WHERE e.idx >= $1 AND e.idx < $2
ORDER BY e.idx;
