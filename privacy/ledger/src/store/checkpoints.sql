SELECT size, note FROM checkpoints ORDER BY size;
