# SPDX-License-Identifier: GPL-2.0-only
"""What a cover letter says of results: medians in columns, and what else was asked."""

from dataclasses import replace

from made_up import TEXT, outcome, plan_of, results_of
from synthetic_run import key, provenance

from harness.compare.letter import results_text
from harness.compare.plan import PATCHED
from harness.compare.plan_text import parse_plan
from harness.compare.results import KernelFacts, Results

ARMS = """
[[arms]]
name = "clears"
policy = "clear"
[[arms]]
name = "whole"
before = "compact_memory"
"""


def compared(*, key_schema_step: int = 0) -> Results:
    results = results_of(
        parse_plan(TEXT + ARMS, "made-up"),
        {
            "one": {
                "off": [outcome(blocks=1, scanned=1000), outcome(blocks=2, scanned=3000)],
                "new": [outcome(blocks=77, scanned=7777)],
                "clears": [outcome(blocks=30, scanned=12345)],
                "whole": [outcome(blocks=28, scanned=6)],
            },
            "two": {"off": [outcome(blocks=5, scanned=0)]},
        },
    )
    facts = KernelFacts(variant=PATCHED, key=key(), provenance=provenance())
    kernels = replace(
        results.kernels, kernels=(facts,), key_schema=results.kernels.key_schema + key_schema_step
    )
    return replace(results, kernels=kernels)


def test_medians_stand_in_columns() -> None:
    text = results_text({"policy-5.15": compared()}, "5.15")
    rows = [line.split() for line in text.splitlines()]
    bound = str(outcome(blocks=0).bound.blocks)

    assert ["bound", "off", "scanned", "clears", "scanned", "whole", "scanned"] in rows
    assert ["one", bound, "1.5", "2,000", "30", "12,345", "28", "6"] in rows
    assert ["two", bound, "5", "0", "-", "-", "-", "-"] in rows
    assert "77" not in text
    assert "From docs/results/policy-5.15, made with\n  Linux 5.15.180-buddylab (" in text
    assert "medians of 4 seeds" in " ".join(text.split())
    assert all(len(line) <= 78 for line in text.splitlines())
    assert text.endswith("\n")


def test_age_of_results_is_told() -> None:
    assert "earlier state" not in results_text({"a": compared()}, "5.15")
    assert "earlier state of the series" in results_text(
        {"a": compared(key_schema_step=-1)}, "5.15"
    )


def test_other_comparisons_are_named_with_their_question() -> None:
    other = results_of(plan_of(), {"one": {"off": [outcome(blocks=1)]}})
    text = results_text({"policy-5.15": compared(), "e9-5.15": other}, "5.15")

    assert text.endswith(
        "Also compared, with the report in each folder:\n\n- docs/results/e9-5.15: a trial\n"
    )


def test_no_results_are_told() -> None:
    assert results_text({}, "6.12") == "There are no results for Linux 6.12 yet.\n"
