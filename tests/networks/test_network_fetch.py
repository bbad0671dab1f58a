"""Network files come whole from a server or not at all, checked and cached."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.networks import Fetched, default_cache, fetch
from spacetravlr.prior import PriorNetwork

NAME = "mouse_network.parquet"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_without_a_manifest_is_recorded(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    got = get()
    assert got.path == tmp_path / "data" / NAME
    assert got.path.read_bytes() == content
    assert (got.sha256, got.n_bytes) == (digest(content), len(content))
    assert (got.checked_by, got.from_cache, got.resumed_at, got.note) == ("", False, 0, "")
    assert (tmp_path / "data" / "SHA256SUMS").read_text() == f"{digest(content)}  {NAME}\n"
    assert [name for name, _ in site.asked] == [f"{NAME}.sha256", "SHA256SUMS", NAME]
    assert PriorNetwork.load("mouse", tmp_path / "data").counts()["grn"] > 0
    # nothing but the file and its sum is left behind
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["SHA256SUMS", NAME]
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()) == [NAME, f"{NAME}.json"]


@pytest.mark.parametrize("manifest", [f"{NAME}.sha256", "SHA256SUMS"])
@pytest.mark.parametrize(
    "form", ["{sum}  {name}", "{sum} *./{name}", "{upper}  {name}", "SHA256 ({name}) = {sum}", "SHA256({name})= {sum}"]
)
def test_the_manifest_beside_the_file_is_checked(site, get, content: bytes, manifest: str, form: str):
    line = form.format(sum=digest(content), upper=digest(content).upper(), name=NAME)
    other = f"{'0' * 64}  human_network.parquet\n"
    site.files |= {NAME: content, manifest: f"# sums\n{other}{line}\n".encode()}
    assert get().checked_by == manifest


def test_a_bare_sum_is_that_of_the_file_it_is_named_after(site, get, content: bytes):
    site.files |= {NAME: content, f"{NAME}.sha256": digest(content).encode()}
    assert get().checked_by == f"{NAME}.sha256"


def test_a_bare_sum_in_a_manifest_of_many_files_is_nobodys(site, get, content: bytes):
    site.files |= {NAME: content, "SHA256SUMS": b"0" * 64}
    assert get().checked_by == ""


def test_a_wrong_sum_is_refused_and_not_kept(site, get, content: bytes, tmp_path: Path):
    site.files |= {NAME: content[:-1] + b"x", f"{NAME}.sha256": digest(content).encode()}
    with pytest.raises(InputError, match=rf"the sum of the file is [0-9a-f]{{64}}, expected {digest(content)}; it was"):
        get()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    site.files[NAME] = content
    assert get().sha256 == digest(content)


def test_a_sum_that_is_given_wins_over_the_manifest(site, get, content: bytes):
    site.files |= {NAME: content, f"{NAME}.sha256": ("0" * 64).encode()}
    assert get(sha256=digest(content).upper()).checked_by == "given"
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        get(sha256="abc")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n", "is a Git LFS pointer, not the file"),
        (b"<html>not found</html>", "has 22 bytes, too few for a network file"),
        (b"x" * 200_000, "is no usable network file (no parquet file)"),
        (b"PAR1" + b"x" * 200_000, "is no usable network file"),
    ],
)
def test_other_things_are_refused(site, get, tmp_path: Path, body: bytes, words: str):
    site.files[NAME] = body
    with pytest.raises(InputError) as caught:
        get()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_table_of_other_columns_is_refused(site, get, tmp_path: Path):
    pd.DataFrame({"a": np.random.default_rng(0).random(30_000)}).to_parquet(tmp_path / "x.parquet")
    site.files[NAME] = (tmp_path / "x.parquet").read_bytes()
    with pytest.raises(InputError, match="is no usable network file .column source, target, edge_type, weight"):
        get()


@pytest.mark.parametrize("name", ["SHA256SUMS", NAME])
def test_a_server_out_of_order_leaves_the_copy_in_the_cache(site, get, content: bytes, name: str):
    site.files[NAME] = content
    get()
    site.status = {name: [503]}
    got = get()
    assert (got.from_cache, got.checked_by) == (True, "")
    assert "answers 503" in got.note and got.note.endswith("the copy in the cache was used")


def test_one_of_two_fetches_downloads_and_the_other_waits(site, get, content: bytes, caplog, tmp_path: Path):
    site.files |= {NAME: content, f"{NAME}.sha256": digest(content).encode()}
    site.held = threading.Event()
    got: list[Fetched] = []
    threads = [threading.Thread(target=lambda: got.append(get())) for _ in range(2)]
    for thread in threads:
        thread.start()
    idle = threading.Event()
    for _ in range(500):
        if "another process is fetching" in caplog.text and any(name == NAME for name, _ in site.asked):
            break
        idle.wait(0.01)
    site.held.set()
    for thread in threads:
        thread.join()
    assert "another process is fetching" in caplog.text
    assert sorted(one.from_cache for one in got) == [False, True]
    assert [name for name, _ in site.asked].count(NAME) == 1
    assert (tmp_path / "data" / NAME).read_bytes() == content
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()) == [NAME, f"{NAME}.json"]


def test_the_cache_saves_the_transfer(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    get()
    (tmp_path / "data" / NAME).unlink()
    site.asked.clear()
    got = get()
    assert got.from_cache
    assert got.path.read_bytes() == content
    # without a manifest the server is asked whether the file has changed
    assert [name for name, _ in site.asked] == [f"{NAME}.sha256", "SHA256SUMS", NAME]
    site.files[f"{NAME}.sha256"] = digest(content).encode()
    site.asked.clear()
    assert get().from_cache
    assert [name for name, _ in site.asked] == [f"{NAME}.sha256"]


def test_a_damaged_cache_is_not_used(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    get()
    (kept,) = (tmp_path / "cache").rglob(NAME)
    kept.write_bytes(content[:-5])
    got = get()
    assert not got.from_cache
    assert got.path.read_bytes() == content


def test_a_different_file_is_replaced_only_when_asked(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    own = tmp_path / "data" / NAME
    own.parent.mkdir()
    own.write_text("my own")
    (own.parent / "SHA256SUMS").write_bytes(
        f"{'1' * 64}  human_network.parquet\n{'2' * 64}  {NAME}\n{'3' * 64} *{NAME}\n# \xe9\n".encode("latin-1")
    )
    with pytest.raises(InputError, match="is there already and is a different file; --force replaces it"):
        get()
    assert own.read_text() == "my own"
    assert get(replace=True).path.read_bytes() == content
    assert (own.parent / "SHA256SUMS").read_text().splitlines() == [
        f"{'1' * 64}  human_network.parquet",
        "# \ufffd",
        f"{digest(content)}  {NAME}",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_offline_is_one_clear_line_or_the_copy_in_the_cache(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    get()
    site.url, online = f"http://127.0.0.1:{free_port()}/dir", site.url
    with pytest.raises(
        InputError, match=r"^127.0.0.1:\d+ cannot be reached \(.*refused\); check the connection"
    ) as caught:
        get()
    assert "\n" not in str(caught.value)
    # the same address later, without its server
    cached = next((tmp_path / "cache").rglob(NAME))
    moved = cached.parent.parent / hashlib.sha256(f"{site.url}/{NAME}".encode()).hexdigest()[:16]
    cached.parent.rename(moved)
    got = get()
    assert got.from_cache
    assert got.note.endswith("; the copy in the cache was used")
    assert online != site.url


def test_a_directory_in_the_place_of_the_file_is_said(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    (tmp_path / "data" / NAME).mkdir(parents=True)
    with pytest.raises(InputError, match="is a directory; remove it"):
        get(replace=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/x", "is no address of a server"),
        ("/some/where", "is no address of a server"),
        ("https://", "is no address of a server"),
        ("file:///etc", "is no address of a server"),
        ("http://[host", "is no address of a server"),
        ("http://host:port/x", "is no address of a server"),
        ("http://host:99999", "is no address of a server"),
        ("http://host/x?token=1", "is not the address of a directory"),
        (f"http://host/{NAME}", "is not the address of a directory"),
        ("http://me:secret@host/x", "the address of host holds a user name"),
    ],
)
def test_addresses_are_checked(tmp_path: Path, url: str, words: str):
    with pytest.raises(ConfigError, match=words) as caught:
        fetch("mouse", url, tmp_path / "data", cache=tmp_path / "cache")
    assert "secret" not in str(caught.value)


def test_species_and_timeouts_are_checked(tmp_path: Path):
    for species in ("../mouse", "", "homo sapiens"):
        with pytest.raises(ConfigError, match="must be one word"):
            fetch(species, "http://host", tmp_path / "data", cache=tmp_path / "cache")
    for timeout in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="timeout must be above 0"):
            fetch("mouse", "http://host", tmp_path / "data", cache=tmp_path / "cache", timeout=timeout)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_where_the_system_has_its_caches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/spacetravlr/networks")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "spacetravlr" / "networks"
