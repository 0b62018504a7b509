# SPDX-License-Identifier: GPL-2.0-only
"""Numbers that disagree by one: check, stage, file, what is replaced, by what."""

from synthetic_cross_checks import CALM, RAISED

FINAL = "high_order_final"
CROSS_CHECK = "after/cross_check"
# The row of order 10 in each table after the last stage; what is before it stays as it is.
STEPS = "after/monitor_success_by_step"
LAST_RESORT = "after/monitor_last_resort"
REASONS = "after/monitor_fail_by_reason"
RESULTS = "after/monitor_compact_by_result"

RECONCILE_MUTANTS = (
    ("monitor-was-not-switched", FINAL, "after/monitor_switches", "0", "2"),
    ("monitor-was-not-switched", FINAL, "after/sysctl", "^", "vm.buddy_monitor=0\n"),
    ("steps-sum-to-success", FINAL, STEPS, "^10 105", "10 104"),
    ("steps-sum-to-success", FINAL, STEPS, r"^2 (\d+) 0", r"2 \1 10"),
    ("steps-sum-to-success", FINAL, CROSS_CHECK, r"^(monitor step_nofail) 0", r"\1 1"),
    ("reasons-sum-to-fail", FINAL, REASONS, "^10 0 0 0", "10 0 0 1"),
    ("reasons-sum-to-fail", FINAL, CROSS_CHECK, r"^(monitor fail_costly) 0", r"\1 1"),
    # a request whose outcome nobody traced, and an event for no request
    ("requests-match-trace-events", FINAL, "after/hist_alloc", r"(10 \} \S+ +)144", r"\g<1>143"),
    ("requests-match-trace-events", FINAL, "after/hist_alloc", "Dropped: 0", "Dropped: 1"),
    ("requests-match-trace-events", FINAL, "after/monitor_in_flight", "^10 0", "10 1"),
    ("requests-match-trace-events", FINAL, CROSS_CHECK, r"^(refused 0 0) 0", r"\1 1"),
    ("requests-match-trace-events", FINAL, CROSS_CHECK, r"^(allocated.*) 144$", r"\1 145"),
    ("requests-match-trace-events", FINAL, CROSS_CHECK, r"^(monitor step_bulk) 0", r"\1 1"),
    ("requests-match-trace-events", FINAL, CROSS_CHECK, r"^(monitor req .*) 145$", r"\1 146"),
    ("requests-match-trace-events", FINAL, CROSS_CHECK, r"^(monitor req .*) 145$", r"\1 144"),
    # a fast request counted in the slowpath too, and one that was counted nowhere
    ("fast-path-is-what-the-slowpath-missed", FINAL, STEPS, "^10 105", "10 104"),
    ("fast-path-is-what-the-slowpath-missed", FINAL, STEPS, "^10 105", "10 106"),
    (
        "fast-path-is-what-the-slowpath-missed",
        FINAL,
        CROSS_CHECK,
        r"^(monitor slowpath 0 0) 0",
        r"\1 1",
    ),
    ("texts-show-what-was-counted", FINAL, "after/buddy_monitor", "40 40 38 71", "40 38 40 71"),
    ("texts-show-what-was-counted", FINAL, RESULTS, "^10 1 39 0", "10 1 39 1"),
    ("decisions-recompute", FINAL, "after/buddy_monitor", r"^(4 .*) 0$", r"\1 7"),
    ("compact-splits-into-skipped-and-stall", FINAL, RESULTS, "^10 1 39", "10 0 39"),
    ("compact-splits-into-skipped-and-stall", FINAL, RESULTS, "39 0 39 0", "39 0 38 0"),
    ("compact-splits-into-skipped-and-stall", FINAL, RESULTS, "39 0 39 0", "39 40 39 0"),
    (
        "compact-splits-into-skipped-and-stall",
        FINAL,
        CROSS_CHECK,
        r"^(monitor compact_skipped .*) 1$",
        r"\1 0",
    ),
    (
        "compact-splits-into-skipped-and-stall",
        FINAL,
        CROSS_CHECK,
        r"^(monitor compact_fail .*) 0$",
        r"\1 1",
    ),
    ("compaction-matches-vmstat", FINAL, RESULTS, "^10 1 39", "10 0 40"),
    ("compaction-matches-vmstat", FINAL, RESULTS, "39 0$", "38 1"),
    ("compaction-matches-vmstat", FINAL, CROSS_CHECK, "compact_fail=0", "compact_fail=1"),
    ("compaction-matches-vmstat", FINAL, CROSS_CHECK, "compact_stall=39", "compact_stall=38"),
    (
        "attempts-match-compaction-tracepoint",
        FINAL,
        "after/hist_compact",
        r"(prio: +2 \} \S+ +)2",
        r"\g<1>1",
    ),
    (
        "attempts-match-compaction-tracepoint",
        FINAL,
        CROSS_CHECK,
        r"^(compact_call prio=2 .*) 2$",
        r"\1 3",
    ),
    (
        "attempts-match-compaction-tracepoint",
        FINAL,
        CROSS_CHECK,
        r"^(compact_call prio=1 0) 0",
        r"\1 1",
    ),
    # the last resort at work, or serving, where the policy has none
    ("last-resort-serves-what-it-made", FINAL, LAST_RESORT, "^10 0", "10 1"),
    ("last-resort-serves-what-it-made", FINAL, LAST_RESORT, "^4 0 0 0 0 0 0", "4 0 0 0 0 0 1"),
    ("last-resort-serves-what-it-made", FINAL, LAST_RESORT, "^2 0 0", "2 0 1"),
    ("last-resort-serves-what-it-made", FINAL, STEPS, "^(10 .*) 0 0 0 0$", r"\1 1 0 0 0"),
    # ranges emptied without a try
    ("last-resort-keeps-its-bounds", FINAL, LAST_RESORT, "^10 0 0 0", "10 0 0 1"),
    # adaptive counted where the priority was not raised
    ("priorities-match-policy", FINAL, CROSS_CHECK, r"^(compact_call prio=0 .*) 38$", r"\1 37"),
    # ... raised, and never counted
    ("priorities-match-policy", FINAL, CROSS_CHECK, r"^(monitor adaptive .*) 38$", r"\1 0"),
    # ... all decided to be raised, but two calls were not
    (
        "priorities-match-policy",
        FINAL,
        "after/decisions",
        f"{CALM}\n(.*){CALM}",
        rf"{RAISED}\n\1{RAISED}",
    ),
    (
        "metric-matches-unusable-index",
        "baseline",
        "after/monitor_frag_pct",
        r"^(Node 0, zone DMA \d+) \d+ ",
        r"\1 99 ",
    ),
    (
        "metric-matches-unusable-index",
        "baseline",
        "after/unusable_index",
        r"0\.[2-9]\d\d $",
        "0.999 ",
    ),
    ("decisions-recompute", FINAL, "after/decisions", "frag_pct=71", "frag_pct=72"),
    # at the threshold is not above it
    ("decisions-recompute", FINAL, "after/decisions", "frag_pct=50 mode=0", "frag_pct=50 mode=2"),
    ("decisions-recompute", FINAL, "after/decisions", "frag_pct=71 mode=2", "frag_pct=71 mode=1"),
    ("decisions-recompute", FINAL, "after/decisions", "frag_pct=71 mode=2", "frag_pct=71 mode=0"),
    ("decisions-recompute", FINAL, "after/decisions", "threshold=50", "threshold=71"),
    ("decisions-recompute", FINAL, "after/decisions", "threshold=50", "threshold=51"),
    ("decisions-recompute", FINAL, "after/decisions", "cutoff=3", "cutoff=2"),
    ("decisions-recompute", FINAL, "after/decisions", "order=10", "order=2"),
    # the policy deciding for requests that asked to be spared, or may not do I/O
    ("decisions-recompute", FINAL, "after/decisions", "gfp=11456", f"gfp={11456 | 0x10000}"),
    ("decisions-recompute", FINAL, "after/decisions", "gfp=11456", f"gfp={11456 & ~0x40}"),
    # ... and not deciding for one it should
    ("decisions-recompute", FINAL, CROSS_CHECK, r"^(decisions .*) 40$", r"\1 39"),
    ("decisions-recompute", FINAL, "after/buddy_monitor", "40 40 38 71", "40 40 38 70"),
    ("decisions-recompute", FINAL, CROSS_CHECK, r"^(decisions .*) 40$", r"\1 41"),
    (
        "slowpath-latency-counts-slowpaths",
        FINAL,
        "after/monitor_slowpath_latency",
        "^(10 .*) 40 ",
        r"\1 39 ",
    ),
)
