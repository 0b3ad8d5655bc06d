SELECT level, position, hash FROM restricted_nodes ORDER BY level, position;
