"""DuckDB as a floor of ingest: NDJSON with explicit columns to Parquet (zstd), the five resource types of `compare.py`.

Arguments: directory of the export, directory for the Parquet files. It validates nothing, knows no persons, sorts nothing, commits nothing.
"""

import sys
from pathlib import Path

import duckdb

CODED = "STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])"
REFERENCE = "STRUCT(reference VARCHAR)"
PERIOD = 'STRUCT("start" VARCHAR, "end" VARCHAR)'

# Columns that are read, and what is made of them: the same as the lake's tables have.
TABLES = {
    "Patient": (
        {"id": "VARCHAR", "gender": "VARCHAR", "birthDate": "VARCHAR", "deceasedDateTime": "VARCHAR",
         "maritalStatus": CODED, "address": "STRUCT(state VARCHAR, postalCode VARCHAR)[]"},
        "id, gender, CAST(birthDate AS DATE) AS birth_date, CAST(left(deceasedDateTime, 10) AS DATE) AS death_date, "
        "maritalStatus.coding[1].code AS marital_status, address[1].state AS state, left(address[1].postalCode, 3) AS postal3",
    ),
    "Encounter": (
        {"id": "VARCHAR", "status": "VARCHAR", "class": "STRUCT(code VARCHAR)", "type": f"{CODED}[]",
         "subject": REFERENCE, "period": PERIOD, "reasonCode": f"{CODED}[]"},
        "id, subject.reference AS subject, status, class.code AS class, type[1].coding[1].code AS type_code, "
        "type[1].coding[1].system AS type_system, reasonCode[1].coding[1].code AS reason_code, "
        'CAST(period."start" AS TIMESTAMPTZ) AS start_at, CAST(period."end" AS TIMESTAMPTZ) AS end_at',
    ),
    "Condition": (
        {"id": "VARCHAR", "clinicalStatus": CODED, "verificationStatus": CODED, "category": f"{CODED}[]", "code": CODED,
         "subject": REFERENCE, "encounter": REFERENCE, "onsetDateTime": "VARCHAR", "abatementDateTime": "VARCHAR",
         "recordedDate": "VARCHAR"},
        "id, subject.reference AS subject, encounter.reference AS encounter, clinicalStatus.coding[1].code AS clinical_status, "
        "verificationStatus.coding[1].code AS verification_status, category[1].coding[1].code AS category, "
        "code.coding[1].code AS code, code.coding[1].system AS code_system, CAST(left(onsetDateTime, 10) AS DATE) AS onset_date, "
        "CAST(left(abatementDateTime, 10) AS DATE) AS abatement_date, CAST(left(recordedDate, 10) AS DATE) AS recorded_date",
    ),
    "Observation": (
        {"id": "VARCHAR", "status": "VARCHAR", "category": f"{CODED}[]", "code": CODED, "subject": REFERENCE,
         "encounter": REFERENCE, "effectiveDateTime": "VARCHAR", "valueQuantity": "STRUCT(value DECIMAL(18,6), code VARCHAR)",
         "valueCodeableConcept": CODED, "valueString": "VARCHAR",
         "component": "STRUCT(code STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]), valueQuantity STRUCT(value DECIMAL(18,6), code VARCHAR))[]"},
        "id, subject.reference AS subject, encounter.reference AS encounter, status, category[1].coding[1].code AS category, "
        "code.coding[1].code AS code, code.coding[1].system AS code_system, CAST(effectiveDateTime AS TIMESTAMPTZ) AS effective_at, "
        "valueQuantity.value AS value, valueQuantity.code AS unit, valueString AS value_text, "
        "valueCodeableConcept.coding[1].code AS value_code, component",
    ),
    "MedicationRequest": (
        {"id": "VARCHAR", "status": "VARCHAR", "intent": "VARCHAR", "medicationCodeableConcept": CODED, "subject": REFERENCE,
         "encounter": REFERENCE, "authoredOn": "VARCHAR"},
        "id, subject.reference AS subject, encounter.reference AS encounter, status, intent, "
        "medicationCodeableConcept.coding[1].code AS code, medicationCodeableConcept.coding[1].system AS code_system, "
        "CAST(left(authoredOn, 10) AS DATE) AS authored_date",
    ),
}


def main() -> None:
    export, out = Path(sys.argv[1]), Path(sys.argv[2])
    database = duckdb.connect()
    database.execute("SET threads TO 2")
    database.execute("SET preserve_insertion_order TO false")
    for kind, (columns, select) in TABLES.items():
        described = ", ".join(f"{name}: '{type_}'" for name, type_ in columns.items())
        database.execute(
            f"COPY (SELECT {select} FROM read_ndjson('{export}/{kind}*.ndjson', columns = {{{described}}})) "
            f"TO '{out}/{kind}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
    print(sum(database.execute(f"SELECT count(*) FROM '{out}/{kind}.parquet'").fetchone()[0] for kind in TABLES))


if __name__ == "__main__":
    main()
