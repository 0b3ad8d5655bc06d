SELECT hash FROM nodes WHERE level = $1 AND position = $2;
