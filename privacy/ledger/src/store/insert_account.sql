INSERT INTO accounts (scope, cap_rho, cap_delta, spent_rho, spent_delta, incident) VALUES ($1, $2, $3, $4, $5, $6);
