"""D of rule P4: what a threshold costs, the chance that noise alone carries a group of one person above it.

No float: exponentials are integers in units of 2^-320, rounded up, so that D is right to the unit, and where it were
not, one unit more is asked for.
"""

from fractions import Fraction
from math import floor

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


def least_delta(groups: int, minimum: int, tau: int, sigma: Fraction) -> int:
    """D in units of 2^-80, rounded down."""
    x, twice = tau - minimum + 1, 2 * sigma**2
    rest = ONE - _exp_minus((2 * x + 1) / twice)
    if rest <= 0:
        return DELTA_ONE  # sigma is so large that the bound says nothing
    bound = groups * DELTA_ONE * Fraction(_exp_minus(x * x / twice), rest) / max(1, sigma * ROOT_2_PI)
    return min(floor(bound), DELTA_ONE)
