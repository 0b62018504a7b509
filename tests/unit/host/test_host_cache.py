# SPDX-License-Identifier: GPL-2.0-only
"""Cache entries: whole or absent, held to their digests, and at home wherever the cache lies."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.host import pristine
from harness.host.cache import MANIFEST, Cache
from harness.host.series import series_in
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import GuestImage, KernelBuild, KernelSource, PatchedTree

ONE = ("int one;", "int two;", "int TWO;", "int three;")
FILE = "mm/page_alloc.c"
BESIDE = "scripts/kconfig/merge_config.sh"


@pytest.fixture
def series(write_series: Callable[..., Path]) -> Path:
    return write_series(ONE)


def made(kernel: Path, cache: Cache, series: Path) -> KernelBuild:
    return build(patch(fetch(str(kernel), cache), cache, series=series_in(series)), cache)


def flipped(path: Path) -> None:
    """Change a bit in place, as a careless program or a broken disk does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def test_no_manifest_says_where_the_cache_is(cache: Cache, fake_kernel: Path, series: Path) -> None:
    made(fake_kernel, cache, series)
    manifests = list(cache.root.glob(f"*/*/{MANIFEST}"))
    assert {path.parts[-3] for path in manifests} == {"sources", "trees", "kernels"}
    for path in manifests:
        assert str(cache.root) not in path.read_text()


@pytest.mark.parametrize("way", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_cache_is_at_home_where_it_lies(
    cache: Cache,
    fake_kernel: Path,
    series: Path,
    tmp_path: Path,
    way: Callable[[Path, Path], object],
) -> None:
    before = made(fake_kernel, cache, series)
    (slot,) = (cache.root / "slots").iterdir()
    (slot / "obj/of-another-place.o").write_bytes(b"o")
    way(cache.root, tmp_path / "elsewhere")
    if cache.root.exists():
        for path in cache.root.glob("*/*"):  # nothing of it may be used
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    there = Cache(tmp_path / "elsewhere")

    after = made(fake_kernel, there, series)
    assert after.key == before.key
    assert there.root in after.directory.parents
    assert after.image.read_bytes()
    source = fetch(str(fake_kernel), there)
    assert source.tree == there.root / source.tree.relative_to(there.root)
    # And it is built there, also the same again, of its own files.
    shutil.rmtree(there.root / "kernels")
    assert made(fake_kernel, there, series) == after
    (slot,) = (there.root / "slots").iterdir()
    assert (slot / "src/Makefile").readlink().is_relative_to(there.root)
    assert not (slot / "obj/of-another-place.o").exists()
    bare = build(patch(source, there, series=series_in(series), upto="0"), there)
    assert b"int two;" in bare.image.read_bytes()


def test_a_path_outside_of_the_cache_is_never_written(cache: Cache, tmp_path: Path) -> None:
    image = GuestImage(digest="d", packages=(), size_bytes=1, path=tmp_path / "elsewhere/image")
    with cache.building("x") as work, pytest.raises(ValueError, match="not in the subpath"):
        cache.publish(work, "guests", "k" * 64, image)


@pytest.mark.parametrize("path", ["/etc/passwd", "guests/../../x", "../x"])
def test_a_manifest_that_leads_out_of_the_cache_is_no_entry(cache: Cache, path: str) -> None:
    image = GuestImage(
        digest="d", packages=(), size_bytes=1, path=cache.entry("guests", "k" * 64) / "image"
    )
    with cache.building("x") as work:
        (work / "image").write_bytes(b"i")
        folder = cache.publish(work, "guests", "k" * 64, image)
    assert cache.load("guests", "k" * 64, GuestImage) == image
    manifest = folder / MANIFEST
    text = manifest.read_text()
    assert '"guests/kkkkkkkkkkkkkkkk/image"' in text
    manifest.write_text(text.replace("guests/kkkkkkkkkkkkkkkk/image", path))
    assert cache.load("guests", "k" * 64, GuestImage) is None


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 1)])
@pytest.mark.parametrize("name", ["vmlinux", "high_order_test.ko"])
def test_an_entry_without_its_payload_is_made_again(
    cache: Cache, fake_kernel: Path, series: Path, name: str, harm: Callable[[Path], None]
) -> None:
    before = made(fake_kernel, cache, series)
    harm(before.directory / name)
    assert cache.load("kernels", before.key, KernelBuild) is None
    after = made(fake_kernel, cache, series)
    cache.require_unaltered("kernels", after.key, ("vmlinux", "high_order_test.ko"))


def test_an_altered_file_of_an_entry_is_named(
    cache: Cache, fake_kernel: Path, series: Path
) -> None:
    kernel = made(fake_kernel, cache, series)
    cache.require_unaltered("kernels", kernel.key, ("vmlinux", "gen_init_cpio"))
    flipped(kernel.directory / "gen_init_cpio")
    with pytest.raises(
        StageError, match=f"{kernel.directory}/gen_init_cpio was altered .*; remove"
    ):
        cache.require_unaltered("kernels", kernel.key, ("vmlinux", "gen_init_cpio"))


@pytest.mark.parametrize("name", [FILE, BESIDE])
def test_an_altered_source_is_found_before_it_is_patched(
    cache: Cache, fake_kernel: Path, series: Path, name: str
) -> None:
    source = fetch(str(fake_kernel), cache)
    flipped(source.tree / name)
    with pytest.raises(StageError, match=f"{source.tree / name} is .*, was .*; remove"):
        patch(source, cache, series=series_in(series))
    assert not list(cache.root.glob("trees/*"))


@pytest.mark.parametrize("name", [FILE, BESIDE])
def test_an_altered_tree_is_found_before_it_is_built(
    cache: Cache, fake_kernel: Path, series: Path, name: str
) -> None:
    tree = patch(fetch(str(fake_kernel), cache), cache, series=series_in(series))
    flipped(tree.tree / name)
    with pytest.raises(StageError, match=f"{tree.tree / name} is .*, was .*; remove"):
        build(tree, cache)
    assert not list(cache.root.glob("kernels/*"))


def test_a_file_more_or_less_is_found(cache: Cache, fake_kernel: Path, series: Path) -> None:
    source = fetch(str(fake_kernel), cache)
    extra = source.tree / "mm/extra.c"
    extra.write_text("")
    with pytest.raises(StageError, match=f"{extra} was added"):
        patch(source, cache, series=series_in(series))
    extra.unlink()
    (source.tree / BESIDE).unlink()
    with pytest.raises(StageError, match=f"{source.tree / BESIDE} is gone"):
        patch(source, cache, series=series_in(series))


def test_what_was_only_touched_is_read_and_believed(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fetch(str(fake_kernel), cache)
    read: list[Path] = []
    genuine = pristine.content_of

    def noted(path: Path) -> str:
        read.append(path)
        return genuine(path)

    monkeypatch.setattr(pristine, "content_of", noted)
    pristine.require_source(source, cache)
    assert read == []
    os.utime(source.tree / BESIDE)
    pristine.require_source(source, cache)
    pristine.require_source(source, cache)
    assert read == [source.tree / BESIDE]


def test_an_import_does_not_take_over_what_was_altered(cache: Cache, fake_kernel: Path) -> None:
    source = fetch(str(fake_kernel), cache)
    flipped(source.tree / BESIDE)
    (fake_kernel / FILE).write_text((fake_kernel / FILE).read_text() + "int more;\n")
    with pytest.raises(StageError, match=f"{source.tree / BESIDE} is "):
        fetch(str(fake_kernel), cache)


def test_a_source_of_another_digest_is_another_entry(cache: Cache, fake_kernel: Path) -> None:
    source = fetch(str(fake_kernel), cache)
    assert cache.load("sources", source.digest, KernelSource) == source
    other = replace(source, digest="f" * 64)
    assert cache.load("sources", other.digest, KernelSource) is None
    assert cache.load("trees", source.digest, PatchedTree) is None
