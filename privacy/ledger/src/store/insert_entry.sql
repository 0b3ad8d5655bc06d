INSERT INTO entries (idx, kind, bytes) VALUES (?1, ?2, ?3);
