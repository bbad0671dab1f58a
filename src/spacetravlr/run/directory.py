"""`RunDirectory`: everything of a run that must survive a crash, in one place."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spacetravlr import atomic
from spacetravlr.config import RunConfig
from spacetravlr.errors import RunDirectoryError
from spacetravlr.run import paths
from spacetravlr.run._accounts import begun, concluded, failed_too
from spacetravlr.run._heartbeat import anybody_alive
from spacetravlr.run._scores import GeneScores, read_records, write_record, write_tables
from spacetravlr.run._tidy import remove_idle_claims, remove_temporary_files, tidy
from spacetravlr.run.claims import Claims, read_claims
from spacetravlr.run.log import GeneLog, format_log
from spacetravlr.run.manifest import InputData, Manifest
from spacetravlr.run.settings import begin_or_continue, read_config, read_manifest

if TYPE_CHECKING:
    from spacetravlr.betas import Betas
    from spacetravlr.run._lockfile import LockInfo


class RunDirectory:
    """The files of one run: configuration, claims, coefficients, markers, logs and manifest.

    Get one with `create` (to train) or `open` (to read). Use it as a context manager when claiming, so that claims
    are given back whatever happens.

    Parameters
    ----------
    path
        The directory, which must exist.
    stale_lock_secs
        Seconds without a heartbeat after which others' claims are taken over; by default what the stored
        configuration says.
    notices
        What the user should know about how the directory was found.
    """

    def __init__(
        self, path: str | Path, *, stale_lock_secs: float | None = None, notices: tuple[str, ...] = ()
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.files = paths.RunPaths(self.path)
        self.notices = notices
        self._stale_lock_secs = stale_lock_secs

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: RunConfig,
        *,
        sample: InputData | None = None,
        config_dir: Path | None = None,
    ) -> Self:
        """Begin a run, or continue one of the same settings.

        The effective configuration is written first, with absolute paths. Temporary files of processes that were
        killed are removed.

        Parameters
        ----------
        path
            The directory; `~` is expanded, missing parents are made.
        config
            Effective settings.
        sample
            What will be trained on; refused if the stored manifest describes another one.
        config_dir
            Directory of the configuration file that relative paths in it refer to.

        Raises
        ------
        SettingsChangedError
            If the directory holds a run of other settings or of another sample; the message shows the differences.
        RunDirectoryError
            If the directory cannot be written, or holds results of unknown settings.
        """
        root = Path(path).expanduser().absolute()
        notices = begin_or_continue(root, config, sample=sample, config_dir=config_dir)
        remove_temporary_files(root)
        run = cls(root, stale_lock_secs=config.execution.stale_lock_secs, notices=notices)
        # read while it is there: it is written again if somebody removes it meanwhile
        _ = run.config
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing run for reading.

        Parameters
        ----------
        path
            The directory; `~` is expanded.

        Raises
        ------
        RunDirectoryError
            If it is missing or holds no run configuration.
        """
        run = cls(path)
        if not run.path.is_dir():
            what = "is a file, not a run directory" if run.path.exists() else "does not exist"
            raise RunDirectoryError(f"{run.path} {what}")
        _ = run.config
        return run

    @cached_property
    def config(self) -> RunConfig:
        """The stored configuration, as it was when the run began."""
        return read_config(self.files.toml)[0]

    @property
    def manifest(self) -> Manifest | None:
        """The manifest as it is on disk now; None if there is none."""
        return read_manifest(self.files.manifest)

    def scan(self) -> paths.Scan:
        """Return done, orphan and locked targets by reading the names in the directory once."""
        return paths.scan(self.path)

    def done(self, gene: str) -> bool:
        """Return True if a target has coefficients or is an orphan; at most four look-ups of a name."""
        return any(path.exists() for path in self.files.finished(gene))

    @cached_property
    def claims(self) -> Claims:
        """The claims of this process in this directory."""
        seconds = self._stale_lock_secs
        return Claims(
            self.path,
            is_done=self.done,
            stale_lock_secs=self.config.execution.stale_lock_secs if seconds is None else seconds,
        )

    def claim(self, genes: Iterable[str], *, together: bool = False) -> tuple[str, ...]:
        """Take targets for this process; see `Claims.claim`."""
        return self.claims.claim(genes, together=together)

    def release(self, genes: Iterable[str] | None = None) -> None:
        """Give targets back, all by default; see `Claims.release`."""
        self.claims.release(genes)

    def locked(self) -> tuple[LockInfo, ...]:
        """Return all claims in the directory, whoever holds them."""
        return read_claims(self.path)

    def write_betas(self, betas: Betas) -> Path:
        """Write the coefficients of a target; with this it is done.

        Write its log before: once the coefficients are there, no later run touches the target again.

        Parameters
        ----------
        betas
            The coefficients; `betas.target` names the file.

        Returns
        -------
        The file.

        Raises
        ------
        InputError
            If all coefficients are zero: mark the target as an orphan.
        RunDirectoryError
            If the file system refuses; nothing half-written is left.
        """
        path = self.files.betadata(betas.target)
        betas.write(path)
        return path

    def write_orphan(self, gene: str, reason: str) -> Path:
        """Mark a target that gets no model; it is not tried again.

        Parameters
        ----------
        gene
            The target.
        reason
            Why, for people.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        path = self.files.orphan(gene)
        atomic.write_text(path, " ".join(reason.split()) + "\n")
        return path

    def orphan_reason(self, gene: str) -> str | None:
        """Return why a target is an orphan: None if it is not, an empty text if the marker does not say."""
        try:
            # a marker full of zeros does not say either
            return self.files.orphan(gene).read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
        except OSError:
            return None

    def write_log(self, log: GeneLog) -> Path:
        """Write the text log of a target.

        Parameters
        ----------
        log
            What is known about its training.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        path = self.files.log(log.gene)
        atomic.make_directory(path.parent)
        atomic.write_text(path, format_log(log))
        return path

    def write_scores(self, scores: GeneScores) -> Path:
        """Write how well a target is fitted; before its coefficients or its marker, as with the log.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        return write_record(self.path, scores)

    def scores(self) -> list[GeneScores]:
        """Return how well the finished targets are fitted, sorted by target; read from the disk each time."""
        return read_records(self.files, self.scan())

    def append_run_log(self, line: str) -> None:
        """Append a line, with the time, to `log/run.log`; several processes may do so.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        path = self.files.run_log
        atomic.make_directory(path.parent)
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {' '.join(line.splitlines())}\n")
        except OSError as error:
            raise atomic.refusal(path, error) from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Write a manifest as it is; see `begin` and `conclude`, which also mind what is there.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        atomic.write_text(self.files.manifest, manifest.to_json(), durable=True)

    def begin(self, manifest: Manifest) -> Manifest:
        """Write the manifest at the start of training, and start the heartbeat.

        Parameters
        ----------
        manifest
            Facts about this process and its targets.

        Returns
        -------
        What was written: an earlier run in the directory keeps its `run_id` and `started`, and its targets. Failures
        are forgotten, for they are tried again, unless another process that has met them is still at work.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        self.claims.start()
        found = self.scan()
        remove_idle_claims(self.path, found)
        with self.claims.turn("manifest"):
            written = begun(manifest, self.manifest, found, joining=self.anybody_at_work())
            self.write_manifest(written)
        return written

    def record_failures(self, failures: Mapping[str, str]) -> None:
        """Add targets that could not be trained to the manifest, so that others see them, and a crash keeps them.

        Parameters
        ----------
        failures
            The reason, by target.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        with self.claims.turn("manifest"):
            before = self.manifest
            if before is not None:
                self.write_manifest(failed_too(before, self.scan(), failures))

    def conclude(
        self,
        manifest: Manifest,
        *,
        failures: Mapping[str, str],
        stopped: bool = False,
        wall_seconds: float | None = None,
        notices: Iterable[str] = (),
    ) -> Manifest:
        """Write the manifest at the end of training, with counts taken from the files, and the tables of scores.

        Parameters
        ----------
        manifest
            What `begin` returned.
        failures
            Targets that this process could not train, with the reason.
        stopped
            The user asked to stop.
        wall_seconds
            Duration of this process's training.
        notices
            Further things to know.

        Returns
        -------
        What was written. `status` is `complete` (every target has coefficients or is an orphan), `stopped`,
        `failed` (no target has coefficients), or `partial`; it stays `running` while other processes hold targets.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        held = self.claims.held
        with self.claims.turn("manifest"):
            # what is on disk is read only now, so whoever comes last counts what all have done; claims before results,
            # because a target that is finished in between is one that somebody else was at work on
            claims = [lock for lock in self.locked() if lock.gene not in held]
            found = self.scan()
            written = concluded(
                replace(manifest, wall_seconds=wall_seconds, notices=(*manifest.notices, *notices)),
                self.manifest,
                found,
                failures=failures,
                claims=claims,
                stopped=stopped,
            )
            self.write_manifest(written)
        with self.claims.turn("scores"):
            # a look of its own: whoever writes last must have seen everything that was there before
            write_tables(self.files, self.scan())
        tidy(self.path, found, complete=not set(written.targets) - found.finished)
        if not self.files.toml.exists():
            atomic.write_text(self.files.toml, self.config.to_toml(), durable=True)
        return written

    def anybody_at_work(self) -> bool:
        """Return True if a process other than this one seems to work here; for people, not for taking claims over."""
        return anybody_alive(self.path, besides=self.claims.heartbeat if "claims" in self.__dict__ else None)

    def close(self) -> None:
        """Give all claims back and stop the heartbeat."""
        if "claims" in self.__dict__:
            self.claims.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
