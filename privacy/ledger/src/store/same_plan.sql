SELECT plans.reserve, endings.entry
FROM plans
JOIN endings ON endings.reserve = plans.reserve
JOIN entries ON entries.idx = endings.entry AND entries.kind = 'release'
WHERE plans.fingerprint = $1
ORDER BY plans.reserve DESC
LIMIT 100;
