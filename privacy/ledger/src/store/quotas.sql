SELECT scope, spent_rho, spent_delta FROM quotas ORDER BY scope;
