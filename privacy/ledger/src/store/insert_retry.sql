INSERT INTO retries (key, reserve) VALUES ($1, $2);
