SELECT note FROM checkpoints ORDER BY size;
