INSERT INTO restricted_openings (entry, name, salt, content) VALUES ($1, $2, $3, $4);
