SELECT bytes FROM entries ORDER BY idx;
