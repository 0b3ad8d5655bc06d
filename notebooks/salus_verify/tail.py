"""D of rule P4: what a threshold costs, the chance that noise alone carries a group of one person above it.

No float: exponentials are integers in units of 2^-320, rounded up, so that D is right to the unit, and where it were
not, one unit more is asked for.
"""

from fractions import Fraction
from math import floor, isqrt
from typing import Optional

from .entries import DELTA_ONE

ONE = 1 << 320
HALVINGS = 8
MOST = 120  # e^-120 is below every unit of delta, and a larger exponent shows nothing more
ROOT_2_PI = Fraction(25066282746, 10**10)


def _exp_minus(y: Fraction) -> int:
    """e^-y for y >= 0 in units of 1/ONE, rounded up: a power series at y / 2^8, squared eight times."""
    t = floor(Fraction(min(y, MOST)) * ONE / 2**HALVINGS)  # below ONE / 2; e^-y falls in y
    total, power, n = ONE, ONE, 0
    while power > 1:
        n += 1
        power = -(-power * t // (n * ONE))  # rounded up: less than 2 above the true one
        total += power if n % 2 == 0 else -power
    total += (n + 2) ** 2  # more than all roundings and the rest of the series
    for _ in range(HALVINGS):
        total = -(-total * total // ONE)
    return min(total, ONE)


def _gaussian(x: int, sigma: Fraction) -> Fraction:
    """Bounds P[noise >= x] of the discrete Gaussian."""
    twice = 2 * sigma**2
    rest = ONE - _exp_minus((2 * x + 1) / twice)
    if rest <= 0:
        return Fraction(1)  # sigma is so large that the bound says nothing
    return Fraction(_exp_minus(x * x / twice), rest) / max(1, sigma * ROOT_2_PI)


def _laplace(x: int, scale: Fraction) -> Fraction:
    """Bounds P[noise >= x] of the discrete Laplace distribution."""
    return Fraction(_exp_minus(x / scale), ONE) / (1 + max(0, 1 - 1 / scale))


def least_delta(kind: str, groups: int, weighted: Optional[dict], minimum: int, tau: int, sigma: Fraction) -> int:
    """D in units of 2^-80, rounded down."""
    weighted = weighted or {"unit": 1, "groups": groups}
    unit, tail = weighted["unit"], {"discrete_gaussian": _gaussian, "discrete_laplace": _laplace}[kind]
    bounds = []
    for n in range(groups, weighted["groups"] + 1):
        weight = isqrt(unit * unit * groups // n)
        bounds.append(n * tail((tau - minimum + 1) * unit - weight + 1, sigma))
    return min(floor(DELTA_ONE * max(bounds)), DELTA_ONE)
