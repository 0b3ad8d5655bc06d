DELETE FROM openings WHERE entry = $1;
