SELECT size, note FROM restricted_checkpoints ORDER BY size;
