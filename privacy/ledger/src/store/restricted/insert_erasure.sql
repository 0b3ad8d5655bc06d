INSERT INTO restricted_erasures (entry, time)
SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM restricted_openings WHERE entry = $1)
AND NOT EXISTS (SELECT 1 FROM restricted_erasures WHERE entry = $1);
