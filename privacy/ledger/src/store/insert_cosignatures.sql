INSERT OR IGNORE INTO cosignatures (size, lines) VALUES (?1, ?2);
