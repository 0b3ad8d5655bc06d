INSERT INTO restricted_entries (idx, kind, bytes) VALUES ($1, $2, $3);
