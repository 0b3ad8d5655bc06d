INSERT INTO failures (entry) VALUES ($1);
