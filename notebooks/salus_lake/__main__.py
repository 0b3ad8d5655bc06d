"""Counts of a lake as JSON: rows of each table, distinct persons, and the exact sum of observed values.

python -m salus_lake HOME
"""

import json
import sys

import pyarrow.compute as compute

from . import Lake, Unreadable


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python -m salus_lake HOME")
    try:
        lake = Lake(sys.argv[1])
    except Unreadable as error:
        sys.exit(f"salus_lake: {error}")
    told = {}
    for name, version in sorted(lake.snapshot["tables"].items()):
        if not version["files"]:
            told[name] = {"rows": 0}
            continue
        table = lake.table(name)
        told[name] = {"rows": table.num_rows, "persons": compute.count_distinct(table["person_id"]).as_py()}
        if "value" in table.column_names:
            total = compute.sum(table["value"]).as_py()
            told[name]["value"] = None if total is None else str(total)
    print(json.dumps(told, sort_keys=True))


main()
