"""Interrupted downloads go on, and what goes wrong on the way is told apart."""

from __future__ import annotations

import http.client
import io
from pathlib import Path

import pytest

from spacetravlr.errors import InputError, RunDirectoryError
from spacetravlr.networks._http import _append, check_url, download

NAME = "mouse_network.parquet"


def test_a_broken_transfer_is_taken_up_at_once(site, get, content: bytes):
    site.files[NAME] = content
    site.break_after = [70_000, 50_000]
    got = get()
    assert got.path.read_bytes() == content
    assert [asked for name, asked in site.asked if name == NAME] == ["", "bytes=70000-", "bytes=120000-"]
    assert got.resumed_at == 0


def test_a_download_goes_on_when_the_command_is_repeated(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    site.break_after = [70_000] + [0] * 4
    with pytest.raises(InputError, match="broke off after 70,000 bytes; repeat the command to go on from there"):
        get()
    assert not (tmp_path / "data").exists()
    site.asked.clear()
    got = get()
    assert got.path.read_bytes() == content
    assert got.resumed_at == 70_000
    assert [asked for name, asked in site.asked if name == NAME] == ["bytes=70000-"]


def leave_part(site, get, content: bytes) -> None:
    site.files[NAME] = content
    site.break_after = [70_000] + [0] * 4
    with pytest.raises(InputError, match="broke off"):
        get()
    site.asked.clear()


def test_a_changed_file_starts_again(site, get, content: bytes):
    leave_part(site, get, b"y" * len(content))
    site.files[NAME], site.tag = content, '"v2"'
    got = get()
    assert got.path.read_bytes() == content
    assert got.resumed_at == 0


def test_a_changed_file_starts_again_even_if_the_server_would_go_on(site, get, content: bytes):
    leave_part(site, get, b"y" * len(content))
    site.files[NAME], site.tag, site.heeds_versions = content, '"v2"', False
    got = get()
    assert got.path.read_bytes() == content
    assert got.resumed_at == 0
    assert [asked for name, asked in site.asked if name == NAME] == ["bytes=70000-", ""]


def test_bytes_of_the_old_version_never_get_the_mark_of_the_new_one(
    site, get, content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    leave_part(site, get, b"y" * len(content))
    site.files[NAME], site.tag = content, '"v2"'

    def killed(path: Path, text: str) -> None:
        path.write_text(text)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spacetravlr.networks._http.write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            get()
    assert '"v2' in next((tmp_path / "cache").rglob(f"{NAME}.part.json")).read_text()
    assert get().path.read_bytes() == content


def test_a_server_without_ranges_starts_again(site, get, content: bytes):
    leave_part(site, get, content)
    site.ranges = False
    assert get().path.read_bytes() == content


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_trusted(site, get, content: bytes, tag: str | None):
    site.tag = tag
    leave_part(site, get, content)
    got = get()
    assert got.path.read_bytes() == content
    assert [asked for name, asked in site.asked if name == NAME] == [""]


def test_a_part_that_is_complete_needs_no_transfer(site, tmp_path: Path, content: bytes):
    site.files[NAME] = content
    part = tmp_path / "part"
    site.break_after = [len(content) - 10] + [0] * 4
    with pytest.raises(InputError):
        download(f"{site.url}/{NAME}", part, pause=0)
    part.write_bytes(content)
    answer = download(f"{site.url}/{NAME}", part, pause=0)
    assert part.read_bytes() == content
    assert answer.resumed_at == len(content)


def test_a_part_that_is_too_long_starts_again(site, tmp_path: Path, content: bytes):
    site.files[NAME] = content
    part = tmp_path / "part"
    site.break_after = [10] + [0] * 4
    with pytest.raises(InputError):
        download(f"{site.url}/{NAME}", part, pause=0)
    part.write_bytes(content + b"more")
    download(f"{site.url}/{NAME}", part, pause=0)
    assert part.read_bytes() == content


def test_another_range_than_asked_for_is_not_appended(site, get, content: bytes):
    leave_part(site, get, content)
    site.wrong_range = True
    with pytest.raises(InputError, match="another part of the file"):
        get()
    site.wrong_range = False
    assert get().path.read_bytes() == content


def test_a_file_of_unknown_length_is_checked_by_its_content(site, get, content: bytes):
    site.files[NAME], site.with_length = content, False
    assert get().path.read_bytes() == content
    site.files[NAME], site.tag = content[:200_000], '"v2"'
    with pytest.raises(InputError, match="is no usable network file"):
        get()


def test_errors_of_the_server(site, get, content: bytes, tmp_path: Path):
    with pytest.raises(InputError, match="answers 404 Not Found; check the address"):
        get()
    site.files[NAME] = content
    site.status[NAME] = [503] * 9
    with pytest.raises(InputError, match="answers 503 .*; try again later"):
        get()
    site.status = {NAME: [503, 500], f"{NAME}.sha256": [403]}
    assert get().path.read_bytes() == content
    site.status = {NAME: [429]}
    assert get(cache=tmp_path / "other").path.read_bytes() == content
    site.status = {"SHA256SUMS": [500]}
    with pytest.raises(InputError, match="SHA256SUMS: the server answers 500"):
        get(cache=tmp_path / "third")


def test_redirections_are_followed_within_the_web_only(site, get, content: bytes, tmp_path: Path):
    site.files["store"] = content
    site.redirect = {NAME: "/store"}
    assert get().path.read_bytes() == content
    site.redirect = {NAME: "ftp://127.0.0.1:9/x"}
    with pytest.raises(InputError, match="cannot be reached") as caught:
        get(cache=tmp_path / "other")
    assert "\n" not in str(caught.value)


def test_a_disk_that_refuses_is_not_a_server_that_is_away(site, get, content: bytes, tmp_path: Path):
    site.files[NAME] = content
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunDirectoryError, match=r"cannot write .*file/.*; free some space, or choose .* with --cache"):
        get(cache=tmp_path / "file")
    with pytest.raises(RunDirectoryError, match="the directory does not exist"):
        download(f"{site.url}/{NAME}", tmp_path / "gone" / "part", pause=0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_said(content: bytes):
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        _append(io.BytesIO(content), Path("/dev/full"))  # type: ignore[arg-type]


def test_signs_that_http_does_not_know_are_escaped():
    assert check_url(" http://host/caf\xe9/a b%20c/ ") == "http://host/caf%C3%A9/a%20b%20c"


def test_a_connection_that_breaks_is_no_fault_of_the_disk(tmp_path: Path):
    class Breaking:
        def read(self, n: int) -> bytes:
            raise ConnectionResetError("reset by peer")

    with pytest.raises(http.client.HTTPException, match="reset by peer"):
        _append(Breaking(), tmp_path / "part")  # type: ignore[arg-type]
