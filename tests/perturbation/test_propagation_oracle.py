"""The engine against a literal transcription of the propagation, cell by cell and term by term."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.betas import Betas
from spacetravlr.perturbation import PropagationModel, Target

EPS = 1e-9


@dataclass
class Instance:
    """A random tissue with random models, and everything a simulation may be asked for."""

    expression: np.ndarray
    genes: list[str]
    xy: np.ndarray
    labels: np.ndarray
    names: list[str]
    betas: list[Betas]
    radii: dict[str, float]
    targets: list[Target]
    steps: int
    kernel: str
    cutoff: float | None
    thresholds: dict[str, np.ndarray] | None
    scale: float
    beta_scale: float
    cap: float | None
    options: dict = field(default_factory=dict)


def received(instance: Instance, values: np.ndarray, ligand: str) -> np.ndarray:
    """One ligand received by each cell: the mean over all senders, weighted by the kernel."""
    n = len(values)
    out = np.zeros(n)
    if ligand not in instance.radii:
        return out
    radius = instance.radii[ligand]
    for i in range(n):
        for j in range(n):
            d = math.dist(instance.xy[i], instance.xy[j])
            if instance.cutoff is not None and d > instance.cutoff:
                continue
            sigma = radius
            if instance.kernel == "truncated":
                if d > radius:
                    continue
                sigma = radius / math.sqrt(-2 * math.log(0.001))
            out[i] += math.exp(-(d**2) / (2 * sigma**2)) * values[j]
        out[i] *= instance.scale / n
    return out


def oracle(instance: Instance, profile: str) -> np.ndarray:
    """Steps S1 to F2, word for word."""
    X, genes = instance.expression, instance.genes
    n, G = X.shape
    place = {gene: g for g, gene in enumerate(genes)}
    threshold = {g: (instance.thresholds or {}).get(g, np.ones(n)) > 0 for g in genes}
    measured = [b for b in instance.betas if b.target in place]
    lr_ligands = {lig for b in instance.betas for lig in b.ligands if lig in place}
    tfl_ligands = {lig for b in instance.betas for lig in b.tfl_ligands if lig in place}

    def counting(V):
        return np.where(V > EPS, V, 0.0)

    def rows(b):
        out = []
        for i in range(n):
            row = None
            if b.by == "cluster":
                for r, label in enumerate(b.row_labels):
                    if label == str(instance.labels[i]):
                        row = r
            if row is None and instance.names[i] in b.row_labels:
                row = b.row_labels.index(instance.names[i])
            if row is None and profile == "v1":
                row = 0
            out.append(row)
        return out

    def signals(V):
        expressed = counting(V)
        lr = {lig: received(instance, expressed[:, place[lig]] * threshold[lig], lig) for lig in lr_ligands}
        tfl = {lig: received(instance, expressed[:, place[lig]], lig) for lig in tfl_ligands}
        most = {}
        for lig in lr_ligands | tfl_ligands:
            if lig in lr and lig in tfl:
                most[lig] = np.maximum(lr[lig], tfl[lig])
            else:
                most[lig] = lr[lig] if lig in lr else np.maximum(0, tfl[lig])
        return lr, tfl, most

    def derivatives(b, i, row, RL, rw_tfl, GX):
        """Derivative of the target by each modulator gene; a gene that is not measured keeps its own name."""
        s, J = instance.beta_scale, {}

        def add(gene, value):
            J[gene] = J.get(gene, 0.0) + value

        if row is None:
            return J
        for name, value in zip(b.modulators, b.values[row], strict=True):
            beta = float(np.float32(value)) if profile == "v1" else float(value)
            if "$" in name:
                lig, rec = name.split("$")
                if lig in place and rec in place:
                    if GX[i, place[rec]] > 0:
                        add(rec, beta * RL[lig][i] * s)
                    add(lig, beta * GX[i, place[rec]] * s)
            elif "#" in name:
                lig, tf = name.split("#")
                if lig in place and tf in place:
                    add(lig, beta * GX[i, place[tf]] * s)
                    add(tf, beta * rw_tfl[lig][i] * s)
            elif name in place or profile == "v1":
                add(name, beta)
        if instance.cap is not None:
            J = {gene: min(max(value, -instance.cap), instance.cap) for gene, value in J.items()}
        return J

    delta_input, targeted = np.zeros((n, G)), {}
    for target in instance.targets:
        for i in range(n) if target.cells is None else target.cells:
            targeted[i, place[target.gene]] = target.value
    for (i, g), value in targeted.items():
        delta_input[i, g] = value - X[i, g]
    lr_0, tfl_0, most_0 = signals(X)
    E, RL = X, (most_0 if profile == "python" else lr_0)
    d = delta_input
    mapping = {b.target: rows(b) for b in measured}
    for _ in range(max(1, instance.steps) if profile == "v1" else instance.steps):
        GX = counting(E) * np.column_stack([threshold[gene] for gene in genes])
        X_t = X + d
        _, _, most_t = signals(X_t)
        a = d.copy()
        for lig in most_t:
            a[:, place[lig]] = most_t[lig] - most_0[lig]
        new = np.zeros((n, G))
        for b in measured:
            for i in range(n):
                J = derivatives(b, i, mapping[b.target][i], RL, tfl_0, GX)
                new[i, place[b.target]] = sum(J[gene] * a[i, place.get(gene, 0)] for gene in J)
        for i, g in targeted:
            if profile != "python" or delta_input[i, g] != 0:
                new[i, g] = delta_input[i, g]
        if profile == "python":
            new = np.clip(X + new, X.min(axis=0), X.max(axis=0)) - X
        else:
            new = np.maximum(0.0, X + new) - X
        d, E, RL = new, X_t, (most_0 if profile == "python" else most_t)
    simulated = X + d
    for (i, g), value in targeted.items():
        simulated[i, g] = value
    return simulated


GENES = [f"G{k}" for k in range(9)]


def make(seed: int, *, profile: str, missing: bool, per_cell: bool, negative: bool = False) -> Instance:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 11))
    X = np.where(rng.random((n, len(GENES))) < 0.3, 0.0, rng.exponential(1.0, (n, len(GENES))))
    X[rng.random(X.shape) < 0.05] = 1e-10
    if negative:
        X[rng.random(X.shape) < 0.1] = -0.3
    labels = rng.integers(0, 3, n)
    names = [f"c{i}" for i in range(n)]
    known = [*GENES, *(["Absent1", "Absent2"] if missing else [])]
    betas = []
    targets = [*rng.choice(GENES, 5, replace=False), *(["NotMeasured"] if missing else [])]
    for target in targets:
        tfs = list(rng.choice(known, int(rng.integers(0, 4)), replace=False))
        # a few shared ligands, some of them in pairs of one kind only
        pools = {"$": known if missing else known[:5], "#": known if missing else known[:3]}
        pairs = {f"{a}{mark}{rng.choice(known[:6])}" for mark in "$#" for a in rng.choice(pools[mark], 3)}
        modulators = (*tfs, *sorted(pairs))
        by = "cell" if per_cell and rng.random() < 0.5 else "cluster"
        row_labels = tuple(names if by == "cell" else map(str, range(3)))
        if profile != "python" and rng.random() < 0.4:
            row_labels = row_labels[1:]
        values = rng.normal(0, 0.4, (len(row_labels), len(modulators)))
        values[:, rng.random(len(modulators)) < 0.15] = 0.0
        betas.append(Betas(target, by, row_labels, np.zeros(len(row_labels)), modulators, values))
    chosen = list(rng.choice(GENES, int(rng.integers(1, 4)), replace=True))
    scopes = [None if rng.random() < 0.5 else sorted(rng.choice(n, int(rng.integers(0, n)), replace=False).tolist())]
    scopes += [None if rng.random() < 0.5 else [0, 2, 3] for _ in chosen[1:]]
    values = [
        float(rng.choice([0.0, 2.5, X[0, GENES.index(gene)] if X[0, GENES.index(gene)] >= 0 else 1.0]))
        for gene in chosen
    ]
    return Instance(
        expression=X,
        genes=GENES,
        xy=rng.uniform(0, 10, (n, 2)),
        labels=labels,
        names=names,
        betas=betas,
        radii={gene: float(rng.choice([2.0, 5.0])) for gene in GENES},
        targets=[Target(g, v, s) for g, v, s in zip(chosen, values, scopes, strict=True)],
        steps=int(rng.integers(0, 5)),
        kernel="truncated" if profile == "python" else "gaussian",
        cutoff=None,
        thresholds=None,
        scale=float(rng.choice([1.0, 3.0])),
        beta_scale=float(rng.choice([1.0, 2.5])),
        cap=None,
    )


def engine(instance: Instance, profile: str, **options) -> np.ndarray:
    thresholds = instance.thresholds
    if thresholds is not None:
        thresholds = (np.column_stack(list(thresholds.values())), list(thresholds))
    model = PropagationModel(
        instance.expression,
        instance.genes,
        instance.xy,
        instance.betas,
        radii=instance.radii,
        cluster_labels=instance.labels,
        cell_names=instance.names,
        kernel=instance.kernel,
        cutoff=instance.cutoff,
        thresholds=thresholds,
        profile=profile,
        scale=instance.scale,
        beta_scale_factor=instance.beta_scale,
        beta_cap=instance.cap,
        signal_tol=1e-10,
        **options,
    )
    return model.simulate(instance.targets, n_propagation=instance.steps).simulated


def agree(instance: Instance, profile: str, **options) -> None:
    expected = oracle(instance, profile)
    found = engine(instance, profile, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * max(1.0, np.abs(expected).max()))


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.booleans(), st.sampled_from([None, 0.2, 1.0]), st.sampled_from([None, 3.0]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_v1(seed, missing, cap, cutoff, negative):
    instance = make(seed, profile="v1", missing=missing, per_cell=False, negative=negative)
    instance.cap, instance.cutoff = cap, cutoff
    agree(instance, "v1")


@given(seeds, st.booleans(), st.sampled_from([None, 0.2, 1.0]), st.sampled_from([None, 3.0]))
@settings(max_examples=25, deadline=None)
def test_default_with_mixed_tables(seed, missing, cap, cutoff):
    instance = make(seed, profile="default", missing=missing, per_cell=True)
    instance.cap, instance.cutoff = cap, cutoff
    agree(instance, "default")


@given(seeds, st.booleans(), st.sampled_from([None, 0.3]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_python(seed, with_thresholds, cap, per_cell):
    instance = make(seed, profile="python", missing=False, per_cell=per_cell)
    instance.cap = cap
    if with_thresholds:
        rng = np.random.default_rng(seed)
        instance.thresholds = {gene: rng.integers(0, 2, len(instance.names)) for gene in GENES[:6]}
    agree(instance, "python")


@given(seeds, st.sampled_from([None, 0.3]))
@settings(max_examples=10, deadline=None)
def test_thresholds_under_the_default_rules(seed, cap):
    instance = make(seed, profile="default", missing=False, per_cell=False)
    instance.cap = cap
    rng = np.random.default_rng(seed)
    instance.thresholds = {gene: rng.integers(0, 2, len(instance.names)) for gene in GENES[2:]}
    agree(instance, "default")


@given(seeds, st.sampled_from([None, 0.3]))
@settings(max_examples=10, deadline=None)
def test_blocks_of_one_cell_and_sparse_matrices_change_nothing(seed, cap):
    instance = make(seed, profile="default", missing=False, per_cell=True)
    instance.cap = cap
    whole = engine(instance, "default")
    np.testing.assert_allclose(engine(instance, "default", memory=1.0), whole, rtol=1e-12, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacetravlr.perturbation._coefficients._DENSE", 2.0)
        np.testing.assert_allclose(engine(instance, "default"), whole, rtol=1e-12, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacetravlr.perturbation._coefficients._MAX_GROUPS", 1)
        np.testing.assert_allclose(engine(instance, "default"), whole, rtol=1e-12, atol=1e-12)


def test_ligands_without_a_radius_are_received_by_nobody():
    for seed in range(4):
        instance = make(seed, profile="default", missing=False, per_cell=False)
        del instance.radii["G0"], instance.radii["G1"]
        agree(instance, "default")
