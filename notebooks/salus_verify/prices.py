"""Rules P1 to P5: a certificate is a derivation, and the price follows from it. Integers and fractions only."""

from fractions import Fraction
from math import ceil

from .tail import least_delta

RHO_ONE = 1 << 40
SCANS = ("S0", "S0p")
RELEASE, UNION = "RELEASE", "S6"
NARROWING = ("S1", "S4", "S5", "S8")
RULES = SCANS + NARROWING + ("S2", "S3", UNION, RELEASE)
COUNTS = ("persons", "rows", "values")
NO_BOUND = 1 << 128  # above every sum of bounds


def _most(rows):
    return rows or NO_BOUND


def derivation(certificate):
    """P1 and P2, as (rule, what)."""
    steps = certificate["steps"]
    for at, step in enumerate(steps):
        rule, inputs, scan = step["rule"], step["inputs"], step["rule"] in SCANS
        say = f"step {at} ({rule}): "
        if rule not in RULES:
            yield "P1", say + "unknown rule"
        if scan != ("table" in step) or scan == bool(inputs):
            yield "P1", say + "a scan has a table and no input, any other step inputs and no table"
        if rule in NARROWING and len(inputs) != 1:
            yield "P2", say + "not exactly one input"
        if any(position >= at or steps[position]["rule"] == RELEASE for position in inputs):
            yield "P1", say + "an input that is no earlier step, or is released"
            continue  # no bound to compare with
        limit = sum(_most(steps[position]["rows"]) for position in inputs)
        if rule in NARROWING + (UNION,) and _most(step["rows"]) > limit:
            yield "P2", say + "more rows than its input"
    released = [(at, step["rows"]) for at, step in enumerate(steps) if step["rule"] == RELEASE]
    if steps[-1]["rule"] != RELEASE:
        yield "P1", "the last step is no release"
    if released != [(release["step"], release["rows_per_person"]) for release in certificate["releases"]]:
        yield "P1", "the releases are not those among the steps, with their rows"


def sensitivity(mechanism, release):
    """P3: the squared sensitivity that the bounds of the release imply, in the norm of the noise."""
    aggregate, bound, l0 = mechanism["aggregate"], mechanism["bound"], release["groups_per_person"]
    k = 1 if aggregate == "persons" else release["rows_per_person"]
    weighted = release.get("weighted")
    if mechanism["kind"] == "discrete_laplace":
        expected, unweighted = (k * bound * l0) ** 2, True
    else:
        unit = weighted["unit"] if weighted else 1
        expected = k**2 * bound * l0 if aggregate == "tree" else (k * bound * unit) ** 2 * l0
        unweighted = aggregate in ("tree", "values")
    if weighted and unweighted:
        yield "P3", "weights are for Gaussian noise on persons, rows and sums"
    if mechanism["sensitivity2"] != expected:
        yield "P3", "the sensitivity is not that of the bounds"
    if aggregate in COUNTS and bound != 1:
        yield "P3", "a count changes by 1"
    if aggregate != "tree" and mechanism["values"] != 1:
        yield "P3", "one value for each group"


def deciders(certificate):
    """P3: who decides which groups are answered."""
    for at, release in enumerate(certificate["releases"]):
        of_it = [mechanism for mechanism in certificate["mechanisms"] if mechanism["release"] == at]
        deciding = [mechanism["aggregate"] for mechanism in of_it if "threshold" in mechanism]
        if deciding != (["persons"] if release["cells"] == 0 else []):
            yield "P3", f"release {at}: a threshold of persons decides where keys are not public, and nowhere else"


def loss_of(mechanism, release):
    """P4: zCDP loss of the noise, rounded up to whole units; delta of its threshold."""
    sigma, threshold = mechanism["sigma"], mechanism.get("threshold")
    if sigma == 0:
        yield "P4", "sigma is zero"
        return
    if mechanism["rho"] != ceil(Fraction(RHO_ONE) * mechanism["sensitivity2"] / (2 * sigma**2)):
        yield "P4", "rho is not that of sensitivity and sigma"
    if threshold is None:
        if mechanism["delta"] != 0:
            yield "P4", "without a threshold there is no delta"
    else:
        spread = dict(groups=release["groups_per_person"], weighted=release.get("weighted"))
        if mechanism["delta"] < least_delta(mechanism["kind"], **spread, **threshold, sigma=sigma):
            yield "P4", "delta is below that of the threshold"


def total(body, policy):
    """P5: the sum over the mechanisms, above zero and within the policy (None where it cannot be read)."""
    loss, mechanisms = body["loss"], body["certificate"]["mechanisms"]
    for unit in ("rho", "delta"):
        if loss[unit] != sum(mechanism[unit] for mechanism in mechanisms):
            yield "P5", f"{unit} is not the sum of the mechanisms"
    if loss["rho"] == 0:
        yield "P5", "nothing is free"
    if policy is not None and loss["rho"] > policy["query_rho"]:
        yield "P5", "more than the policy lets one query cost"


def check(body, policy):
    """All that fails in a reserve's price, as (rule, what)."""
    certificate = body["certificate"]
    releases = certificate["releases"]
    yield from derivation(certificate)
    for mechanism in certificate["mechanisms"]:
        if mechanism["release"] >= len(releases):
            yield "P3", "a mechanism of no release"
            continue
        release = releases[mechanism["release"]]
        yield from sensitivity(mechanism, release)
        yield from loss_of(mechanism, release)
    yield from deciders(certificate)
    yield from total(body, policy)
