SELECT salt, content FROM restricted_openings WHERE entry = $1 AND name = $2;
