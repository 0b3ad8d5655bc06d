SELECT scope, cap_rho, cap_delta, spent_rho, spent_delta FROM accounts ORDER BY scope;
