INSERT INTO cosignatures (size, lines) VALUES ($1, $2) ON CONFLICT DO NOTHING;
