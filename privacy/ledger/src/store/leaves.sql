SELECT hash FROM nodes WHERE level = 0 ORDER BY position;
