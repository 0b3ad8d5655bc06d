SELECT hash FROM restricted_nodes WHERE level = $1 AND position = $2;
