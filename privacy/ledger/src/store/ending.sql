SELECT entry FROM endings WHERE reserve = $1;
