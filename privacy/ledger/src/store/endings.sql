SELECT reserve, entry FROM endings ORDER BY reserve;
