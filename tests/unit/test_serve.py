# SPDX-License-Identifier: GPL-2.0-only
"""serve: the real server on a port of its own, and folders that mean it ill."""

import http.client
import json
import os
import shutil
import signal
import subprocess  # noqa: TID251 - the command itself
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from saved_folder import write_run

from harness.cli.main import main
from harness.compare.results import RESULTS
from harness.errors import Exit
from harness.host.templates import html_assets
from harness.host.web import listening
from harness.jobs.runner import WorkerNow, WorkerState
from harness.jobs.shelf import Shelf
from harness.jobs.shelf_files import address_of
from harness.jobs.site import Pages
from harness.jobs.workers_file import WORKERS, keep_workers
from harness.stages.check import check
from harness.stages.report import report

KEPT = min(Path("docs/results").glob("*/" + RESULTS), key=lambda path: path.stat().st_size).parent
HOSTILE = "<script>alert(1)</script>".replace("/", "\\") + " %2e\"'&#?\n\udcff"
OUTSIDE = "what lies outside"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("whole") / "run")
    report(check(folder), folder)
    return folder


class Site:
    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder

    def get(
        self, path: str, *, method: str = "GET", host: str | None = None
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, text


@pytest.fixture
def site(tmp_path: Path, judged: Path) -> Iterator[Site]:
    (tmp_path / "secret.txt").write_text(OUTSIDE)
    folder = tmp_path / "runs"
    shutil.copytree(judged, folder / "first")
    with listening(Pages(Shelf(folder)).answer, 0, ipv6=False) as found:
        threading.Thread(target=found.serve, daemon=True).start()
        yield Site(found.servers[0].server_port, folder)
        found.servers[0].shutdown()


def test_a_run_is_listed_with_its_verdict_kernel_plan_and_key(site: Site) -> None:
    status, headers, text = site.get("/")

    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none'; base-uri 'none'")
    assert "unsafe" not in headers["content-security-policy"]
    key = json.loads((site.folder / "first/key.json").read_text())
    for told in ("all checks hold", key["digest"][:16], key["provenance"]["kernel_release"]):
        assert told in text
    assert '<a href="/at/first/">first</a>' in text


def test_the_report_is_the_file_and_its_script_is_allowed(site: Site) -> None:
    status, headers, text = site.get("/at/first/report.html")

    assert (status, text) == (200, (site.folder / "first/report.html").read_text())
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    # The file has the same two digests in its own policy.
    for digest in policy.partition("style-src ")[2].split(";")[:2]:
        assert digest.split("'")[1] in text


def test_a_report_with_another_script_is_made_anew(site: Site) -> None:
    path = site.folder / "first/report.html"
    path.write_text("<script>alert(1)</script>")
    status, headers, text = site.get("/at/first/report.html")

    assert status == 200
    assert "alert(1)" not in text
    assert html_assets()[1] in text
    assert "unsafe" not in headers["content-security-policy"]
    assert path.read_text() == "<script>alert(1)</script>"  # nothing is written

    (site.folder / "first/sha256sums").write_text("")
    path.write_text("<script>alert(2)</script>")
    path.replace(path.with_name("x"))
    path.with_name("x").replace(path)
    status, headers, text = site.get("/at/first/report.html")
    assert "script-src" not in headers["content-security-policy"]
    assert "sandbox" in headers["content-security-policy"]


def test_names_and_texts_of_a_folder_are_text(site: Site, judged: Path) -> None:
    shutil.copytree(judged, site.folder / HOSTILE)
    key = site.folder / HOSTILE / "key.json"
    told = json.loads(key.read_text())
    told["provenance"]["kernel_release"] = "<img src=x onerror=alert(1)>"
    key.write_text(json.dumps(told))
    for path in ("/", f"/at/{address_of(HOSTILE)}/", f"/two?run=first&run={address_of(HOSTILE)}"):
        status, _, text = site.get(path.replace("%", "%25") if path.startswith("/two") else path)

        assert status == 200, path
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "&lt;script&gt;alert(1)" in text
    assert site.get(f"/at/{address_of(HOSTILE)}/file/key.json")[2] == key.read_text()


ELSEWHERE = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/at/%2e%2e/file/secret.txt",
    "/at/first/file/../../../secret.txt",
    "/at/first/file/%2e%2e/%2e%2e/secret.txt",
    "/at/first/file/..%2f..%2fsecret.txt",
    "/at/first/file//etc/passwd",
    "/at/first/file/%2fetc%2fpasswd",
    "/at/first/file/link.txt",
    "/at/first/file/up/secret.txt",
    "/at/linked/file/secret.txt",
    "/at/linked/",
    "/at/first/file/console.log%00",
    "/at/first/file/raw",
    "/at/first/file/pipe.txt",
    "/at/first/file/page.svg",
    "/at/first/file/page.html",
    "/at/first/file/.hidden.txt",
    "/at/first/file/binary.txt",
    "/elsewhere",
    "/at/none/",
]


def test_nothing_of_elsewhere_is_served(site: Site) -> None:
    first = site.folder / "first"
    (first / "link.txt").symlink_to(site.folder.parent / "secret.txt")
    (first / "up").symlink_to(site.folder.parent)
    (site.folder / "linked").symlink_to(site.folder.parent)
    os.mkfifo(first / "pipe.txt")
    for name in ("page.svg", "page.html", ".hidden.txt"):
        (first / name).write_text("<script>alert(1)</script>")
    (first / "binary.txt").write_bytes(b"\0")
    for path in ELSEWHERE:
        status, _, text = site.get(path)

        assert status in ((200,) if path == "/at/linked/" else (400, 404)), path
        assert OUTSIDE not in text, path
        assert "alert(1)" not in text, path
        assert "root:" not in text, path
    assert "a symbolic link, which is not followed" in site.get("/")[2]


def test_a_link_below_a_run_is_not_read_to_judge_it(site: Site, judged: Path) -> None:
    shutil.copytree(judged, site.folder / "second")
    stage = next((site.folder / "second/raw").iterdir())
    (stage / "output").unlink()
    (stage / "output").symlink_to(site.folder.parent / "secret.txt")
    _, _, text = site.get("/two?run=first&run=second")

    assert "output in it is a symbolic link" in text
    assert OUTSIDE not in text


def test_a_name_that_leads_here_is_refused(site: Site) -> None:
    for host in ("evil.example", f"evil.example:{site.port}", "127.0.0.1:1", "127.0.0.1"):
        status, _, text = site.get("/", host=host)

        assert status == 421, host
        assert "first" not in text
    assert site.get("/", host=f"localhost:{site.port}")[0] == 200


def test_only_get_and_head_are_answered(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = site.get("/", method=method)

        assert (status, headers["allow"]) == (405, "GET, HEAD"), method


def test_head_has_no_body(site: Site) -> None:
    status, headers, text = site.get("/", method="HEAD")

    assert (status, text) == (200, "")
    assert int(headers["content-length"]) > 1000


def test_broken_runs_are_listed_and_harm_no_other(site: Site, judged: Path) -> None:
    for name in ("cut", "other", "silent"):
        shutil.copytree(judged, site.folder / name)
    (site.folder / "cut/key.json").write_text("{")
    (site.folder / "other/key.json").write_text('{"schema": 1}')
    (site.folder / "silent/console.log").unlink()
    (site.folder / "stopped").mkdir()
    (site.folder / "stopped/console.log").write_text("")
    os.utime(site.folder / "stopped/console.log", (0, 0))
    _, _, text = site.get("/")

    assert "key.json is damaged" in text
    assert "it has no console.log" in text
    assert "it did not reach its end" in text
    assert text.count("all checks hold</span>") == 1
    assert site.get("/at/cut/")[0] == 200


def test_filters(site: Site, judged: Path) -> None:
    shutil.copytree(judged, site.folder / "second")
    shutil.copytree(KEPT, site.folder / "compared")

    assert "2 of 3." in site.get("/?kind=run")[2]
    assert "1 of 3." in site.get("/?text=SECOND")[2]
    assert "1 of 3." in site.get("/?kind=comparison")[2]
    assert "0 of 3." in site.get("/?word=better")[2]
    text = site.get("/?sort=-name")[2]
    assert text.index('"/at/second/"') < text.index('"/at/first/"') < text.index('"/at/compared/"')
    assert site.get("/?first=x&sort=nothing&first=999999999999")[0] == 200


def test_what_runs_comes_first_then_the_newest(site: Site, judged: Path) -> None:
    for name, year in (("oldest", 2001), ("newest", 2099), ("between", 2002)):
        shutil.copytree(judged, site.folder / name)
        told = {"started_at": f"{year}-01-01T00:00:00+00:00"}
        (site.folder / name / "host.json").write_text(json.dumps(told))
    (site.folder / "now").mkdir()
    (site.folder / "now/host.json").write_text('{"started_at": "2000-01-01T00:00:00+00:00"}')
    (site.folder / "now/status.log").write_text("buddylab status 1\n")
    text = site.get("/")[2]

    shown = [text.index(f'"/at/{name}/"') for name in ("now", "newest", "between", "oldest")]
    assert shown == sorted(shown)


def test_two_runs_side_by_side(site: Site, judged: Path) -> None:
    shutil.copytree(judged, site.folder / "second")
    status, _, text = site.get("/two?run=first&run=second")

    assert status == 200
    assert "their keys are equal" in text
    assert "stages are the same" in text
    assert site.get("/two?run=first")[0] == 400


def test_a_running_one_shows_how_far_it_is(site: Site) -> None:
    folder = site.folder / "now"
    folder.mkdir()
    (folder / "host.json").write_text('{"stage_limit_s": {"a": 1, "b": 1, "c": 1}}')
    log = "buddylab status 1\nbuddylab ready uptime_s=2.49\nbuddylab stage a begin\n"
    (folder / "status.log").write_text(log)
    assert "running</span>" in site.get("/")[2]
    _, _, text = site.get("/at/now/")
    assert "0 of 3 stages. Now: a." in text
    assert 'id="live"' in text

    (folder / "status.log").write_text(log + "buddylab stage a end exit=0\nbuddylab stage b be")
    assert "1 of 3 stages. Last: a." in site.get("/at/now/")[2]
    os.utime(folder / "status.log", (0, 0))
    text = site.get("/at/now/")[2]
    assert "interrupted</strong>" in text
    assert "Now: " not in text
    assert 'id="live"' not in text


def test_a_sweep_on_workers_shows_who_works(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.folder / "sweep"
    shutil.copytree(KEPT, folder)
    (folder / RESULTS).unlink()
    (folder / "arms").mkdir()
    workers = (
        WorkerNow(name="tcp://a:1", host="rack-1", state=WorkerState.WORKING, done=7, now="one"),
        WorkerNow(name="tcp://b:2", host="rack-2", state=WorkerState.SILENT, done=3, now="<b>"),
    )
    keep_workers(folder, workers)
    monkeypatch.setattr("harness.jobs.shelf.is_locked", lambda *_: True)
    text = site.get("/at/sweep/")[2]

    assert "Workers: 1 of 2 work" in text
    assert text.index("does not answer</td>") < text.index("rack-1")
    assert "&lt;b&gt;" in text

    monkeypatch.setattr("harness.jobs.shelf.is_locked", lambda *_: False)
    text = site.get("/at/sweep/")[2]
    assert "Workers: 2 worked" in text
    assert "does not answer</td>" not in text

    (folder / WORKERS).write_text('{"schema": 99}')
    assert "Workers" not in site.get("/at/sweep/")[2]


def test_files_are_folded_by_folder_and_a_cut_is_told(site: Site) -> None:
    text = site.get("/at/first/")[2]
    stage = next((site.folder / "first/raw").iterdir()).name

    assert '<a href="/at/first/file/console.log">console.log</a>' in text
    assert f"<summary>raw/{stage}/before " in text
    assert f'<a href="/at/first/file/raw/{stage}/output">output</a>' in text
    assert "There are more files" not in text

    for number in range(500):
        (site.folder / f"first/more-{number}.txt").write_text("")
    assert "There are more files" in site.get("/at/first/")[2]


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    answer = Pages(Shelf(tmp_path)).answer("/", "")

    assert b"No run, comparison or judgement lies here yet" in answer.body


def test_two_thousand_runs_are_listed_soon(tmp_path: Path, judged: Path) -> None:
    for number in range(2000):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        (folder / "raw").mkdir()
        for name in ("key.json", "run.json", "report.html", "console.log"):
            os.link(judged / name, folder / name)
    pages = Pages(Shelf(tmp_path))
    before_s = time.process_time()
    answer = pages.answer("/", "")
    first_s = time.process_time() - before_s
    pages.answer("/", "")
    second_s = time.process_time() - before_s - first_s

    assert b"2000 of 2000; here 1 to 200." in answer.body
    assert first_s < 3.0  # of a CPU that others use, too; alone it is less than one
    assert second_s < first_s


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "harness", "serve", str(tmp_path), "--port", "0", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += command.stdout.readline()
        address = json.loads(text)["addresses"][0]
        port = int(address.rstrip("/").rpartition(":")[2])
        assert Site(port, tmp_path).get("/")[0] == 200
        before_s = time.monotonic()
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=60) == Exit.OK
        # On a host that is busy; a client that is waited for would hold it for ever.
        assert time.monotonic() - before_s < 20


def test_what_cannot_be_served_is_told(
    tmp_path: Path, judged: Path, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    for words, told in (
        ([str(tmp_path / "none")], "cannot be listed (No such file or directory)"),
        ([str(tmp_path / "file")], "cannot be listed (Not a directory)"),
        ([str(judged)], "`buddylab open` shows it"),
        ([str(tmp_path), "--port", str(site.port)], f"port {site.port} of 127.0.0.1 is not to be"),
    ):
        caplog.clear()
        assert main(["serve", *words]) == Exit.USAGE
        assert told in caplog.text
