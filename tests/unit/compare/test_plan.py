# SPDX-License-Identifier: GPL-2.0-only
"""Plans: read strictly, and turned into the texts that guests get."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.compare import plan as plans
from harness.compare.plan import PATCHED, UNPATCHED, Action, Arm, Variant
from harness.compare.plan_text import parse_plan, with_number
from harness.compare.states import EASY, STATE_NUMBERS, is_state
from harness.compare.sweep_cost import cost_told
from harness.errors import UserError
from harness.jobs.plan_file import read_plan
from harness.pipeline import KernelRequest
from harness.texts.proc.sysctl import Knob

# They tell whether and how fast the instrument works, nothing of a policy.
TRIALS = {"smoke", "debug", "bench", "bench_edit", "turns"}
# By which others' kernels are judged: what a developer has time for after an edit.
JUDGING = {"judge", "judge_small"}
# To write it sets kcompactd to work, so that only arms that are about it do: docs/comparisons.md.
WAKES = {"vm.compaction_proactiveness"}
PLANS = sorted(Path("vm/plans").glob("*.toml"))
SMALL = """
name = "small"
why = "a trial"
memory_mib = 512
seeds = [7, 3]
baseline = "off"
[[states]]
name = "one"
prepare = "make {seed} in {memory_mib}"
[[states]]
name = "two"
prepare = "make"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "off"
sysctls = { "vm.b" = 0, "vm.a" = 1 }
[[arms]]
name = "bare"
kernel = "unpatched"
gfp = "retry_mayfail"
before = "compact_memory"
"""


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_plans_of_the_project_are_valid(path: Path) -> None:
    plan = read_plan(path)
    assert plan.name == path.stem
    assert plan.name in TRIALS | JUDGING or len(plan.seeds) >= 20


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_arms_of_one_memory_write_the_same_knobs(path: Path) -> None:
    knobs = {(arm.kernel, frozenset(arm.settings) - WAKES) for arm in read_plan(path).arms}
    kernels = [kernel for kernel, _ in knobs]
    assert len(kernels) == len(set(kernels))


def test_a_seeds_boots_stand_together_and_kernels_apart() -> None:
    plan = parse_plan(SMALL, "small")
    groups = plans.groups(plan)
    assert [(one.seed, one.state.name, one.variant) for one in groups[:4]] == [
        (7, "one", PATCHED),
        (7, "one", UNPATCHED),
        (7, "two", PATCHED),
        (7, "two", UNPATCHED),
    ]
    assert [one.arm.name for one in plans.runs(plan, groups[1])] == ["bare"]


def test_the_guest_is_told_the_seed_and_the_memory() -> None:
    plan = parse_plan(SMALL, "small")
    assert plans.state_stage(plan, plans.groups(plan)[0]).command == "make 7 in 512"


def commands(plan: plans.Plan) -> str:
    """Show what the guests of a plan's first seed are told."""
    lines = [f"# {plan.name}"]
    for state in plan.states:
        group = plans.Group(variant=PATCHED, state=state, seed=plan.seeds[0])
        lines.append(f"{state.name}: {plans.state_stage(plan, group).command}")
    lines += [
        f"{burst.name} {arm.name}: {plans.arm_command(plan, arm, burst)}"
        for burst in plan.bursts
        for arm in plan.arms
    ]
    return "".join(f"{line}\n" for line in lines)


def test_what_guests_are_told_stays(golden: Callable[[str, str], None]) -> None:
    """Those words are part of each arm's key: one changed, and old arms do not replay."""
    golden("plan-commands.txt", "\n".join(commands(read_plan(path)) for path in PLANS))


def test_a_state_made_by_name_is_the_same_experiment_as_by_command() -> None:
    by_name = parse_plan(SMALL.replace('prepare = "make"', 'make = "movable_8"'), "small")
    command = "bash scripts/make_state.sh movable_8 seed={seed} start"
    by_command = parse_plan(SMALL.replace('prepare = "make"', f'prepare = "{command}"'), "small")

    assert by_name != by_command
    assert by_name.experiment == by_command.experiment
    assert by_name.experiment.states[1] != by_name.experiment.states[0]


def test_commands_follow_the_making_of_a_state() -> None:
    state = msgspec.structs.replace(parse_plan(SMALL, "small").states[0], make="easy")

    assert state.command == (
        "bash scripts/make_state.sh easy seed={seed} start && make {seed} in {memory_mib}"
    )


def test_plans_know_the_states_that_the_guests_script_makes() -> None:
    script = Path("vm/guest/scripts/make_state.sh").read_text()
    found = re.search(r"^\[\[ \$name =~ (\^.*\$) \]\]", script, re.MULTILINE)
    assert found
    known = re.compile(found[1])
    candidates = [
        EASY,
        *(f"{family}_{number}" for family in STATE_NUMBERS for number in range(130)),
        *("", "movable", "movable_", "movable_02", "easy_1", "other_3", "mixed_100 "),
    ]

    assert [name for name in candidates if is_state(name) != bool(known.fullmatch(name))] == []
    assert sum(map(is_state, candidates)) > 100


def test_an_arms_command_names_its_knobs_in_a_fixed_order() -> None:
    plan = parse_plan(SMALL, "small")
    off, bare = plan.arms
    assert plans.arm_command(plan, off, plan.bursts[0]) == (
        "bash scripts/run_arm.sh --sysctl vm.a=1 --sysctl vm.b=0 --settle 1 10 128 1 kernel 512"
    )
    assert bare.before is Action.COMPACT_MEMORY
    assert "--before compact_memory --settle 1 10 128 1 retry_mayfail 512" in plans.arm_command(
        plan, bare, plan.bursts[0]
    )


def test_all_arm_texts_are_equally_long() -> None:
    lengths = {len(plans.padded(text)) for text in ("", "arm\t-\n", "x" * 500)}
    assert lengths == {plans.ARM_TEXT_BYTES}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = [7, 3]", "seeds = [7, 7]", "given twice"),
        ("seeds = [7, 3]", "seeds = []", "none"),
        ('baseline = "off"', 'baseline = "of"', "'of' is no arm"),
        ("order = 10", "order = 11", "outside 0..10"),
        ('prepare = "make"', 'make = "movable_5"', "'movable_5' is no state of"),
        ('prepare = "make"', "", "no command of one line"),
        ('gfp = "retry_mayfail"', 'gpf = "retry_mayfail"', "gpf"),
        ('kernel = "unpatched"', 'kernel = "other"', "other"),
        ('kernel = "unpatched"', 'kernel = "discarded-../x"', "discarded-NAME"),
        ('"vm.b" = 0', '"vm.b; reboot" = 0', "no sysctl"),
        ('name = "two"', 'name = "one"', "named twice"),
        ('name = "two"', 'name = "../two"', "not of a-z"),
        ("memory_mib = 512", "memory_mib = 100", "less than"),
        ("memory_mib = 512", "memory_mib = ", "correct the plan"),
        ("memory_mib = 512", f"memory_mib = {2**32 + 1}", f"outside 256..{2**32}"),
        ("memory_mib = 512", "memory_mib = 512\nicount_shift = -1", "outside 0..10"),
        (
            "order = 10",
            "order = 10\nbackground_load = -1",
            "ten: background_load = -1 is outside 0..",
        ),
        ("order = 10", "order = 10\nbystander = 20", "unknown field `bystander`"),
        ("seeds = [7, 3]", f"seeds = {'[' * 5000}", "correct the plan"),
        ("seeds = [7, 3]", f"seeds = [{'9' * 5000}]", "correct the plan"),
        ('"vm.b" = 0', f'"vm.b" = {2**64}', f"vm.b = {2**64} is outside 0..{2**64 - 1}"),
        (
            '"vm.b" = 0',
            f'"{Knob.THRESHOLD_PCT}" = 101',
            f"{Knob.THRESHOLD_PCT} = 101 is outside 0..100",
        ),
        ('"vm.b" = 0', f'"{Knob.MODE}" = 6', f"{Knob.MODE} = 6 is outside 0..5"),
        (
            'kernel = "unpatched"',
            'policy = { mode = "late", min_order = 0 }',
            f"{Knob.MIN_ORDER} = 0 is outside 1..10",
        ),
        (
            'kernel = "unpatched"',
            'policy = { mode = "late", cutoff = 11 }',
            f"{Knob.CUTOFF} = 11 is outside 1..10",
        ),
        ("order = 10", "order = 0", "asks for the 131072 blocks of 512 MiB, and the most is 65536"),
    ],
)
def test_a_wrong_plan_is_refused(old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(UserError, match="correct the plan") as error:
        parse_plan(SMALL.replace(old, new, 1), "small")
    assert said in str(error.value)


def test_settings_that_do_not_fit_are_refused() -> None:
    many = ", ".join(f'"vm.knob_{number}" = {number}' for number in range(60))
    with pytest.raises(UserError, match="too long"):
        parse_plan(SMALL.replace('"vm.b" = 0, "vm.a" = 1', many), "small")


def test_a_plan_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(SMALL.replace("one", "\xf6ne").encode("latin-1"))
    with pytest.raises(UserError, match="plan.toml cannot be read"):
        read_plan(path)


def test_an_absent_plan_is_named() -> None:
    with pytest.raises(UserError, match="nowhere.toml cannot be read"):
        read_plan(Path("nowhere.toml"))


KERNELS = (
    SMALL.replace('kernel = "unpatched"', 'kernel = "mine"')
    + """
[[kernels]]
name = "mine"
source = "debian:6.1"
changes = ["patches/series", "fix.patch"]
config = "my.config"
"""
)


def test_a_plan_describes_kernels_of_its_own() -> None:
    plan = parse_plan(KERNELS, "small")
    mine = plan.kernel(plans.Variant("mine"))

    assert mine is not None
    assert mine.changes == ("patches/series", "fix.patch")
    assert plan.kernel(PATCHED) is None
    assert [group.variant for group in plans.groups(plan)[:2]] == [PATCHED, "mine"]


def test_where_kernels_come_from_is_no_part_of_the_experiment() -> None:
    """What runs is told by the kernels' keys: a patch that was renamed runs the same."""
    plan = parse_plan(KERNELS, "small")
    renamed = parse_plan(KERNELS.replace("fix.patch", "fix-v2.patch"), "small")

    assert plan != renamed
    assert plan.experiment == renamed.experiment


def test_kernels_of_a_plan_become_requests() -> None:
    plan = parse_plan(KERNELS, "small")
    asked = KernelRequest(kernel="5.15.180")
    mine = asked.of_arm(plan, plans.Variant("mine"))

    assert (mine.kernel, mine.upto) == ("debian:6.1", "0")
    assert mine.changes == ("patches/series", "fix.patch")
    assert mine.config == Path("my.config")
    assert asked.of_arm(plan, PATCHED) == asked
    assert asked.of_arm(plan, UNPATCHED).upto == "0"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', 'name = "yours"', "none of its [[kernels]] (yours), nor patched"),
        ('"mine"', '"patched"', "'patched' is there without [[kernels]]"),
        ("[[kernels]]", '[[kernels]]\nname = "more"\n[[kernels]]', "'more' is of no arm"),
        ('"fix.patch"]', '""]', "a change has no name"),
        ("config =", "confg =", "unknown field `confg`"),
        ('config = "my.config"', '[[kernels]]\nname = "mine"', "named twice"),
    ],
)
def test_kernels_that_do_not_fit_are_refused(old: str, new: str, said: str) -> None:
    assert old in KERNELS
    with pytest.raises(UserError, match="correct the plan") as error:
        parse_plan(KERNELS.replace(old, new), "small")
    assert said in str(error.value)


def test_an_arm_needs_no_more_than_a_name() -> None:
    assert Arm(name="plain").kernel == PATCHED


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ('policy = "clear"', "--sysctl vm.adaptive_compaction_mode=5 "),
        (
            'policy = { mode = "early", threshold_pct = 20, cutoff = 4 }',
            (
                "--sysctl vm.adaptive_compaction_cutoff=4 --sysctl vm.adaptive_compaction_mode=2 "
                "--sysctl vm.adaptive_compaction_threshold=20 "
            ),
        ),
        (
            'policy = "off"\nsysctls = { "vm.compaction_proactiveness" = 100 }',
            "--sysctl vm.adaptive_compaction_mode=0 --sysctl vm.compaction_proactiveness=100 ",
        ),
    ],
)
def test_a_policy_s_words_are_what_the_guest_writes(said: str, written: str) -> None:
    plan = parse_plan(f'{SMALL}[[arms]]\nname = "new"\n{said}\n', "a plan")

    assert written in plans.arm_command(plan, plan.arms[-1], plan.bursts[0])


def test_a_policy_that_there_is_not_is_refused() -> None:
    said = 'policy = "strict"'
    with pytest.raises(UserError, match="off, late, early, light, last, clear"):
        parse_plan(f'{SMALL}[[arms]]\nname = "new"\n{said}\n', "a plan")


KINDS = {
    "thp": "--kind thp 9 256 1 7",
    "mthp": "--kind mthp 9 256 1 7",
    "hugetlb": "--kind hugetlb 9 256 1 7",
    "module": "9 256 1 kernel 512",
}


def of_kind(kind: str, order: int = 9, arm: str = "") -> str:
    text = SMALL.replace("order = 10", f'order = {order}\nkind = "{kind}"', 1)
    return text.replace('gfp = "retry_mayfail"', arm, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_burst_of_another_kind_is_told_in_its_words_and_with_the_seed(kind: str) -> None:
    plan = parse_plan(of_kind(kind), "a plan")
    (run, *_) = plans.runs(plan, plans.groups(plan)[0])

    assert plans.arm_stage(plan, run).command.endswith(f" {KINDS[kind]}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (of_kind("thp", order=10), "ten: order = 10 is outside 9..9 of kind thp"),
        (of_kind("mthp", order=1), "ten: order = 1 is outside 2..9 of kind mthp"),
        (of_kind("hugetlb", order=3), "ten: order = 3 is outside 9..9 of kind hugetlb"),
        (of_kind("gigantic"), "gigantic"),
        (of_kind("thp", arm='gfp = "noretry"'), "gfp says nothing to burst ten of kind thp"),
        (of_kind("hugetlb", arm='thp_defrag = "never"'), "thp_defrag says nothing"),
        (of_kind("module", arm='thp_defrag = "never"'), "thp_defrag says nothing"),
        (of_kind("thp", arm='thp_defrag = "sometimes"'), "sometimes"),
    ],
)
def test_what_a_kind_does_not_take_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError, match="correct the plan") as error:
        parse_plan(text, "a plan")
    assert told in str(error.value)


def test_what_faults_may_do_is_written_before_the_guest_settles() -> None:
    plan = parse_plan(of_kind("thp", arm='thp_defrag = "defer+madvise"'), "a plan")

    assert "--thp-defrag defer+madvise --before compact_memory --settle 1" in plans.arm_command(
        plan, plan.arms[-1], plan.bursts[0]
    )


def test_faults_may_compact_as_kernels_let_them_and_other_requests_are_told_nothing() -> None:
    said = {
        kind: plans.arm_command(plan, plan.arms[0], plan.bursts[0])
        for kind in ("thp", "mthp", "module")
        for plan in [parse_plan(of_kind(kind), kind)]
    }

    # Not left to the kernel, which with less than 512 MiB boots with `never`.
    assert "--thp-defrag madvise" in said["thp"]
    assert "--thp-defrag madvise" in said["mthp"]
    assert "--thp-defrag" not in said["module"]


def test_only_sizes_below_a_pmd_need_statistics_of_the_kernel() -> None:
    needs = {kind: parse_plan(of_kind(kind), kind).needs for kind in KINDS}

    assert [kind for kind, needed in needs.items() if needed] == ["mthp"]
    assert needs["mthp"][0].text == "MTHP_STAT_ANON_FAULT_ALLOC"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "small"', 'name = "a\\u0000b"', "name"),
        ("seeds = [7, 3]", "seeds = [99999999999999999999999]", "seed 99999999999999999999999"),
        ("seeds = [7, 3]", "seeds = [-1]", "seed -1"),
        ("seeds = [7, 3]", "seeds = []", "none"),
        ('baseline = "off"', 'baseline = "off"\nicount_shift = 99', "icount_shift = 99"),
        ('baseline = "off"', 'baseline = "off"\nicount_shift = -1', "icount_shift = -1"),
        ('baseline = "off"', 'baseline = "off"\nsettle_s = -5', "settle_s = -5"),
        ('baseline = "off"', 'baseline = "off"\nsettle_s = 600', "settle_s = 600"),
        ("order = 10", "order = 10\nrequests = -5", "requests = -5"),
        ("order = 10", "order = 10\nrequests = 65537", "requests = 65537"),
        ("order = 10", "order = 10\ndeadline_s = 0", "deadline_s = 0"),
        ('prepare = "make"', 'prepare = "make"\ndeadline_s = -1', "deadline_s = -1"),
        ('prepare = "make"', 'prepare = " "', "no command"),
        ('prepare = "make"', 'prepare = "a\\nb"', "no command"),
        ('gfp = "retry_mayfail"', 'gfp = "bogus"', "gfp 'bogus'"),
        ('"vm.a" = 1', '"vm.a" = -1', "vm.a = -1"),
        (
            'gfp = "retry_mayfail"',
            'policy = "off"\nsysctls = { "vm.adaptive_compaction_mode" = 5 }',
            "said twice",
        ),
    ],
)
def test_a_value_that_no_guest_takes_is_refused(old: str, new: str, told: str) -> None:
    assert old in SMALL
    with pytest.raises(UserError, match=re.escape(told)):
        parse_plan(SMALL.replace(old, new, 1), "a plan")


def test_modes_that_a_kernels_arms_ask_for() -> None:
    text = (Path("vm/plans") / "designs.toml").read_text()
    plan = parse_plan(text, "designs")

    assert plan.modes_of(UNPATCHED) == ()
    assert "clear" in plan.modes_of(PATCHED)
    assert plan.modes_of(Variant("discarded-sweep")) == ("clear",)


@pytest.mark.parametrize("cpus", [0, 9])
def test_cpus_that_no_guest_has_are_refused(cpus: int) -> None:
    with pytest.raises(UserError, match=f"cpus = {cpus} is outside 1..8"):
        parse_plan(with_number(of_kind("module"), "cpus", cpus), "a plan")


def test_a_plan_is_given_other_cpus() -> None:
    text = of_kind("module")
    two = with_number(text, "cpus", 2)

    assert parse_plan(text, "a plan").cpus == 1
    assert parse_plan(two, "a plan").cpus == 2
    assert parse_plan(with_number(two, "cpus", 4), "a plan").cpus == 4
    assert with_number(two, "cpus", None) == two
    assert msgspec.structs.replace(parse_plan(two, "a plan"), cpus=1) == parse_plan(text, "a plan")


IN_TURNS = """
name = "small"
why = "a trial"
memory_mib = 512
cpus = 2
seeds = [7]
baseline = "off"
[[states]]
name = "one"
prepare = "make"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "off"
"""


def in_turns(burst: str = "", arm: str = "") -> plans.Plan:
    text = IN_TURNS.replace("order = 10\n", f"order = 10\n{burst}\n")
    return parse_plan(f"{text}{arm}\n", "small")


@pytest.mark.parametrize(
    ("burst", "arm", "told"),
    [
        ("", "schedule = 3", "--schedule 3"),
        ("", "schedule = 0", "--schedule 0"),
        ("cpu = 1", "", "--cpu 1"),
        ('background = "faults"', "", "--background faults"),
        (
            'cpu = 0\nbackground = "cache_reads"\nbackground_cpu = 1',
            "schedule = 7",
            "--schedule 7 --cpu 0 --background cache_reads --background-cpu 1",
        ),
    ],
)
def test_an_arm_in_turns_is_run_by_their_script(burst: str, arm: str, told: str) -> None:
    plan, plain = in_turns(burst, arm), in_turns()
    words = plans.arm_command(plan, plan.arms[0], plan.bursts[0])
    without = plans.arm_command(plain, plain.arms[0], plain.bursts[0])

    assert words == f"bash turns/in_turns.sh {told} {without}"
    assert plan.asks_for_turns
    assert not plain.asks_for_turns
    assert "turns" not in without


@pytest.mark.parametrize(
    ("burst", "arm", "said"),
    [
        ("", "schedule = -1", r"schedule = -1 is outside 0\.\."),
        ("", "schedule = 4294967296", r"schedule = 4294967296 is outside"),
        ("cpu = 2", "", r"burst ten: cpu = 2 is not there: the plan's guests have CPUs 0\.\.1"),
        ("cpu = -1", "", "cpu = -1 is not there"),
        ('background = "faults"\nbackground_cpu = 5', "", "background_cpu = 5 is not there"),
        ("background_cpu = 1", "", "background_cpu = 1 is of no background"),
        ('background = "faults"\nbackground_load = 9', "", "are both said; say one"),
        ('background = "sleeps"', "", "background"),
    ],
)
def test_what_no_guest_can_do_in_turns_is_refused(burst: str, arm: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        in_turns(burst, arm)


def test_guests_of_one_cpu_take_no_turns() -> None:
    text = IN_TURNS.replace("cpus = 2", "cpus = 1") + "schedule = 3\n"

    with pytest.raises(UserError, match="says nothing to guests of one CPU"):
        parse_plan(text, "small")


def test_only_kernels_of_arms_in_turns_have_guests_with_what_they_need() -> None:
    request = KernelRequest(kernel="x")

    assert request.of_arm(in_turns("cpu = 0"), PATCHED).turns
    assert not request.of_arm(in_turns(), PATCHED).turns


def test_what_a_plan_costs_is_told_before_it_runs() -> None:
    assert (
        cost_told(read_plan(Path("vm/plans/smoke.toml")))
        == "4 arms from 2 boots: about 0.003 core hours, at 2.4 s an arm"
    )
