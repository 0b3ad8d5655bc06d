SELECT size, note FROM restricted_checkpoints ORDER BY size DESC LIMIT 1;
