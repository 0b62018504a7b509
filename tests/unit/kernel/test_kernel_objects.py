# SPDX-License-Identifier: GPL-2.0-only
"""Objects are the same code for what the compiler made of them, not for their lines."""

import re
import subprocess  # noqa: TID251 - a compiler for tiny objects
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_elf import tiny_elf

from harness.errors import HarnessError
from harness.texts.build.objects import differences, stable_name

# As the kernel's BUG() does on x86_64: place and file relative to the entry, line, flags.
SOURCE = """
#define CONCAT_(a, b, c) a##b##c
#define CONCAT(a, b, c) CONCAT_(a, b, c)
#define BUG() asm volatile("1: ud2\\n\\t" \\
	".pushsection __bug_table,\\"aw\\"\\n\\t" \\
	"2: .long 1b - 2b, %c0 - 2b\\n\\t.word %c1, 0\\n\\t.org 2b + 12\\n\\t.popsection" \\
	: : "i" (__FILE__), "i" (__LINE__))

extern int puts(const char *text);
extern int fputs_like_puts(const char *text);

static int count;

static int start(void)
{
	return puts("started");
}
int (*CONCAT(__initcall__kmod_sample__17_, __LINE__, _start6))(void) = start;

int grow(int by)
{
	count += by;
	if (count < 0)
		BUG();
	if (count > 100)
		BUG();
	return puts("grown");
}
"""

Compile = Callable[[str], bytes]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Compile a text; always under the same name, as a slot does."""

    def compile_text(text: str) -> bytes:
        (tmp_path / "sample.c").write_text(text)
        argv = ["gcc", "-O2", "-g", "-fno-pie", "-mcmodel=kernel", "-mno-red-zone"]
        argv += ["-fno-asynchronous-unwind-tables", "-c", "sample.c", "-o", "sample.o"]
        subprocess.run(argv, cwd=tmp_path, check=True, timeout=30)
        return (tmp_path / "sample.o").read_bytes()

    return compile_text


def changed(old: str, new: str, text: str = SOURCE) -> str:
    assert old in text
    return text.replace(old, new)


def test_other_lines_are_no_difference(compiled: Compile) -> None:
    moved = changed("static int count;", "\n\n/* moved */\nstatic int count;")
    one, other = compiled(SOURCE), compiled(moved)

    assert one != other
    assert differences(one, other) == ()


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("count += by;", 'count += by; asm volatile("nop");', r"section \.text: .* grow\+0x"),
        ("count += by;", "count += by + 1;", r"section \.text: "),
        (
            'return puts("grown")',
            'return fputs_like_puts("grown")',
            r"relocations of \.text: 2 differ, .*: puts\S+ .* became fputs_like_puts\S+",
        ),
        (
            "static int count;",
            "static int count; static int more __attribute__((used));",
            r"symbol more in \.bss \(only in the second object\)",
        ),
        ('puts("grown")', 'puts("grows")', r"section \.rodata\S*: 1 bytes differ"),
        ("int grow(", "int grew(int by); int grew(", r"symbol grow in .* \(only in the first"),
        ("count > 100)\n\t\tBUG();", "count > 100)\n\t\tcount = 7;", r"__bug_table: 24 bytes bec"),
        (".word %c1, 0", ".word %c1, 1", r"section __bug_table: 2 bytes differ"),
        ("__FILE__", '"other.c"', r"section \.rodata"),
        ("_start6", "_start7", r"symbol __initcall__kmod_sample__N_LINE_start6 .* first"),
        ("static int count;", "static int count = 1;", r"section \.bss: 4 bytes became 0"),
    ],
)
def test_other_code_is_found(compiled: Compile, old: str, new: str, finding: str) -> None:
    found = differences(compiled(SOURCE), compiled(changed(old, new)))

    assert any(re.search(finding, line) for line in found), found


def test_absolute_bug_table_is_understood(compiled: Compile) -> None:
    """As without GENERIC_BUG_RELATIVE_POINTERS: pointers of 8 bytes, entries of 24."""
    absolute = changed(".long 1b - 2b, %c0 - 2b", ".quad 1b, %c0").replace("+ 12", "+ 24")
    moved = changed("static int count;", "\nstatic int count;", absolute)

    assert differences(compiled(absolute), compiled(moved)) == ()


def test_bug_table_with_formats_is_understood(compiled: Compile) -> None:
    """As 7.3 has it: place, format and file relative to the entry, line, flags."""
    longer = changed(".long 1b - 2b, %c0 - 2b", ".long 1b - 2b, %c0 - 2b, %c0 - 2b")
    longer = longer.replace("+ 12", "+ 16")
    moved = changed("static int count;", "\nstatic int count;", longer)

    assert differences(compiled(longer), compiled(moved)) == ()
    other = changed(".word %c1, 0", ".word %c1, 1", longer)
    assert differences(compiled(longer), compiled(other)) != ()


def test_bug_table_of_unknown_form_is_compared_whole(compiled: Compile) -> None:
    """Without file and line an entry has no line field, and nothing in it may differ."""
    terse = changed(", %c0 - 2b", "").replace("+ 12", "+ 8")
    moved = changed("static int count;", "\nstatic int count;", terse)

    found = differences(compiled(terse), compiled(moved))
    assert len(found) == 1
    assert found[0].startswith("section __bug_table: 2 bytes differ")


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        (
            "__initcall__kmod_page_alloc__466_9504_init_per_zone_wmark_min2",
            "__initcall__kmod_page_alloc__N_LINE_init_per_zone_wmark_min2",
        ),
        ("__UNIQUE_ID___addressable_alloc_pages491", "__UNIQUE_ID___addressable_alloc_pagesN"),
        ("__func__.3", "__func__.3"),
        ("init_per_zone_wmark_min2", "init_per_zone_wmark_min2"),
    ],
)
def test_generated_names(name: str, stable: str) -> None:
    assert stable_name(name) == stable


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(HarnessError, match="no object file"):
        differences(b"cut short", b"cut short")


def test_a_damaged_object_is_refused_and_not_half_read() -> None:
    """Its headers stand at its end: a cut file lacks them, or what they tell of."""
    whole = tiny_elf()
    assert differences(whole, whole) == ()
    for length in range(len(whole)):
        with pytest.raises(HarnessError, match="no object file, or a damaged one"):
            differences(whole, whole[:length])
    # .text of 8 bytes, said to have as many as the file: the last section's offset is beyond it.
    text = whole.index((8).to_bytes(8, "little"), 64)
    longer = whole[:text] + len(whole).to_bytes(8, "little") + whole[text + 8 :]
    with pytest.raises(HarnessError, match=r"section \.text is cut"):
        differences(whole, longer)


def test_a_section_that_loses_its_content_differs() -> None:
    """Found by the fuzzer: of .bss the file has none, however many bytes it is."""
    whole = tiny_elf()
    kind = whole.index((1).to_bytes(4, "little") + (6).to_bytes(8, "little"))
    nothing = whole[:kind] + (8).to_bytes(4, "little") + whole[kind + 4 :]
    assert differences(whole, nothing) == ("section .text: type SHT_PROGBITS became SHT_NOBITS",)
