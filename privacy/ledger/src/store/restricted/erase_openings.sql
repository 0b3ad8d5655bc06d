DELETE FROM restricted_openings WHERE entry = $1;
