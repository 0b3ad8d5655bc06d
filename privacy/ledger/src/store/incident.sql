UPDATE accounts SET spent_rho = $2, spent_delta = $3, incident = 1 WHERE scope = $1;
