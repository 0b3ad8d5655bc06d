SELECT entry FROM failures WHERE entry > $1 ORDER BY entry;
