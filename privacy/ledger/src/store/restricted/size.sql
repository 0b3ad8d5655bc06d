SELECT count(*) FROM restricted_entries;
