# SPDX-License-Identifier: GPL-2.0-only
"""x86-64: QEMU's q35 with its emulated CPU `max`."""

from harness.arch import Architecture

X86_64 = Architecture(
    kbuild="x86",
    debian="x86_64-linux-gnu",
    loader_folder="lib64",
    kernel_image="vmlinux",  # by its PVH entry: spares the guest the decompressor
    qemu_program="qemu-system-x86_64",
    qemu_package="qemu-system-x86",
    qemu_needs=("qemu-system-common", "qemu-system-data", "seabios"),
    # SeaBIOS, QEMU's loaders for -kernel, and the APIC helper of KVM guests.
    firmware=("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin", "pvh.bin"),
    # q35: microvm hangs now and then with two CPUs under TCG. Without the controllers that
    # nothing is attached to, the firmware and the kernel have less to search.
    machine="q35,sata=off,smbus=off,usb=off,vmport=off",
    cpu="max",
    # The two instructions that return the host's randomness. And ERMS, for the kernel would
    # then clear pages by "rep stosb": TCG executes that byte by byte.
    cpu_off=("rdrand", "rdseed", "erms"),
    # What else makes the kernel copy and clear by "rep movsb" and "rep stosb". FSRM must not
    # stay on alone: it takes memmove's test for short lengths away, counting on ERMS to take
    # the loop behind it away too (arch/x86/lib/memmove_64.S, "FSRM implies ERMS"), and a copy
    # of less than 32 bytes then goes on over all memory. 7.2's `max` has none, 8.2's has it.
    cpu_off_where_on=("fsrm", "fzrm", "fsrs", "fsrc"),
    network_card="e1000",
    # No boot ROM: the firmware would search the network for something to start.
    network_card_options=("netdev=net0", "romfile="),
    # It takes the card two seconds to find out that it has a link. QEMU 10 has no such property.
    network_card_where_known=("autonegotiation=off",),
    console="ttyS0",
)
