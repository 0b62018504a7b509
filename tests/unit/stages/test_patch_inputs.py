# SPDX-License-Identifier: GPL-2.0-only
"""What people put into a series: git alone says what it changes, byte for byte."""

import base64
import quopri
import stat
import subprocess  # noqa: TID251 - git am as the judge of ours
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host.cache import Cache
from harness.host.series import series_in
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import KernelSource, PatchedTree

FILE = "mm/page_alloc.c"
HEADERS = b"From: Ann <ann@example.org>\nSubject: [PATCH 3/7] mm: make it four\n"
DIFF = b"""\
diff --git a/mm/page_alloc.c b/mm/page_alloc.c
--- a/mm/page_alloc.c
+++ b/mm/page_alloc.c
@@ -3,3 +3,3 @@ int one;
 int two;
-int three;
+int four = 4;
 int four;
"""
MAIL = HEADERS + b"\nThe reason.\n---\n mm/page_alloc.c | 2 +-\n\n" + DIFF + b"-- \n2.39.5\n"
PLAIN = DIFF.partition(b"\n")[2]

Apply = Callable[..., PatchedTree]


@pytest.fixture
def source(cache: Cache, fake_kernel: Path) -> KernelSource:
    return fetch(str(fake_kernel), cache)


@pytest.fixture
def apply(source: KernelSource, cache: Cache, tmp_path: Path) -> Apply:
    """Apply mails, given by their bytes, as a series."""

    def patched(*mails: bytes, order: bytes | None = None) -> PatchedTree:
        directory = tmp_path / "linux-5.15"
        directory.mkdir(exist_ok=True)
        names = [f"000{number}-x.patch" for number in range(1, len(mails) + 1)]
        for name, mail in zip(names, mails, strict=True):
            (directory / name).write_bytes(mail)
        (directory / "series").write_bytes(order or "".join(f"{n}\n" for n in names).encode())
        return patch(source, cache, series=series_in(directory))

    return patched


def content(tree: PatchedTree) -> bytes:
    return (tree.tree / FILE).read_bytes()


def encoded(kind: bytes, text: bytes) -> bytes:
    headers = (
        HEADERS
        + b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        + b"Content-Transfer-Encoding: "
        + kind
    )
    return headers + b"\n\n" + text


# What says the same in other words, and so makes the same tree under the same key.
SAME = {
    "reworded": MAIL.replace(b"The reason.", b"A better reason."),
    "no mail but a diff": DIFF,
    "diff -u": PLAIN,
    "diff -u after a subject": b"Subject: one\n\n" + PLAIN,
    "another subject": b"Subject: two, written anew\n\n" + PLAIN,
    "a sentence and a diff": b"Make it four, since it is.\n\n" + PLAIN,
    "diff -urN with dates": b"diff -urN linux.orig/mm/page_alloc.c linux/mm/page_alloc.c\n"
    + PLAIN.replace(b"page_alloc.c\n", b"page_alloc.c\t2026-11-29 10:00:00.000000000 +0000\n"),
    "quilt's Index": b"Index: linux-5.15/mm/page_alloc.c\n"
    + b"=" * 67
    + b"\n"
    + PLAIN.replace(b"--- a/", b"--- linux-5.15.orig/").replace(b"+++ b/", b"+++ linux-5.15/"),
    "a diff in svn's form": b"Index: a/mm/page_alloc.c\n" + PLAIN,
    "Latin-1 name": MAIL.replace(b"Ann", b"J\xfcrg"),
    "Latin-1 message": MAIL.replace(b"reason", b"Gr\xfcnde"),
    "+++ in the message": MAIL.replace(b"The reason.", b"It said:\n+++ exited with 1 +++\n"),
    "--- in the message": MAIL.replace(b"The reason.", b"It said:\n--- done ---\n+++ sorry\n"),
    "a hunk's head in the message": MAIL.replace(b"The reason.", b"See\n@@ -1,9 +1,9 @@\nthere"),
    "an indented diff in the message": MAIL.replace(
        b"The reason.", b"".join(b"  " + line + b"\n" for line in DIFF.split(b"\n"))
    ),
    "base64": encoded(b"base64", base64.encodebytes(MAIL.partition(b"\n\n")[2])),
    "quoted-printable": encoded(
        b"quoted-printable", quopri.encodestring(MAIL.partition(b"\n\n")[2])
    ),
    "mbox": b"From 0123456789abcdef Mon Sep 17 00:00:00 2001\n" + MAIL,
    "no new line at its end": MAIL.removesuffix(b"\n"),
    "other numbers, same place": MAIL.replace(b"@@ -3,3 +3,3 @@", b"@@ -2,3 +2,3 @@"),
}


@pytest.mark.parametrize("mail", SAME.values(), ids=SAME)
def test_the_same_change_in_other_words_is_the_same_tree(apply: Apply, mail: bytes) -> None:
    tree = apply(MAIL)

    assert b"int four = 4;\n" in content(tree)
    assert apply(mail).key == tree.key
    assert tree.touched == (FILE,)


@pytest.mark.parametrize("first", [0, 1])
def test_carriage_return_is_a_change(apply: Apply, first: int) -> None:
    """In either order: what is cached for one is no answer to the other."""
    with_cr = MAIL.replace(b"+int four = 4;\n", b"+int four = 4;\r\n")
    mails = (MAIL, with_cr)
    keys = {}
    for mail in (mails[first], mails[1 - first]):
        tree = apply(mail)
        keys[mail] = tree.key
        assert (b"= 4;\r\n" in content(tree)) is (mail is with_cr)
    assert keys[MAIL] != keys[with_cr]


@pytest.mark.parametrize("after_another", [False, True])
def test_mail_that_a_mailer_gave_crlf_is_refused_each_time(
    apply: Apply,
    after_another: bool,  # noqa: FBT001 - two cases
) -> None:
    if after_another:
        apply(MAIL)
    with pytest.raises((StageError, UserError), match=r"sed -i 's/\\r\$//' 0001-x.patch"):
        apply(MAIL.replace(b"\n", b"\r\n"))


def test_changed_bytes_that_are_no_utf8(apply: Apply) -> None:
    tree = apply(MAIL.replace(b"four = 4;", b"four; /* f\xfcnf */"))

    assert b"/* f\xfcnf */" in content(tree)


def test_utf16_is_refused_with_what_mends_it(apply: Apply) -> None:
    with pytest.raises(UserError, match="iconv -f UTF-16 -t UTF-8 0001-x.patch"):
        apply(MAIL.decode().encode("utf-16"))


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        (b"", "changes no file; is it cut short"),
        (HEADERS + b"\nOnly words.\n", "changes no file; is it cut short"),
        (MAIL[: MAIL.index(b" int four;\n")], "git cannot read 0001-x.patch.*cut short"),
        (MAIL[: MAIL.index(b"-int three;")], "git cannot read 0001-x.patch.*cut short"),
        (MAIL.replace(b"-3,3 +3,3", b"-3,9 +3,9"), "git cannot read 0001-x.patch.*cut short"),
    ],
    ids=["empty", "no diff", "cut in a hunk", "cut before a change", "wrong counts"],
)
def test_cut_mail_is_refused(apply: Apply, mail: bytes, said: str) -> None:
    with pytest.raises(UserError, match=f"(?s){said}"):
        apply(mail)


MODE = HEADERS + (
    b"\ndiff --git a/usr/gen_init_cpio b/usr/gen_init_cpio\nold mode 100755\nnew mode 100644\n"
)


def test_mode_alone_may_change(apply: Apply, source: KernelSource) -> None:
    (source.tree / "usr/gen_init_cpio").chmod(0o755)
    tree = apply(MODE)

    assert tree.touched == ("usr/gen_init_cpio",)
    assert not (tree.tree / "usr/gen_init_cpio").stat().st_mode & stat.S_IXUSR
    assert (source.tree / "usr/gen_init_cpio").stat().st_mode & stat.S_IXUSR
    assert tree.key != apply(MAIL).key


@pytest.fixture
def plain_mode(fake_kernel: Path) -> None:
    (fake_kernel / "usr/gen_init_cpio").chmod(0o644)


@pytest.mark.usefixtures("plain_mode")
def test_mode_that_is_there_already(apply: Apply, source: KernelSource) -> None:
    """Git takes it, and so does who applies it by hand."""
    assert not (source.tree / "usr/gen_init_cpio").stat().st_mode & stat.S_IXUSR
    tree = apply(MODE)

    assert not (tree.tree / "usr/gen_init_cpio").stat().st_mode & stat.S_IXUSR


def test_quoted_name(apply: Apply) -> None:
    tree = apply(
        HEADERS
        + b'\ndiff --git "a/mm/\\303\\244 \\"b\\".c" "b/mm/\\303\\244 \\"b\\".c"\n'
        + b'new file mode 100644\n--- /dev/null\n+++ "b/mm/\\303\\244 \\"b\\".c"\n'
        + b"@@ -0,0 +1 @@\n+x\n"
    )

    assert tree.touched == ('mm/ä "b".c',)
    assert (tree.tree / 'mm/ä "b".c').read_text() == "x\n"


def test_name_that_is_no_utf8_is_refused(apply: Apply) -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        apply(
            b'diff --git "a/mm/\\344.c" "b/mm/\\344.c"\nnew file mode 100644\n'
            b'--- /dev/null\n+++ "b/mm/\\344.c"\n@@ -0,0 +1 @@\n+x\n'
        )


RENAME = b"diff --git a/%s b/mm/buddy.c\nsimilarity index 100%%\n%s from %s\n%s to mm/buddy.c\n"


def test_renamed_file_is_gone_from_where_it_was(apply: Apply, source: KernelSource) -> None:
    tree = apply(RENAME % (FILE.encode(), b"rename", FILE.encode(), b"rename"))

    assert set(tree.touched) == {FILE, "mm/buddy.c"}
    assert not (tree.tree / FILE).exists()
    assert (tree.tree / "mm/buddy.c").read_bytes() == (source.tree / FILE).read_bytes()


def test_copied_file_stays(apply: Apply, source: KernelSource) -> None:
    tree = apply(RENAME % (FILE.encode(), b"copy", FILE.encode(), b"copy"))

    assert (tree.tree / "mm/buddy.c").read_bytes() == (source.tree / FILE).read_bytes()
    assert content(tree) == (source.tree / FILE).read_bytes()


@pytest.fixture
def old_file(fake_kernel: Path) -> None:
    (fake_kernel / "usr/old").write_text("x\n")


@pytest.mark.usefixtures("old_file")
def test_deleted_and_new_and_linked_files(apply: Apply, source: KernelSource) -> None:
    tree = apply(
        b"diff --git a/usr/old b/usr/old\ndeleted file mode 100644\n"
        b"--- a/usr/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
        b"diff --git a/usr/link b/usr/link\nnew file mode 120000\n"
        b"--- /dev/null\n+++ b/usr/link\n@@ -0,0 +1 @@\n+../mm/page_alloc.c\n"
        b"\\ No newline at end of file\n",
    )

    assert not (tree.tree / "usr/old").exists()
    assert (source.tree / "usr/old").exists()
    assert str((tree.tree / "usr/link").readlink()) == "../mm/page_alloc.c"


@pytest.mark.parametrize("name", [b"../page_alloc.c", b".git/config", b"/etc/passwd"])
def test_change_outside_of_the_tree_is_refused(apply: Apply, name: bytes, tmp_path: Path) -> None:
    with pytest.raises((StageError, UserError)):
        apply(
            b"--- /dev/null\n+++ b/" + name + b"\n@@ -0,0 +1 @@\n+x\n",
        )
    assert not (tmp_path / "cache/trees").exists()


def test_change_behind_a_link_is_refused(fake_kernel: Path, cache: Cache) -> None:
    (fake_kernel / "also").symlink_to("mm")
    linked = fetch(str(fake_kernel), cache)
    directory = fake_kernel.parent / "linux-5.15"
    directory.mkdir()
    (directory / "0001-x.patch").write_bytes(MAIL.replace(b"mm/page_alloc", b"also/page_alloc"))
    (directory / "series").write_text("0001-x.patch\n")

    with pytest.raises(StageError, match="also/page_alloc.c lies behind the link also"):
        patch(linked, cache, series=series_in(directory))
    assert b"int three;" in (linked.tree / FILE).read_bytes()


def test_order_file_in_another_encoding(apply: Apply) -> None:
    plain = apply(MAIL)

    assert apply(MAIL, order=b"# f\xfcr sp\xe4ter\n0001-x.patch # \xfc\n").key == plain.key
    assert apply(MAIL, order=b"0001-x.patch -p1\r\n").key == plain.key


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (b"0001-x.patch -p0\n", "the options -p0; only -p1 is known"),
        (b"0001-x.patch -R\n", "the options -R"),
        (b"0001-\xfc.patch\n", "not UTF-8"),
        (b"0001-x.patch\n0001-x.patch\n", "lists 0001-x.patch twice"),
    ],
)
def test_order_file_that_asks_for_more_is_refused(apply: Apply, order: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        apply(MAIL, order=order)


HOSTILE = """
[core]
	autocrlf = true
	attributesFile = {home}/attributes
[apply]
	whitespace = fix
	ignoreWhitespace = change
"""


def test_users_own_git_settings_change_nothing(
    apply: Apply, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = apply(MAIL.replace(b"four = 4;\n", b"four = 4; \r\n"))
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/attributes").write_text("*.c text eol=crlf\n")
    (home / "attributes").write_text("*.c text eol=crlf\n")
    (home / ".gitconfig").write_text(HOSTILE.format(home=home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "apply.ignoreWhitespace")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "change")
    # What is remembered of the first time is no answer here.
    for memory in (cache.root / "digests").iterdir():
        memory.unlink()

    assert apply(MAIL.replace(b"four = 4;\n", b"four = 4; \r\n")).key == tree.key
    with pytest.raises(StageError, match="no place"):
        apply(MAIL.replace(b"-int three;", b"-int  three;"))


@pytest.mark.parametrize("mail", [SAME["base64"], SAME["quoted-printable"], MAIL, SAME["mbox"]])
def test_git_am_makes_the_same_file(
    apply: Apply, mail: bytes, tmp_path: Path, fake_kernel: Path
) -> None:
    """The judge who shares nothing with us but git's own reading."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=fake_kernel, check=True)

    (tmp_path / "mail").write_bytes(mail)
    tree = apply(mail)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message=pristine")
    git("am", "--quiet", str(tmp_path / "mail"))

    assert (fake_kernel / FILE).read_bytes() == content(tree)
