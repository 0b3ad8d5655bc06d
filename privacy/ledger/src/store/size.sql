SELECT coalesce(max(idx), -1) + 1 FROM entries;
