"""Several pieces of tissue in one model: they exchange nothing, whatever their coordinates are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spacetravlr.errors import InputError
from spacetravlr.perturbation import Region, Target, negative_control, screen
from spacetravlr.perturbation._fingerprint import fingerprint
from spacetravlr.perturbation._groups import label_groups
from spacetravlr.perturbation.controls import _permutation, shuffled

N = 60
SLIDES = np.array(["s2", "s1", "s1"] * (N // 3))
WANTED = {"G01": 0.0, "G05": 2.0}


def far_apart(xy: np.ndarray) -> np.ndarray:
    """The pieces moved so far that nothing reaches from one to the other."""
    return xy + np.where(SLIDES == "s1", 0.0, 1e4)[:, None]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"profile": "v1"},
        {"beta_cap": 0.2},
        {"kernel": "truncated"},
        {"radii": {"G00": 2.0, "G01": 4.0}, "default_radius": 3.0},
        {"ligand_grid_factor": 0.2},
    ],
)
def test_pieces_in_one_place_are_pieces_far_apart(build, options):
    plain = build(signal_tol=0.0, **options)
    together = build(signal_tol=0.0, samples=SLIDES, **options)
    apart = build(signal_tol=0.0, xy=far_apart(plain.xy), **options).simulate(WANTED)
    found = together.simulate(WANTED)
    np.testing.assert_allclose(found.values, apart.values, rtol=0, atol=1e-9)
    assert np.abs(found.values - plain.simulate(WANTED).values).max() > 1e-3


@pytest.mark.parametrize("numbers", [False, True])
def test_labels_are_texts_or_whole_numbers_and_their_names_do_not_matter(build, numbers: bool):
    labels = np.where(SLIDES == "s1", 7, 3) if numbers else SLIDES.astype(object)
    found = build(samples=labels).simulate(WANTED)
    np.testing.assert_array_equal(found.values, build(samples=SLIDES).simulate(WANTED).values)


def test_one_piece_is_no_pieces(build):
    found = build(samples=["one"] * N).simulate(WANTED)
    np.testing.assert_array_equal(found.values, build().simulate(WANTED).values)


def test_nothing_leaks_into_another_piece(build):
    model = build(samples=SLIDES)
    one = np.flatnonzero(SLIDES == "s1")
    effect = model.simulate({"G00": 0.0, "G01": "x2"}, cells=one, n_propagation=6)
    assert not effect.delta[SLIDES == "s2"].any()
    assert np.abs(effect.delta[one]).max() > 1e-3
    leaking = build().simulate({"G00": 0.0, "G01": "x2"}, cells=one, n_propagation=6)
    assert np.abs(leaking.delta[SLIDES == "s2"]).max() > 1e-3


def test_the_factor_counts_the_cells_of_all_pieces(build):
    """The same neighbourhood receives the same in a piece of 20 cells and in one of 40."""
    model = build(samples=SLIDES)
    field = next(iter(model.signals.values()))
    order = model._engine.order
    alone = np.zeros((N, 1))
    for slide in ("s1", "s2"):
        cell = int(np.flatnonzero(slide == SLIDES)[0])
        alone[:] = 0.0
        alone[np.flatnonzero(order == cell)[0]] = 5.0
        assert field.apply(alone)[np.flatnonzero(order == cell)[0], 0] == pytest.approx(5.0 / N, rel=1e-6)


def test_rings_are_around_the_perturbed_cells_of_the_same_piece(build):
    model = build(samples=SLIDES)
    source = int(np.flatnonzero(SLIDES == "s1")[0])
    effect = model.simulate({"G00": 0.0}, cells=[source])
    table = effect.differential(by="ring", rings=[1.0, 3.0, 9.0])
    counts = table.groupby("ring")["n_cells"].first()
    distance = np.hypot(*(model.xy - model.xy[source]).T)
    mine = (SLIDES == "s1") & (np.arange(N) != source)
    edges = {"0-1": (0, 1), "1-3": (1, 3), "3-9": (3, 9), ">9": (9, np.inf)}
    expected = {name: int((mine & (distance > low) & (distance <= high)).sum()) for name, (low, high) in edges.items()}
    from spacetravlr.perturbation._groups import distance_rings

    rings = distance_rings(effect, [1.0, 3.0, 9.0])
    found = dict(zip(rings.labels, rings.sizes.tolist(), strict=True))
    assert found == {"perturbed": 1, **{name: n for name, n in expected.items() if n}}
    assert (rings.codes[SLIDES == "s2"] == -1).all()
    assert set(counts.index) <= set(found)
    everywhere = distance_rings(replace(effect, samples=None), [1.0, 3.0, 9.0])
    assert (everywhere.codes >= 0).all()


def test_two_perturbed_pieces_have_rings_of_their_own(build):
    from spacetravlr.perturbation._groups import distance_rings

    model = build(samples=SLIDES)
    sources = [int(np.flatnonzero(slide == SLIDES)[0]) for slide in ("s1", "s2")]
    rings = distance_rings(model.simulate({"G00": 0.0}, cells=sources), [2.0, 5.0])
    nearest = np.array([min(np.hypot(*(model.xy[i] - model.xy[s])) for s in sources if SLIDES[s] == SLIDES[i])
                        for i in range(N)])  # fmt: skip
    names = np.where(nearest == 0, "perturbed", np.where(nearest <= 2, "0-2", np.where(nearest <= 5, "2-5", ">5")))
    assert [rings.labels[code] for code in rings.codes] == names.tolist()


def test_cells_exchange_positions_within_their_piece(build):
    model = build(samples=SLIDES, signal_tol=0.0)
    groups = label_groups("cell_type", N, model.obs, model.labels[0])
    one, other = (_permutation(groups, 1, number, model.samples) for number in range(2))
    assert not np.array_equal(one, other)
    assert sorted(one) == list(range(N))
    assert np.array_equal(SLIDES[one], SLIDES)
    assert np.array_equal(groups.codes[one], groups.codes)
    moved = build(samples=SLIDES, signal_tol=0.0, xy=model.xy[one])
    interventions = model.simulate(WANTED).interventions
    found = shuffled(model._engine, one).run(interventions, 3)
    np.testing.assert_allclose(found.values, moved.simulate(WANTED, n_propagation=3).values, rtol=0, atol=1e-9)


def test_a_negative_control_of_overlapping_pieces_is_that_of_pieces_far_apart(build):
    together = build(samples=SLIDES, signal_tol=0.0)
    apart = build(samples=SLIDES, signal_tol=0.0, xy=far_apart(together.xy))
    tables = [
        negative_control(model, {"G01": 0.0}, n_shuffles=4, n_random=2, seed=3, n_propagation=2, n_jobs=1)
        for model in (together, apart)
    ]
    np.testing.assert_allclose(tables[0]["control_mean"], tables[1]["control_mean"], rtol=1e-7)
    assert tables[0]["p_value"].tolist() == tables[1]["p_value"].tolist()


def test_a_screen_and_its_fingerprint_know_the_pieces(build, tmp_path):
    together, plain = build(samples=SLIDES, signal_tol=0.0), build(signal_tol=0.0)
    apart = build(signal_tol=0.0, xy=far_apart(plain.xy))
    options = {"genes": ["G00", "G04"], "n_propagation": 2, "n_jobs": 1}
    models = {"found": together, "expected": apart, "other": plain}
    found, expected, other = (screen(model, out_dir=tmp_path / name, **options) for name, model in models.items())
    found, expected, other = (result.summary for result in (found, expected, other))
    numbers = found.select_dtypes("number").columns
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-7, atol=1e-12)
    assert not np.allclose(found[numbers], other[numbers], rtol=1e-3)
    assert len({fingerprint(model) for model in (together, plain, build(samples=SLIDES[::-1].copy()))}) == 3


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (SLIDES[:5], r"samples must have shape \(60,\), not \(5,\)"),
        (np.array([None, *SLIDES[1:]], dtype=object), "none missing"),
        (np.array([np.nan, *SLIDES[1:]], dtype=object), "none missing"),
        (np.linspace(0, 1, N), "texts or whole numbers"),
    ],
)
def test_labels_that_say_nothing_are_refused(build, samples, words: str):
    with pytest.raises(InputError, match=words):
        build(samples=samples)


def test_a_region_on_several_pieces_is_told(build):
    model = build(samples=SLIDES)
    everywhere = Region.from_points([(-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6)])
    told = model.simulate({"G00": 0.0}, cells=everywhere).notes
    assert [note for note in told if note.startswith("the region holds cells of 2 pieces of tissue")]
    model.obs["slide"] = SLIDES
    one = model.simulate([Target("G00", 0.0, {"slide": "s1"})], cells=everywhere)
    assert one.interventions[0].rows.tolist() == np.flatnonzero(SLIDES == "s1").tolist()
    for effect in (one, model.simulate({"G00": 0.0}), build().simulate({"G00": 0.0}, cells=everywhere)):
        assert not any("region" in note for note in effect.notes)
