"""DuckDB over the same Parquet files, as a floor: one SQL a line on standard input, its seconds a line on standard output.

Started by the program `dp5`; the arguments are NAME=FILE, a table's name and one of its files.
"""

import sys
import time

import duckdb

database = duckdb.connect()
database.execute("SET threads TO 2")
tables = {}
for argument in sys.argv[1:]:
    table, file = argument.split("=", 1)
    tables.setdefault(table, []).append(file)
for table, files in tables.items():
    database.read_parquet(files).create_view(table)
print("ready", duckdb.__version__, flush=True)
for line in sys.stdin:
    sql = line.strip().replace("approx_percentile_cont(", "approx_quantile(")
    start = time.perf_counter()
    database.execute(sql).fetchall()
    print(time.perf_counter() - start, flush=True)
