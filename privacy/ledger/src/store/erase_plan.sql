DELETE FROM plans WHERE reserve = $1;
