INSERT INTO restricted_nodes (level, position, hash) VALUES ($1, $2, $3);
