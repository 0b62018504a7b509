# SPDX-License-Identifier: GPL-2.0-only
"""Predict a stage's burst from the texts of its guest, and keep what was predicted. Pure.

RUN/predictions/<stage>.json holds the prediction and the digests of the texts it is made from;
<stage>.free beside it holds the free lists right before the first request, as the cross-check sent
them while it held the guest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.forecast.forecast import Prediction
from harness.forecast.predict import BurstRequest, predict
from harness.model.load import load_state
from harness.model.state import AllocatorState, GfpClass
from harness.texts.build.rules import Rule
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.pages import order_of
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo
from harness.values import BurstPlan

# What is read of the stage's directory; `free` is what the held guest sent.
TEXTS = (
    "before/buddyinfo",
    "before/zoneinfo",
    "before/pagetypeinfo",
    "before/sysctl",
    "before/vmstat",
    "before/meminfo",
)
FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrediction:
    """What was said of a stage before its burst began."""

    stage: str
    burst: BurstPlan
    prediction: Prediction
    inputs: dict[str, str]  # name of a text -> its sha256


def state_of(
    stage: str,
    texts: Mapping[str, bytes],
    free: bytes,
    *,
    rules: frozenset[Rule] = frozenset(),
    moment: str = "before",
) -> AllocatorState:
    """Make the model's starting state of what `stage` saved at a `moment`, before or after.

    `free` is the cross-check's dump. RecordError if a text is absent or damaged.
    """
    text = {}
    for name in TEXTS:
        path = name.replace("before", moment)
        if path not in texts:
            raise RecordError(f"{stage}: {path} did not arrive, nothing to predict from; run again")
        text[name] = texts[path].decode()
    return load_state(
        buddyinfo=parse_buddyinfo(text["before/buddyinfo"]),
        zoneinfo=parse_zoneinfo(text["before/zoneinfo"]),
        pagetypes=parse_pagetypeinfo(text["before/pagetypeinfo"]),
        sysctls=parse_sysctl(text["before/sysctl"]),
        thp="thp_fault_alloc" in parse_vmstat(text["before/vmstat"]).counters,
        swap=parse_meminfo(text["before/meminfo"]).swap_kib > 0,
        dump=parse_free_dump(free.decode()),
        rules=rules,
    )


def predict_stage(
    stage: str,
    burst: BurstPlan,
    texts: Mapping[str, bytes],
    free: bytes,
    *,
    rules: frozenset[Rule] = frozenset(),
) -> StoredPrediction:
    """Predict `stage` from its texts, by its kernel's `rules`.

    RecordError if a text is absent or damaged.
    """
    state = state_of(stage, texts, free, rules=rules)
    prediction = predict(
        state,
        BurstRequest(
            order=order_of(burst.order, f"{stage}: order"),
            requests=burst.requests,
            most_held=burst.most_held,
            hold_until_fail=burst.hold_until_fail,
            gfp=GfpClass(burst.gfp),
        ),
    )
    inputs = {name: sha256(texts[name]).hexdigest() for name in TEXTS}
    inputs[FREE] = sha256(free).hexdigest()
    return StoredPrediction(stage=stage, burst=burst, prediction=prediction, inputs=inputs)


def parse_prediction(
    stage: str, burst: BurstPlan, content: bytes, texts: Mapping[str, bytes], free: bytes
) -> StoredPrediction:
    """Read a prediction again; RecordError unless it was made of exactly these texts."""
    try:
        stored = msgspec.json.decode(content, type=StoredPrediction)
    except UNREADABLE as error:
        raise RecordError(f"{stage}: its prediction is damaged ({error}); run again") from error
    if stored.stage != stage or stored.burst != burst:
        raise RecordError(
            f"{stage}: its prediction is of {stored.stage}, {stored.burst}; run again"
        )
    present = {**{name: texts.get(name, b"") for name in TEXTS}, FREE: free}
    digests = {name: sha256(text).hexdigest() for name, text in present.items()}
    if differing := sorted(
        name for name in digests | stored.inputs if digests.get(name) != stored.inputs.get(name)
    ):
        raise RecordError(
            f"{stage}: its prediction was not made of this run's {', '.join(differing)}; run again"
        )
    return stored
