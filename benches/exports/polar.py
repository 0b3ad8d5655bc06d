"""Polars as a floor of ingest: the same five resource types and columns as `duck.py`, streamed from NDJSON to Parquet (zstd)."""

import sys
from pathlib import Path

import polars as pl

S = pl.String
CODED = pl.Struct({"coding": pl.List(pl.Struct({"system": S, "code": S}))})
REFERENCE = pl.Struct({"reference": S})
QUANTITY = pl.Struct({"value": pl.Float64, "code": S})


def first(column: str, field: str) -> pl.Expr:
    """A field of the first coding."""
    return pl.col(column).struct.field("coding").list.first().struct.field(field).alias(f"{column}_{field}")


def of_list(column: str, field: str) -> pl.Expr:
    """The same of the first concept of a list."""
    concept = pl.col(column).list.first()
    return concept.struct.field("coding").list.first().struct.field(field).alias(f"{column}_{field}")


def subject(column: str = "subject") -> pl.Expr:
    return pl.col(column).struct.field("reference").alias(column)


def day(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


TABLES = {
    "Patient": (
        {"id": S, "gender": S, "birthDate": S, "deceasedDateTime": S, "maritalStatus": CODED,
         "address": pl.List(pl.Struct({"state": S, "postalCode": S}))},
        lambda: ["id", "gender", day("birthDate"), day("deceasedDateTime"), first("maritalStatus", "code"),
                 pl.col("address").list.first().struct.field("state"),
                 pl.col("address").list.first().struct.field("postalCode").str.slice(0, 3)],
    ),
    "Encounter": (
        {"id": S, "status": S, "class": pl.Struct({"code": S}), "type": pl.List(CODED), "subject": REFERENCE,
         "period": pl.Struct({"start": S, "end": S}), "reasonCode": pl.List(CODED)},
        lambda: ["id", subject(), "status", pl.col("class").struct.field("code"), of_list("type", "code"),
                 of_list("type", "system"), of_list("reasonCode", "code"),
                 pl.col("period").struct.field("start"), pl.col("period").struct.field("end")],
    ),
    "Condition": (
        {"id": S, "clinicalStatus": CODED, "verificationStatus": CODED, "category": pl.List(CODED), "code": CODED,
         "subject": REFERENCE, "encounter": REFERENCE, "onsetDateTime": S, "abatementDateTime": S, "recordedDate": S},
        lambda: ["id", subject(), subject("encounter"), first("clinicalStatus", "code"), first("verificationStatus", "code"),
                 of_list("category", "code"), first("code", "code"), first("code", "system"), day("onsetDateTime"),
                 day("abatementDateTime"), day("recordedDate")],
    ),
    "Observation": (
        {"id": S, "status": S, "category": pl.List(CODED), "code": CODED, "subject": REFERENCE, "encounter": REFERENCE,
         "effectiveDateTime": S, "valueQuantity": QUANTITY, "valueCodeableConcept": CODED, "valueString": S,
         "component": pl.List(pl.Struct({"code": CODED, "valueQuantity": QUANTITY}))},
        lambda: ["id", subject(), subject("encounter"), "status", of_list("category", "code"), first("code", "code"),
                 first("code", "system"), "effectiveDateTime", pl.col("valueQuantity").struct.field("value"),
                 pl.col("valueQuantity").struct.field("code").alias("unit"), "valueString",
                 first("valueCodeableConcept", "code"), "component"],
    ),
    "MedicationRequest": (
        {"id": S, "status": S, "intent": S, "medicationCodeableConcept": CODED, "subject": REFERENCE,
         "encounter": REFERENCE, "authoredOn": S},
        lambda: ["id", subject(), subject("encounter"), "status", "intent", first("medicationCodeableConcept", "code"),
                 first("medicationCodeableConcept", "system"), day("authoredOn")],
    ),
}


def main() -> None:
    export, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = 0
    for kind, (schema, select) in TABLES.items():
        to = out / f"{kind}.parquet"
        pl.scan_ndjson(f"{export}/{kind}*.ndjson", schema=schema).select(select()).sink_parquet(to, compression="zstd")
        rows += pl.scan_parquet(to).select(pl.len()).collect().item()
    print(rows)


if __name__ == "__main__":
    main()
