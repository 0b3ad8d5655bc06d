UPDATE quotas SET spent_rho = $2, spent_delta = $3 WHERE scope = $1;
