SELECT level, position, hash FROM nodes ORDER BY level, position;
