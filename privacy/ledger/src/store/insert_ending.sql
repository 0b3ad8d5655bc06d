INSERT INTO endings (reserve, entry) VALUES (?1, ?2);
