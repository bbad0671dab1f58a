"""Several commands on one run directory: one is killed, the others do all that is left, and all accounts add up."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

from spacetravlr.run import Run


def test_the_leader_is_killed_and_those_who_joined_finish_with_its_settings(
    spawn, long_sample: Path, tmp_path: Path, locks
):
    out = tmp_path / "run"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def start(*flags: object) -> subprocess.Popen[str]:
        return spawn("spacetravlr", *flags, "--parallel", 1, "--plain", more={}, **pipes)

    leader = start("--h5ad", long_sample, "--output-dir", out, "--n-bootstraps", 60, "--max-genes", 200)
    assert leader.stdout is not None
    for line in leader.stdout:
        if line.startswith("training"):
            break
    joiners = [start("--join-output-dir", out, "--max-genes", 3, "--radius", 7) for _ in range(2)]
    end = time.monotonic() + 60
    while not any(out.glob("*_betadata.feather")):
        assert time.monotonic() < end
        time.sleep(0.01)
    leader.send_signal(signal.SIGKILL)
    leader.communicate()
    told = [joiner.communicate(timeout=120) for joiner in joiners]
    assert [joiner.returncode for joiner in joiners] == [0, 0]
    written = 0
    for text, err in told:
        assert err == ""
        assert "note: --max-genes, --radius ignored: a run that is joined keeps its settings\n" in text
        assert re.search(r"^training 200 genes", text, re.MULTILINE)
        words = re.search(r"complete after \S+: (?:(\d+) genes? written|nothing left to do)(.*)", text)
        assert words is not None
        written += int(words[1] or 0)
        # one that came late found everything done
        assert "\n[200/200] " in text or words[1] is None
    run = Run.open(out)
    assert len(run.genes) + len(run.orphans) == 200
    assert written < len(run.genes), "the leader had written some"
    assert (run.status().state, run.config.spatial.radius, run.config.training.max_genes) == ("complete", 200.0, 200)
    assert locks(out) == []
