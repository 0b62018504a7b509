# SPDX-License-Identifier: GPL-2.0-only
"""Results of schema 2, told in the present form: all that was measured, and less of what ran.

Their arms' keys were digests of more than what executes, so no key of today can be compared
with them: they keep the schema they were made by.
"""

from typing import Any

from harness.compare.measures import Measure
from harness.record import schema
from harness.texts.proc.sysctl import Knob, PolicyMode

OLD_SCHEMA = 2
_OLD_KEY_SCHEMA = 1
_LATER_DEMAND = "later_demand.sh"


def upgraded_results(old: dict[str, Any]) -> dict[str, Any]:
    """Return the content of results.json.gz in the present form; LookupError if parts lack."""
    kernels = upgraded_kernels(old.pop("identities"), old["plan"])
    later = _with_later_demand(old["plan"])
    plan = _plan(old["plan"], is_later=bool(later))
    arms = [
        {**arm, "outcome": _outcome(arm["outcome"], is_later=arm["state"] in later)}
        for arm in old["arms"]
    ]
    return {
        **old,
        "schema": schema.COMPARISON.number,
        "kernels": kernels,
        "plan": plan,
        "arms": arms,
        "states": [_state(state) for state in old["states"]],
    }


def upgraded_kernels(old: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Return the content of kernels.json in the present form; what was not noted is empty."""
    return {
        "schema": schema.COMPARISON.number,
        "key_schema": _OLD_KEY_SCHEMA,
        "kernels": [
            {
                "variant": kernel["variant"],
                "key": _key(old, kernel, plan),
                "provenance": _provenance(old, kernel),
            }
            for kernel in old["kernels"]
        ],
    }


# A field of an arm's outcome, or a measure that a claim is about, by what it was called.
_RENAMED = {
    "ideal": "bound",
    "predictors": "indicators",
    "ideal_share": "bound_share",
    "promised": "expected",
    "looked": "inspected",
}


def _state(old: dict[str, Any]) -> dict[str, Any]:
    quantities = old["quantities"]
    if quantities is None:
        return old
    return {
        **old,
        "quantities": [{_RENAMED.get(k, k): v for k, v in q.items()} for q in quantities],
    }


def _with_later_demand(plan: dict[str, Any]) -> set[str]:
    """Name the states that asked for a later demand, which was counted as a background load.

    LookupError where both would have been one number.
    """
    later = {state["name"] for state in plan["states"] if _LATER_DEMAND in state["prepare"]}
    if later and any(burst.get("bystander") for burst in plan["bursts"]):
        raise LookupError(f"a background load beside {_LATER_DEMAND}: nothing tells them apart")
    return later


def _outcome(old: dict[str, Any], *, is_later: bool) -> dict[str, Any]:
    new = {_RENAMED.get(name, name): value for name, value in old.items()}
    others = new.pop("bystander")
    new["background_load"] = None if is_later else others
    new["later_demand"] = {**others, "small_failures": None} if is_later and others else None
    return new


def _plan(old: dict[str, Any], *, is_later: bool) -> dict[str, Any]:
    """Say in today's words what a plan predicted, and which policy its arms had."""
    others = Measure.LATER_FAILURES if is_later else Measure.BACKGROUND_FAILURES
    measures = {**_RENAMED, "bystander_failures": others.value}
    claims = [
        {**claim, "measure": measures.get(claim["measure"], claim["measure"])}
        for claim in old.pop("predictions", [])
    ]
    bursts = [
        {("background_load" if name == "bystander" else name): value for name, value in one.items()}
        for one in old["bursts"]
    ]
    arms = [_arm(arm) for arm in old["arms"]]
    return {**old, "claims": claims, "bursts": bursts, "arms": arms}


def _arm(old: dict[str, Any]) -> dict[str, Any]:
    sysctls = dict(old["sysctls"])
    if Knob.MODE not in sysctls:
        return old
    mode = PolicyMode(sysctls.pop(Knob.MODE)).word
    knobs = {knob.name.lower(): sysctls.pop(knob) for knob in Knob if sysctls.get(knob) is not None}
    return {**old, "policy": {"mode": mode, **knobs} if knobs else mode, "sysctls": sysctls}


def _key(old: dict[str, Any], kernel: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "vmlinux_digest": kernel["vmlinux_digest"],
        "initramfs_digest": kernel["guest_digest"],
        "qemu_version": old["qemu_version"],
        "qemu_digest": "",
        "firmware_digest": old["firmware_digest"],
        "mode": "repeatable",
        "accelerator": "tcg",
        "memory_mib": plan["memory_mib"],
        "cpus": 1,
        "icount_shift": plan["icount_shift"],
        "seed": plan["seeds"][0],
        "cross_checks": True,
        "page_owner": False,
        "sysctls": [],
        "machine": "",
        "kernel_command_line": "",
        "plan": [],
    }


def _provenance(old: dict[str, Any], kernel: dict[str, Any]) -> dict[str, Any]:
    return {
        "project_version": old["harness_version"],
        "project_commit": "unknown",
        "kernel_release": kernel["release"],
        "kernel_origin": kernel["origin"],
        "page_alloc_blob": "",
        "provides": [],
        "page_alloc_upstream": None,
        "series_name": "",
        "module_digest": "",
        "module_srcversion": "",
        "packages": [],
        "initramfs_bytes": 0,
        **{
            name: kernel[name]
            for name in (
                "source_digest",
                "series_digest",
                "patches",
                "counters",
                "config_digest",
                "compiler",
            )
        },
    }
