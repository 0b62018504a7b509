# SPDX-License-Identifier: GPL-2.0-only
"""Stands in for qemu-system-x86_64: writes what a guest would, or fails as one does.

Its version and where its firmware lies are told by the shell that starts it
(tests/shared/fake_guest.py): every test asks for both. The scenario is in $BUDDYLAB_FAKE_QEMU;
$BUDDYLAB_FAKE_QEMU_LOG gets one line per start: argv and own pid.
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import socket  # noqa: TID251 - the monitor's
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PANIC = """[    1.000000] BUG: unable to handle page fault for address: 0000000000001000
[    1.000000] Oops: 0002 [#1] SMP
[    1.000000] RIP: 0010:buddy_monitor_count+0x12/0x30
[    1.100000] Kernel panic - not syncing: Fatal exception
[    1.100000] Rebooting in 1 seconds..
"""


# As 7.2 has it: max knows fsrm and does not turn it on.
CPU = '{"rdrand": true, "rdseed": false, "erms": true, "fsrm": false, "la57": true}'
REGISTERS = """
CPU#0
RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000
RIP=ffffffff81000010 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
"""
TRACES = """[    9.000000] Uhhuh. NMI received for unknown reason 21 on CPU 0.
[    9.000001] Kernel panic - not syncing: NMI: Not continuing
[    9.000002] CPU: 0 PID: 1 Comm: init Not tainted 6.1.192 #1
[    9.000003] RIP: 0010:fault_hang+0x3/0x10
"""
GREETING = {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}


def main() -> int:
    """Answer the questions, or be a guest."""
    if "-sandbox" in sys.argv and os.environ["BUDDYLAB_FAKE_QEMU"] == "knows-no-sandbox":
        sys.stderr.write("qemu-system-x86_64: -sandbox: support is not enabled in this binary\n")
        return 1
    if sys.argv[sys.argv.index("-machine") + 1] == "none":
        return expand_cpu(
            monitor_of(sys.argv), json.loads(os.environ.get("BUDDYLAB_FAKE_QEMU_CPU", CPU))
        )
    if log := os.environ.get("BUDDYLAB_FAKE_QEMU_LOG"):
        with Path(log).open("a") as file:
            file.write(json.dumps({"argv": sys.argv[1:], "pid": os.getpid()}) + "\n")
    return Guest(sys.argv[1:]).play(os.environ["BUDDYLAB_FAKE_QEMU"])


def monitor_of(argv: list[str]) -> socket.socket:
    """Take the inherited end of the monitor's socket."""
    option = next(item for item in argv if item.startswith("socket,id=monitor,fd="))
    return socket.socket(fileno=int(option.partition("fd=")[2]))


def expand_cpu(connection: socket.socket, properties: object) -> int:
    """Answer as a QEMU without a machine that is asked for its CPU; end when hung up on."""
    if os.environ["BUDDYLAB_FAKE_QEMU"] == "refuses-tcg":
        sys.stderr.write("qemu-system-x86_64: -accel tcg: invalid accelerator tcg\n")
        return 1
    card = json.loads(os.environ.get("BUDDYLAB_FAKE_QEMU_CARD", '["mac", "autonegotiation"]'))
    answers: dict[str, object] = {
        "query-cpu-model-expansion": {"model": {"name": "max", "props": properties}},
        "device-list-properties": [{"name": name, "type": "bool"} for name in card],
    }
    serve(connection, lambda command: answers.get(command["execute"], {}))
    return 0


def serve(connection: socket.socket, answer: Callable[[dict[str, Any]], object]) -> None:
    """Speak QMP until hung up on. Commands end where their JSON ends: no line break follows."""
    with contextlib.suppress(OSError):
        _serve(connection, answer)


def _serve(connection: socket.socket, answer: Callable[[dict[str, Any]], object]) -> None:
    connection.sendall(json.dumps(GREETING).encode() + b"\r\n")
    text = ""
    while received := connection.recv(4096):
        text += received.decode()
        with contextlib.suppress(json.JSONDecodeError):
            command = json.loads(text)
            text = ""
            reply = {"id": command.get("id"), "return": answer(command)}
            connection.sendall(json.dumps(reply).encode() + b"\r\n")


class Guest:
    """The serial ports of a pretended guest, and its habits."""

    def __init__(self, argv: list[str]) -> None:
        """Find out where the ports lead and what the plan is."""
        self.argv = argv
        self.console, self.results, self.status = (
            Path(self._option(f"id={name}")).open("wb", buffering=0)  # noqa: SIM115
            for name in ("console", "results", "status")
        )
        is_watched = any(item.startswith("socket,id=monitor,fd=") for item in argv)
        self.monitor = monitor_of(argv) if is_watched else None
        self.negotiated = threading.Event()
        if is_watched and not os.environ["BUDDYLAB_FAKE_QEMU"].endswith("deaf"):
            threading.Thread(target=serve, args=(self.monitor, self.answer), daemon=True).start()
        plan = [item for item in argv if item.startswith("name=opt/buddylab/plan,file=")]
        self.plan = Path(plan[0].partition("file=")[2]).read_text() if plan else ""

    def _option(self, marker: str) -> str:
        option = next(item for item in self.argv if marker in item.split(","))
        values = dict(part.partition("=")[::2] for part in option.split(","))
        return values.get("logfile") or values["path"]

    def answer(self, command: dict[str, Any]) -> object:
        """Obey the monitor; an NMI is the end of a guest that is told to panic of it."""
        if command["execute"] == "qmp_capabilities":
            threading.Timer(0.05, self.negotiated.set).start()  # after the answer
        if command["execute"] == "inject-nmi":
            if os.environ["BUDDYLAB_FAKE_QEMU"].endswith("masked"):
                return {}
            self.console.write(TRACES.encode())
            threading.Timer(0.1, os._exit, [0]).start()
        return REGISTERS if command["execute"] == "human-monitor-command" else {}

    def tell(self, event: dict[str, Any]) -> None:
        """Say unasked what became of the machine, once somebody wants to hear it."""
        self.negotiated.wait(timeout=10)
        assert self.monitor is not None
        self.monitor.sendall(json.dumps(event).encode() + b"\r\n")

    def play(self, scenario: str) -> int:
        """Do what `scenario` says."""
        if scenario.startswith("kvm-"):  # only that accelerator is in trouble
            scenario = scenario.removeprefix("kvm-") if "kvm" in self.argv else "good"
        method = getattr(self, "play_" + scenario.replace("-", "_"))
        status: int = method()
        return status

    def say(self, line: str) -> None:
        """Write a status line."""
        self.status.write(f"buddylab {line}\n".encode())

    def be_ready(self) -> None:
        """Boot."""
        self.console.write(b"[    0.0] Linux version 5.15.180\n")
        self.say("status 1")
        self.say("ready uptime_s=1.25")

    def stages(self) -> Iterator[tuple[str, str]]:
        """Give the plan's names and commands."""
        for line in self.plan.splitlines():
            name, _prepare, _cleanup, _deadline, _predict, command = line.split("\t")
            yield name, command

    def archive(self, name: str, *, wrong_sum: bool = False, lacking: bool = False) -> bytes:
        """Make the archive of one stage."""
        files = {"output": f"output of {name}\n".encode(), "before/vmstat": b"x 1\n" * 3000}
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        if wrong_sum:
            digests["output"] = "0" * 64
        if lacking:
            digests["after/vmstat"] = "1" * 64
        sums = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in {**files, "sha256sums": sums.encode()}.items():
                member = tarfile.TarInfo(f"{name}/{path}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def run_plan(self, *, wrong_sum: bool = False, lacking: bool = False) -> None:
        """Run all stages well, or almost."""
        for name, _ in self.stages():
            self.say(f"stage {name} begin")
            self.results.write(self.archive(name, wrong_sum=wrong_sum, lacking=lacking))
            self.say(f"stage {name} end exit=0")

    def play_good(self) -> int:
        """All is well."""
        self.be_ready()
        self.run_plan()
        self.say("done exit=0")
        return 0

    def play_knows_no_sandbox(self) -> int:
        """All is well, without."""
        return self.play_good()

    def play_floods(self) -> int:
        """Its console has no end; nobody tells Python, which would go on, that a file is full."""
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if not self.plan:
            return self.play_good()
        self.be_ready()
        self.say(f"stage {next(self.stages())[0]} begin")
        while True:
            self.console.write(b"y" * 65536)

    def play_lingers(self) -> int:
        """Done, but the power-off does not come: it is ended, and says by whom."""

        def told(_signal: int, _frame: object) -> None:
            sys.stderr.write(
                f"qemu: terminating on signal 15 from pid {os.getppid()} (/bin/python)\n"
            )
            sys.exit(0)

        signal.signal(signal.SIGTERM, told)
        self.play_good()
        return forever()

    def play_panic(self) -> int:
        """Panic in the first stage; -no-reboot ends QEMU with status 0."""
        self.be_ready()
        name, _ = next(self.stages())
        self.say(f"stage {name} begin")
        self.console.write(PANIC.encode())
        return 0

    def play_panic_and_hang(self) -> int:
        """Panic before user space, and QEMU stays."""
        self.console.write(PANIC.encode())
        return forever()

    def play_silent(self) -> int:
        """Nothing at all, as with a KVM that opens and never boots."""
        return forever()

    def play_silent_and_deaf(self) -> int:
        """Nothing at all, not even from QEMU itself."""
        return forever()

    def play_hang_with_nmi_masked(self) -> int:
        """Ready, then nothing more, whatever it is sent."""
        return self.play_hang()

    def play_resets(self) -> int:
        """A reset without a word on the console: of a triple fault there is no more to see."""
        self.be_ready()
        self.tell({"event": "RESET", "data": {"guest": True, "reason": "guest-reset"}})
        self.tell({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}})
        return 0

    def play_hang(self) -> int:
        """Ready, then nothing more."""
        self.be_ready()
        return forever()

    def play_chatty(self) -> int:
        """The console goes on for ever, the plan does not."""
        self.be_ready()
        while True:
            self.console.write(b"[    2.0] still here\n")
            time.sleep(0.05)

    def play_stage_hang(self) -> int:
        """A stage without an end."""
        self.be_ready()
        self.say(f"stage {next(self.stages())[0]} begin")
        return forever()

    def play_exit(self) -> int:
        """QEMU ends early and quietly."""
        self.be_ready()
        return 3

    def play_refuses(self) -> int:
        """QEMU does not start."""
        sys.stderr.write("qemu-system-x86_64: cannot set up guest memory\n")
        return 1

    def play_port_taken(self) -> int:
        """Somebody took the port twice; the third start is well."""
        if len(Path(os.environ["BUDDYLAB_FAKE_QEMU_LOG"]).read_text().splitlines()) > 2:
            return self.play_hang()
        sys.stderr.write("qemu: Could not set up host forwarding rule 'tcp:127.0.0.1:1-:22'\n")
        return 1

    def play_failed(self) -> int:
        """The guest gives up in a stage and says so."""
        self.be_ready()
        name, _ = next(self.stages())
        self.say(f"stage {name} begin")
        self.console.write(b"run_stage.sh: prepare failed\n")
        self.say(f"failed stage={name} exit=3")
        return 0

    def play_truncated(self) -> int:
        """The results break off in a file, yet the guest says done."""
        self.be_ready()
        for name, _ in self.stages():
            self.say(f"stage {name} begin")
            self.results.write(self.archive(name)[:4000])
            self.say(f"stage {name} end exit=0")
        self.say("done exit=0")
        return 0

    def play_no_results(self) -> int:
        """Done, and nothing to show."""
        self.be_ready()
        self.say("done exit=0")
        return 0

    def play_garbage(self) -> int:
        """Noise on the status port."""
        self.be_ready()
        self.status.write(b"\xff\x00stage done exit=0\n")
        return forever()

    def play_noise_in_results(self) -> int:
        """Noise between two archives: skipped, everything else is there."""
        self.be_ready()
        self.results.write(os.urandom(512 * 3))
        self.run_plan()
        self.say("done exit=0")
        return 0

    def play_wrong_sum(self) -> int:
        """A file is not what its checksum says."""
        self.be_ready()
        self.run_plan(wrong_sum=True)
        self.say("done exit=0")
        return 0

    def play_lacking(self) -> int:
        """A file of the checksums did not arrive."""
        self.be_ready()
        self.run_plan(lacking=True)
        self.say("done exit=0")
        return 0

    def play_ignores_term(self) -> int:
        """Does not listen to SIGTERM."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.be_ready()
        return forever()


def forever() -> int:
    """Stay until ended."""
    while True:
        time.sleep(60)


if __name__ == "__main__":
    sys.exit(main())
