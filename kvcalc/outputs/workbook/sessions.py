"""Sessions at once, from a rate and a duration: the workload that the workbook starts with.

Little's law: the mean number at once is arrivals per second times the seconds of each (Little,
1961, "A Proof for the Queuing Formula: L = lambda W", Operations Research 9(3)).
"""

REQUESTS_PER_SECOND, SECONDS_PER_REQUEST, PEAK_FACTOR = 2, 20, 2
"""An example to start from, not a finding."""


def peak_sessions() -> int:
    """Sessions at the peak, when the workbook is written."""
    return REQUESTS_PER_SECOND * SECONDS_PER_REQUEST * PEAK_FACTOR


def sessions_of(share: int, sessions: int) -> int:
    """The sessions of a class with a share in percent, rounded up."""
    return -(-share * sessions // 100)
