INSERT INTO quotas (scope, spent_rho, spent_delta) VALUES ($1, $2, $3);
