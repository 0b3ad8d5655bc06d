SELECT salt, content FROM openings WHERE entry = $1 AND name = $2;
