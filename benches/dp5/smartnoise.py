"""SmartNoise SQL on the questions of dp5: root mean square error against the raw truth over many runs, as JSON lines.

Started by `dp5 --error`; arguments as for `duck.py`. Its epsilon is that of one mechanism, so each question is asked at the epsilon at which its own
account of the whole question comes to the same epsilon as everybody else's.
"""

import json
import math
import sys
import warnings

import pandas as pd
import snsql

warnings.filterwarnings("ignore")
RUNS, EPSILON, DELTA = 40, 1.0, 1e-6
files = {}
for argument in sys.argv[1:]:
    table, file = argument.split("=", 1)
    files.setdefault(table, []).append(file)
tables = {table: pd.concat(pd.read_parquet(file) for file in of) for table, of in files.items()}
patient = tables["patient"][["person_id", "sex", "birth_date"]].copy()
patient["age"] = ((pd.Timestamp(2025, 1, 1) - pd.to_datetime(patient["birth_date"])).dt.days / 365.2425 // 10).clip(0, 9).astype(int)
patient = patient[["person_id", "sex", "age"]]


def metadata(columns, rows, public):
    options = {"max_ids": rows, "censor_dims": not public, "clamp_counts": False, "sample_max_ids": True}
    unit = {"person_id": {"type": "int", "private_id": True}}
    return {"": {"dp": {"t": {**options, "rows": 1_000_000, **unit, **columns}}}}


def ask(name, frame, columns, rows, public, sql, truth, keys):
    """`truth` maps a key to its number; what is not answered counts as nought."""
    meta = metadata(columns, rows, public)
    reader = lambda epsilon: snsql.from_df(frame, privacy=snsql.Privacy(epsilon=epsilon, delta=DELTA / 2), metadata=meta)  # noqa: E731
    # Several mechanisms, or one: the share of each is found by halving.
    low, high = 0.0, 4 * EPSILON
    for _ in range(30):
        middle = (low + high) / 2
        spent, _ = reader(middle).get_privacy_cost(sql)
        low, high = (middle, high) if spent <= EPSILON else (low, middle)
    squares, shown = 0.0, 0
    for _ in range(RUNS):
        answer = {}
        for row in reader(low).execute(sql)[1:]:
            answer[tuple(row[:keys])] = row[keys]
        shown += sum(key in answer for key in truth)
        apart = ((answer.get(key) or 0.0) - value for key, value in truth.items())
        squares += sum(float(x) ** 2 for x in apart) / len(truth)
    result = {"question": name, "rmse": math.sqrt(squares / RUNS), "cells": shown / RUNS, "epsilon_of_a_mechanism": round(low, 4)}
    print(json.dumps(result), flush=True)


def attempt(name, *question):
    try:
        ask(name, *question)
    except Exception as error:  # What it cannot express is said, not hidden.
        print(json.dumps({"question": name, "error": str(error).strip().splitlines()[-1][:200]}), flush=True)


def by(frame, keys, of):
    return {key if isinstance(key, tuple) else (key,): value for key, value in of(frame.groupby(keys)).items()}


text, whole = {"type": "string"}, {"type": "int"}
number = lambda low, high: {"type": "float", "lower": low, "upper": high}  # noqa: E731
sql = "SELECT sex, age, COUNT(*) AS n FROM dp.t GROUP BY sex, age"
attempt("people", patient, {"sex": text, "age": whole}, 1, True, sql, by(patient, ["sex", "age"], lambda g: g.size()), 2)
codes = tables["condition"][["person_id", "code"]].drop_duplicates()
sql = "SELECT code, COUNT(DISTINCT person_id) AS n FROM dp.t GROUP BY code"
attempt("codes", codes, {"code": text}, 8, False, sql, by(codes, ["code"], lambda g: g.size()), 1)
observation = tables["observation"].merge(patient, on="person_id")
observation["value"] = observation["value"].astype(float)
lab = observation[observation["code"] == "4548-4"][["person_id", "sex", "value"]]
sql = "SELECT sex, AVG(value) AS m FROM dp.t GROUP BY sex"
truth = by(lab.assign(value=lab["value"].clip(3, 20)), ["sex"], lambda g: g["value"].mean())
attempt("lab_by_sex", lab, {"sex": text, "value": number(3.0, 20.0)}, 1, True, sql, truth, 1)
ill = tables["condition"][tables["condition"]["code"] == "C0001"]["person_id"].unique()
vital = observation[(observation["code"] == "8480-6") & observation["person_id"].isin(ill)][["person_id", "age", "value"]]
sql = "SELECT age, AVG(value) AS m FROM dp.t GROUP BY age"
truth = by(vital.assign(value=vital["value"].clip(60, 240)), ["age"], lambda g: g["value"].mean())
attempt("vital_by_age", vital, {"age": whole, "value": number(60.0, 240.0)}, 4, True, sql, truth, 1)
