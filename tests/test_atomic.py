"""Files are complete or not there, whatever the file system does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spacetravlr import atomic
from spacetravlr.errors import RunDirectoryError


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("durable", [False, True])
def test_a_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    atomic.write_text(path, "new é", durable=durable)
    assert path.read_text(encoding="utf-8") == "new é"
    assert names(tmp_path) == {"a.txt"}


def test_files_get_the_permissions_of_the_user_not_of_a_temporary_file(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        atomic.write_text(tmp_path / "a", "x")
        atomic.create_text(tmp_path / "b", "x")
        atomic.create_exclusively(tmp_path / "c", b"x")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == {"a.txt"}


def test_a_rename_whose_answer_was_lost_has_succeeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def repeated(self: Path, target: Path) -> None:
        replace(self, target)
        replace(self, target)

    monkeypatch.setattr(Path, "replace", repeated)
    atomic.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"

    def lost(self: Path, target: Path) -> None:
        self.unlink()
        replace(self, target)

    monkeypatch.setattr(Path, "replace", lost)
    for name in ("a", "b"):
        with pytest.raises(RunDirectoryError, match="was it removed while the run was going on"):
            atomic.write_text(tmp_path / name, "newer")
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == {"a"}


def test_full_disk_leaves_no_half_file_and_says_what_to_do(small_disk: Path) -> None:
    path = small_disk / "a"
    atomic.write_bytes(path, b"old")
    for write in (atomic.write_bytes, lambda place, content: atomic.create_exclusively(place.with_name("b"), content)):
        with pytest.raises(RunDirectoryError, match="no space left on the disk; free some"):
            write(path, bytes(1 << 20))
    with pytest.raises(RunDirectoryError, match="no space left"):
        atomic.create_text(small_disk / "c", "x" * (1 << 20))
    assert names(small_disk) == {"a"}
    assert path.read_bytes() == b"old"


def test_a_file_where_a_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    below = tmp_path / "file" / "a"
    for act in (
        lambda: atomic.make_directory(tmp_path / "file"),
        lambda: atomic.make_directory(below),
        lambda: atomic.write_text(below, "x"),
        lambda: atomic.create_text(below, "x"),
        lambda: atomic.create_exclusively(below, b"x"),
    ):
        with pytest.raises(RunDirectoryError, match=r"file.*choose another --output-dir"):
            act()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_that_cannot_be_written() -> None:
    # even root cannot create files here, which a read-only directory would let it do
    place = Path("/proc/self")
    if not place.is_dir():
        pytest.skip("no /proc")
    for act in (lambda: atomic.write_text(place / "a", "x"), lambda: atomic.make_directory(place / "a")):
        with pytest.raises(RunDirectoryError, match=r"cannot (write|create the directory) /proc/self"):
            act()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_refusals_name_path_and_advice(number: int, text: str) -> None:
    error = atomic.refusal(Path("/out/a"), OSError(number, os.strerror(number)))
    assert "/out/a" in str(error)
    assert text in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("linkable", [True, False])
def test_of_many_creators_exactly_one_wins_with_all_of_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linkable: bool
) -> None:
    if not linkable:

        def refuse(self: Path, target: Path) -> None:
            raise PermissionError(errno.EPERM, "no links here")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    wins: list[int] = []
    gate = threading.Barrier(8)

    def create(number: int) -> None:
        gate.wait()
        if atomic.create_text(tmp_path / "a", f"{number}" * 5000):
            wins.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert (tmp_path / "a").read_text() == f"{wins[0]}" * 5000
    assert names(tmp_path) == {"a"}


def test_left_overs_of_killed_processes_are_removed_and_of_living_ones_kept(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from spacetravlr import atomic\n"
        "p = atomic.temporary_name(Path(sys.argv[1])); p.write_text('half'); print(p.name, flush=True)\n"
        "sys.stdin.read() if sys.argv[2] == 'live' else os._exit(1)"
    )
    dead = subprocess.run([sys.executable, "-c", code, tmp_path, "dead"], capture_output=True, text=True, check=False)
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, "live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as live:
        assert live.stdout is not None
        kept = live.stdout.readline().strip()
        own = atomic.temporary_name(tmp_path)
        own.touch()
        foreign = tmp_path / ".tmp-00000000-1-1-1"
        foreign.touch()
        assert names(tmp_path) >= {dead.stdout.strip(), kept}
        assert atomic.remove_left_overs(tmp_path) == 1
        assert names(tmp_path) == {kept, own.name, foreign.name}
        live.communicate()
