"""Losses: a rho and a delta, each in its units."""

NOTHING = {"rho": 0, "delta": 0}


def plus(a, b):
    return {unit: a[unit] + b[unit] for unit in NOTHING}


def within(a, b):
    return all(a[unit] <= b[unit] for unit in NOTHING)
