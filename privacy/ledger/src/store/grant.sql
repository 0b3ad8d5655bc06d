UPDATE accounts SET cap_rho = $2, cap_delta = $3 WHERE scope = $1;
