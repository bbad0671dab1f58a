"""What a manifest says at the start and at the end of training, given what was there and what the files show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run.manifest import Manifest, Status, moment, now
from spacetravlr.run.paths import Scan


def begun(manifest: Manifest, before: Manifest | None, found: Scan, *, joining: bool = False) -> Manifest:
    """Return the manifest of a run that starts, or starts again.

    Parameters
    ----------
    manifest
        Facts about this process and its targets.
    before
        What an earlier or parallel process left: its `run_id` and `started` stay, and so do its other targets and
        their failures.
    found
        The targets on disk.
    joining
        Other processes are at work: all failures stay.
    """
    written = replace(manifest, status="running", started=manifest.started or now(), finished="", pace_from=moment())
    if before is not None:
        new = set(manifest.targets)
        written = replace(
            written,
            run_id=before.run_id or written.run_id,
            started=before.started or written.started,
            targets=(*manifest.targets, *(gene for gene in before.targets if gene not in new)),
            failures={gene: why for gene, why in before.failures.items() if joining or gene not in new},
        )
    return _counted(written, found)


def failed_too(manifest: Manifest, found: Scan, failures: Mapping[str, str]) -> Manifest:
    """Return the manifest of a run in which further targets could not be trained."""
    return _counted(replace(manifest, failures={**manifest.failures, **failures}), found)


def concluded(
    manifest: Manifest,
    before: Manifest | None,
    found: Scan,
    *,
    failures: Mapping[str, str],
    claims: Iterable[LockInfo],
    stopped: bool,
) -> Manifest:
    """Return the manifest of a run that ends.

    Parameters
    ----------
    manifest
        What `begun` returned.
    before
        What is on disk now: processes that ended meanwhile have added their failures.
    found
        The targets on disk.
    failures
        Targets that this process could not train, with the reason.
    claims
        The claims of other processes.
    stopped
        The user asked to stop.
    """
    known = before or manifest
    new = set(manifest.targets)
    written = replace(
        manifest,
        targets=(*manifest.targets, *(gene for gene in known.targets if gene not in new)),
        failures={**known.failures, **failures},
        finished=now(),
        pace_from=moment(),
    )
    written = _counted(written, found)
    left = set(written.targets) - found.finished - written.failures.keys()
    others = any(lock.gene in left and not lock.gone for lock in claims)
    return replace(written, status=_status(written.counts, others=others, stopped=stopped))


def _counted(manifest: Manifest, found: Scan) -> Manifest:
    targets = set(manifest.targets)
    failures = {gene: why for gene, why in manifest.failures.items() if gene not in found.finished}
    left = targets - found.finished
    counts = {
        "ok": len(targets & found.done),
        "orphan": len(targets & found.orphan),
        "failed": len(left & failures.keys()),
        "skipped": len(left - failures.keys()),
    }
    return replace(manifest, failures=failures, counts=counts, betadata_count=len(found.done))


def _status(counts: Mapping[str, int], *, others: bool, stopped: bool) -> Status:
    if not counts["failed"] and not counts["skipped"]:
        return "complete" if counts["ok"] else "failed"
    if others:
        return "running"
    if stopped:
        return "stopped"
    return "partial" if counts["ok"] else "failed"
