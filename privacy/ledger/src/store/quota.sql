SELECT spent_rho, spent_delta FROM quotas WHERE scope = $1;
