# SPDX-License-Identifier: GPL-2.0-only
"""What the guest's modules and scripts, QEMU and the harness must agree on, each once in Python.

The same numbers stand in C and shell, where they are enforced; tests/unit/test_shared_facts.py
compares them. What they rule out is refused here before anything is built.
"""

# kmod/high_order_test.c, HIGH_ORDER_*
REQUESTS_MAX = 65536
PAUSE_MS_MAX = 3_600_000
# vm/guest/scripts/run_stage.sh: a stage's deadline, in guest seconds.
DEADLINE_S_MAX = 999_999
# QEMU's -seed, and the guest's programs' (vm/guest/comb.h).
SEED_MAX = 2**32 - 1
# kmod/turns.c, schedule.
SCHEDULE_MAX = 2**32 - 1
# QEMU's -icount shift=N (accel/tcg/icount-common.c, MAX_ICOUNT_SHIFT).
ICOUNT_SHIFT_MAX = 10
# What a sysctl of the kernel's holds, an unsigned long (kernel/sysctl.c proc_doulongvec_minmax).
SYSCTL_MAX = 2**64 - 1
# The least memory that a guest boots with, in MiB, and the most that x86-64 addresses (2^52 bytes).
MEMORY_MIB_MIN = 256
MEMORY_MIB_MAX = 2**32
# How many runs, boots or guests anybody can mean: lists are made of them.
COUNT_MAX = 1_000_000
# What a guest may have of CPUs: they take turns on one of the host's.
CPUS_MAX = 8
# What a guest may have of memory nodes (vm/config/nodes.config: NODES_SHIFT), and the least memory
# of each, in MiB: below it a node's zones keep back more than they give.
NODES_MAX = 8
NODE_MIB_MIN = 128
# The largest block of the allocator, in MiB.
LARGEST_BLOCK_MIB = 4
# What q35 has below its hole for devices, in whole GiB: more is above 4 GiB, as ZONE_NORMAL.
BELOW_4_GIB_MIB = 2048
# The size of a memory block that x86-64 adds and takes away (MIN_MEMORY_BLOCK_SIZE), in MiB.
HOTPLUG_STEP_MIB = 128

# kmod/reallocate.c
ROUNDS_MAX = 1000

# kmod/unmovable_comb.c: taking ends while so much is free, in MiB.
COMB_RESERVE_MIB = 16

# kmod/torture_hammer.c: pairs of allocation and release, of a CPU's threads and of a task with
# its interrupts.
HAMMER_THREADS = 2
HAMMER_PAIRS = 4000
HAMMER_IRQ_PAIRS = 40000
HAMMER_IRQ_SHOTS = 4000

# What a guest may send to one of its ports, or leave unpacked of what it sent. A main job's results
# are 3 MiB, its console 100 KiB.
GUEST_FILE_BYTES_MAX = 256 << 20

# I/O ports by which a guest holds itself (a debug console) and stops itself (pvpanic), and the
# third serial line, of its status.
FREEZE_PORT = 0x505
STOP_PORT = 0x506
STATUS_PORT = 0x3E8
# kmod/cross_check_free.c: zeros behind the text of a guest that holds itself.
FILLER_BYTES = 16384
