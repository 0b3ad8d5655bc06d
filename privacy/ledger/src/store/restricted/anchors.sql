SELECT e.idx, o.salt, o.content
FROM entries AS e LEFT JOIN openings AS o ON o.entry = e.idx AND o.name = 'checkpoint'
WHERE e.kind = 'anchor'
ORDER BY e.idx;
