SELECT e.bytes, n.hash FROM restricted_entries AS e
LEFT JOIN restricted_nodes AS n ON n.level = 0 AND n.position = e.idx
ORDER BY e.idx;
