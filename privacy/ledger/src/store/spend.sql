UPDATE accounts SET spent_rho = $2, spent_delta = $3
WHERE scope = $1 AND $2 <= cap_rho AND $3 <= cap_delta;
