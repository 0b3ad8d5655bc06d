SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1;
