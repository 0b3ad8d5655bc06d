INSERT INTO restricted_checkpoints (size, note) VALUES ($1, $2);
