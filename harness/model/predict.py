"""Predict what a burst of kmod/high_order_test.c does to the counters of its order."""

from dataclasses import dataclass

from harness.kernel.pages import Order
from harness.model.forecast import FirstSlowpath, Forecast, Prediction
from harness.model.state import AllocatorState, GfpClass

__all__ = ["AllocatorState", "Burst", "FirstSlowpath", "Forecast", "Noise", "Prediction", "predict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """The parameters of high_order_test that decide what is asked for."""

    order: Order
    requests: int
    most_held: int
    hold_until_fail: bool
    gfp: GfpClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What others may do between the snapshot and the end of the burst; 0: the guest is idle."""

    pages_taken: int = 0
    pages_freed: int = 0


def predict(state: AllocatorState, burst: Burst, noise: Noise | None = None) -> Prediction:
    """Return the exact rise of every counter of the burst's order, or honest bounds."""
    raise NotImplementedError
