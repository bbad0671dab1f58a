"""The benchmark of transition fields, from its name to its record."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spacetravlr.bench import registry, transition
from spacetravlr.perturbation.transition import transition_field


def test_quick(monkeypatch, tmp_path, capsys):
    listed = {**registry.BENCHMARKS, "transition": registry.Benchmark("transition", "arrows on an embedding")}
    monkeypatch.setattr(registry, "BENCHMARKS", listed)
    path = tmp_path / "transition.json"
    assert registry.main("transition", ["--quick", "--threads", "1"], path) == 0
    document = json.loads(path.read_text())
    assert [one["changed_genes"] for one in document["summary"]] == [50, 500]
    for one in document["summary"]:
        assert one["error"] < 1e-10
        assert one["plain_s"] > 0
        assert one["median_s"] > 0
        assert one["peak_rss_mb"] >= one["input_mb"] > 5
        assert one["ns_per_pair"] == pytest.approx(one["median_s"] * 1e9 / 500 / 150)
    assert capsys.readouterr().out.count("genes change") == 2


def test_the_plain_formula_is_ours():
    effect, embedding = transition.make_effect(200, 7)
    assert len(effect.columns) == 7
    found = transition_field(effect, embedding=embedding, n_jobs=1).cell_vectors
    near = transition._nearest(embedding, 11)
    assert len(near) == 150
    assert 11 not in near
    np.testing.assert_allclose(transition.plain_vector(effect, embedding, 11, near), found[11], rtol=1e-9)
