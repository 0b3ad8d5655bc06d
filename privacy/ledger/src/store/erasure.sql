SELECT time FROM erasures WHERE entry = $1;
