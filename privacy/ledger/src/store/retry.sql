SELECT reserve FROM retries WHERE key = $1;
