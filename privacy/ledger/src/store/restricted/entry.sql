SELECT bytes FROM restricted_entries WHERE idx = $1;
