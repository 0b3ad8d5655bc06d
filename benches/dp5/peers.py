"""OpenDP's Polars interface on the questions of dp5: root mean square error against the raw truth over many runs, as JSON lines.

Started by `dp5 --error`; arguments as for `duck.py`. Every run is a release of its own at the whole (epsilon, delta), as if it were the only one.
"""

import datetime
import json
import math
import sys
import warnings

import opendp.prelude as dp
import polars as pl

warnings.filterwarnings("ignore")
dp.enable_features("contrib")
RUNS, EPSILON, DELTA = 40, 1.0, 1e-6
files = {}
for argument in sys.argv[1:]:
    table, file = argument.split("=", 1)
    files.setdefault(table, []).append(file)
tables = {table: pl.read_parquet(of) for table, of in files.items()}
age = ((datetime.date(2025, 1, 1) - pl.col("birth_date")).dt.total_days() / 365.2425 // 10).clip(0, 9).cast(pl.Int32)
patient = tables["patient"].select("person_id", "sex", age.alias("age"))
person = pl.col("person_id")


def context(data, margins, identifier=person, contributions=1, loss=None):
    unit = dp.unit_of(contributions=contributions, identifier=identifier)
    loss = loss or dp.loss_of(epsilon=EPSILON, delta=DELTA)
    return dp.Context.compositor(
        data=data.lazy(), privacy_unit=unit, privacy_loss=loss, split_evenly_over=1, margins=margins
    )


def say(name, truth, keys, release, column):
    """`release()` gives a frame of `keys` and `column`."""
    squares, noise, shown = [], [], []
    for _ in range(RUNS):
        answer = truth.join(release(), on=keys, how="left", suffix="_noisy")
        errors = (answer[column + "_noisy"].cast(pl.Float64).fill_null(0.0) - answer[column].cast(pl.Float64)).to_list()
        squares.append(sum(error**2 for error in errors) / len(errors))
        kept = answer[column + "_noisy"].drop_nulls().len()
        shown.append(kept)
    result = {"question": name, "rmse": math.sqrt(sum(squares) / RUNS), "cells": sum(shown) / RUNS}
    print(json.dumps(result), flush=True)


def people():
    keys = ["sex", "age"]
    truth = patient.group_by(keys).len("n")
    margin = dp.polars.Margin(by=keys, invariant="keys")
    query = lambda: context(patient.drop("person_id"), [margin], None).query().group_by(keys).agg(n=dp.len(signed=True))  # noqa: E731
    say("people", truth, keys, lambda: query().release().collect(), "n")


def codes(name, loss):
    """Truncated beforehand, as the interface would: its own `truncate_num_groups` fails with the Polars that it installs."""
    rows = tables["condition"].select("person_id", "code").unique()
    truth = rows.group_by("code").len("n")
    eight = [dp.polars.Bound(by=["code"], per_group=1, num_groups=8)]

    def release():
        kept = rows.sample(fraction=1.0, shuffle=True).group_by("person_id").head(8).select("code")
        query = context(kept, [], None, eight, loss).query().group_by("code")
        return query.agg(n=dp.len(signed=True)).release().collect()

    say(name, truth, ["code"], release, "n")


def mean(name, rows, key, low, high):
    rows = rows.with_columns(pl.col("value").cast(pl.Float64))
    truth = rows.group_by(key).agg(m=pl.col("value").clip(low, high).mean())
    margin = dp.polars.Margin(by=[key], invariant="keys", max_length=len(rows), max_groups=len(truth))

    def release():
        value = pl.col("value").fill_null(0.0).fill_nan(0.0)
        query = context(rows, [margin]).query().truncate_per_group(1, by=[key]).group_by(key)
        answer = query.agg(s=value.dp.sum((low, high)), n=dp.len(signed=True)).release().collect()
        return answer.select(key, m=pl.col("s") / pl.col("n"))

    say(name, truth, [key], release, "m")


def quantiles(name, rows, low, high, candidates):
    """One of the candidates, which the analyst must name: what lies between them is not answered."""
    value = pl.col("value").cast(pl.Float64)
    clipped = value.clip(low, high)
    both = ["p50", "p90"]
    truth = rows.select(p50=clipped.median(), p90=clipped.quantile(0.9, "linear"))
    rows = rows.with_columns(value)
    margin = dp.polars.Margin(max_length=len(rows))

    def release():
        value = pl.col("value").fill_null(0.0).fill_nan(0.0)
        query = context(rows, [margin]).query().truncate_per_group(4)
        query = query.select(p50=value.dp.median(candidates), p90=value.dp.quantile(0.9, candidates))
        return query.release().collect().unpivot(both, variable_name="place", value_name="v")

    say(name, truth.unpivot(both, variable_name="place", value_name="v"), ["place"], release, "v")


def try_to(name, attempt):
    try:
        attempt()
    except Exception as error:  # What it cannot express is said, not hidden.
        print(json.dumps({"question": name, "error": str(error).strip().splitlines()[-1]}), flush=True)


try_to("people", people)
try_to("codes", lambda: codes("codes, Laplace", None))
# The rho that is epsilon 1 at half of delta; the other half is the threshold's.
try_to("codes", lambda: codes("codes, Gaussian", dp.loss_of(rho=0.02293, delta=DELTA / 2)))
observation = tables["observation"].join(patient, on="person_id")
one_each = observation.filter(pl.col("code") == "8480-6").group_by("person_id", "age").agg(value=pl.col("value").cast(pl.Float64).mean())
ill = tables["condition"].filter(pl.col("code") == "C0001").select("person_id").unique()
for name, rows, key, low, high in (
    ("lab_by_sex", observation.filter(pl.col("code") == "4548-4").select("person_id", "sex", "value"), "sex", 3.0, 20.0),
    ("vital_by_age", one_each.join(ill, on="person_id"), "age", 60.0, 240.0),
):
    try_to(name, lambda: mean(name, rows, key, low, high))
older = tables["patient"].filter(pl.col("birth_date") <= datetime.date(1985, 1, 1))
vital = observation.filter(pl.col("code") == "8480-6").join(older, on="person_id", how="semi").select("person_id", "value")
for name, candidates in (
    ("vital_quantiles, 1,024 candidates", [60 + 180 * at / 1023 for at in range(1024)]),
    ("vital_quantiles, candidates are whole numbers", [float(at) for at in range(60, 241)]),
):
    try_to(name, lambda: quantiles(name, vital, 60, 240, candidates))
