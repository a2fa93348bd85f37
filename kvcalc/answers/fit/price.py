"""What an answer costs to rent, spare GPUs included."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal

from kvcalc.answers.fit.fitted import Fit
from kvcalc.errors import RequestError

HOURS_A_MONTH = 730


class PricedFit(Fit):
    """A fit with its cost: `gpus_with_spare` are rented, at a price per hour and GPU.

    Costs are in the currency of the price, None if no price was given.
    """

    gpus_with_spare: int
    cost_hour: float | None
    cost_month: float | None


def priced(fit: Fit, prices: Mapping[str, Decimal], spare: int) -> PricedFit:
    """Add what the GPUs and the `spare` ones cost; a month is 730 hours.

    Raises:
        RequestError: there are prices, but not for this GPU.
    """
    if prices and fit.gpu not in prices:
        raise RequestError.about("price", f"missing for {fit.gpu}; given are {', '.join(prices)}")
    gpus = fit.gpus + spare
    hour = gpus * prices[fit.gpu] if prices else None
    return PricedFit(
        **{field.name: getattr(fit, field.name) for field in fields(Fit)},
        gpus_with_spare=gpus,
        cost_hour=None if hour is None else float(hour),
        cost_month=None if hour is None else float(hour * HOURS_A_MONTH),
    )
