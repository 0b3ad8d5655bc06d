"""Accounts that are kept in periods, as their names say."""

import re


def window(scope):
    """Share, seconds, end and name of the account of a limit in one of its periods, `of/seconds/period:name`; `None` of one
    that is kept for good. The end, the first second after the period, is `None` where that is beyond all times."""
    before, colon, name = scope.partition(":")
    share = before.split("/")
    numbers = [int(part) for part in share[1:] if re.fullmatch("0|[1-9][0-9]{0,19}", part) and int(part) < 1 << 64]
    if len(share) != 3 or len(numbers) != 2:
        return None
    seconds, period = numbers
    end = (period + 1) * seconds
    return share[0], seconds, None if max(period + 1, end) >= 1 << 64 else end, name if colon else None


def still_counts(scope, time):
    """Whether an account of a limit is for good, or of a period that has not ended."""
    found = window(scope)
    return found is None or found[2] is None or time < found[2]
