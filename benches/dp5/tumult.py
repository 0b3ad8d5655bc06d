"""Tumult Analytics on the questions of dp5: root mean square error against the raw truth over many runs, as JSON lines.

Started by `dp5 --error`; arguments as for `duck.py`. Needs Java, which Spark starts. What is protected is a person with all
rows; every run is a release of its own at the whole (epsilon, delta), out of a session whose budget has no end.
"""

import json
import math
import os
import sys
import tempfile
import warnings

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from tmlt.analytics import AddRowsWithID, ApproxDPBudget, KeySet, MaxRowsPerID, PureDPBudget, QueryBuilder, RhoZCDPBudget, Session
from tmlt.core.utils.cleanup import cleanup

warnings.filterwarnings("ignore")
RUNS, EPSILON, DELTA = 40, 1.0, 1e-6
# The rho that is epsilon 1 at the whole of delta: no threshold takes part of it.
RHO = 0.024355
# Of epsilon, to find the codes; the rest counts them. The best of 0.5, 0.7, 0.8 and 0.9.
FINDING = 0.7
files = {}
for argument in sys.argv[1:]:
    table, file = argument.split("=", 1)
    files.setdefault(table, []).append(file)

os.environ["PYSPARK_PYTHON"] = sys.executable
warehouse = tempfile.TemporaryDirectory(prefix="dp5-")
spark = SparkSession.builder.master("local[1]").config("spark.driver.host", "127.0.0.1")
for name, value in {
    "driver.memory": "3g",
    "log.level": "ERROR",
    "sql.shuffle.partitions": "1",
    "sql.warehouse.dir": warehouse.name,
    "ui.enabled": "false",
    "ui.showConsoleProgress": "false",
}.items():
    spark = spark.config(f"spark.{name}", value)
spark = spark.getOrCreate()
tables = {table: spark.read.parquet(*of) for table, of in files.items()}

age = f.floor(f.datediff(f.lit("2025-01-01"), "birth_date") / 365.2425 / 10)
patient = tables["patient"].select("person_id", "sex", "birth_date", f.greatest(f.lit(0), f.least(f.lit(9), age)).cast("int").alias("age"))
AGES, SEXES = KeySet.from_dict({"age": list(range(10))}), KeySet.from_dict({"sex": ["female", "male"]})
WAYS = {"Laplace": PureDPBudget(EPSILON), "Gaussian": RhoZCDPBudget(RHO)}
ENDLESS = {"Laplace": PureDPBudget(math.inf), "Gaussian": RhoZCDPBudget(math.inf)}


def session(rows, budget):
    return Session.from_dataframe(budget, "rows", rows.cache(), protected_change=AddRowsWithID("person_id"))


def at_most(count):
    """The rows, of each person so many: which ones says a hash of theirs."""
    return QueryBuilder("rows").enforce(MaxRowsPerID(count))


def by(keys, rows):
    """Number by key, of a frame's last column."""
    return {tuple(row[key] for key in keys): float(row[-1]) for row in rows.collect()}


def say(name, noise, truth, release):
    """`truth` and what `release` gives map a key to its number; what is not answered counts as nought."""
    squares, shown = 0.0, 0
    for _ in range(RUNS):
        answer = release()
        shown += sum(key in answer for key in truth)
        squares += sum((answer.get(key, 0.0) - value) ** 2 for key, value in truth.items()) / len(truth)
    result = {"question": name, "noise": noise, "rmse": math.sqrt(squares / RUNS), "cells": shown / RUNS}
    print(json.dumps(result), flush=True)


def try_to(name, attempt, *question):
    try:
        attempt(name, *question)
    except Exception as error:  # What it cannot express is said, not hidden.
        print(json.dumps({"question": name, "error": str(error).strip().splitlines()[-1][:200]}), flush=True)


def people(name):
    keys = ["sex", "age"]
    truth = by(keys, patient.groupBy(keys).count())
    query = at_most(1).groupby(SEXES * AGES).count()
    for noise, budget in WAYS.items():
        asked = session(patient.drop("birth_date"), ENDLESS[noise])
        say(name, noise, truth, lambda: by(keys, asked.evaluate(query, budget)))  # noqa: B023


def codes(name):
    """Two questions, since Gaussian noise knows no threshold: which codes are common, and how many persons have each."""
    rows = tables["condition"].select("person_id", "code").distinct()
    truth = by(["code"], rows.groupBy("code").count())
    asked = session(rows, ApproxDPBudget(math.inf, 1))

    def release():
        found = asked.evaluate(at_most(8).get_groups("code"), ApproxDPBudget(EPSILON * FINDING, DELTA))
        counted = at_most(8).groupby(KeySet.from_dataframe(found.cache())).count()
        return by(["code"], asked.evaluate(counted, ApproxDPBudget(EPSILON * (1 - FINDING), 0)))

    say(name, "Laplace", truth, release)


def mean(name, rows, count, key, keys, low, high):
    clamped = f.greatest(f.lit(low), f.least(f.lit(high), "value"))
    truth = by([key], rows.groupBy(key).agg(f.avg(clamped)))
    query = at_most(count).groupby(keys).average("value", low, high)
    for noise, budget in WAYS.items():
        asked = session(rows, ENDLESS[noise])
        say(name, noise, truth, lambda: by([key], asked.evaluate(query, budget)))  # noqa: B023


def quantiles(name, rows, count, low, high):
    """Each at half of epsilon; exact ranks by the exponential mechanism, an even draw between two values of the data."""
    truth = {at: rows.agg(f.expr(f"percentile(value, {at})")).first()[0] for at in (0.5, 0.9)}
    asked = session(rows, ENDLESS["Laplace"])

    def release():
        queries = {at: at_most(count).quantile("value", at, low, high) for at in truth}
        return {at: asked.evaluate(query, PureDPBudget(EPSILON / len(queries))).first()[0] for at, query in queries.items()}

    say(name, "exponential mechanism", truth, release)


try_to("people", people)
try_to("codes", codes)
# What is measured is an exact decimal, which Tumult does not know.
measured = tables["observation"].select("person_id", "code", f.col("value").cast("double").alias("value")).join(patient, "person_id")
lab = measured.where("code = '4548-4'").select("person_id", "sex", "value")
vital = measured.where("code = '8480-6'")
ill = tables["condition"].where("code = 'C0001'").select("person_id").distinct()
try_to("lab_by_sex", mean, lab, 1, "sex", SEXES, 3.0, 20.0)
try_to("vital_quantiles", quantiles, vital.where("birth_date <= '1985-01-01'").select("person_id", "value"), 4, 60.0, 240.0)
try_to("vital_by_age", mean, vital.join(ill, "person_id").select("person_id", "age", "value"), 4, "age", AGES, 60.0, 240.0)
cleanup()
