SELECT c.size, c.note, s.lines
FROM checkpoints AS c LEFT JOIN cosignatures AS s ON s.size = c.size
ORDER BY c.size DESC
LIMIT 1;
