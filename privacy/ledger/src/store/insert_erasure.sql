INSERT INTO erasures (entry, time)
SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM openings WHERE entry = $1)
AND NOT EXISTS (SELECT 1 FROM erasures WHERE entry = $1);
