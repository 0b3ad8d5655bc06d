INSERT INTO plans (fingerprint, reserve) VALUES (?1, ?2);
