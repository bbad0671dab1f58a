"""The family of simulated tissues: shares of variance, shared nuisance, and edges the prior network lacks."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from spacetravlr.datasets import content_hash, knock_out_truth, simulated_tissue
from spacetravlr.errors import InputError

SIZE = (500, 60, 3)


def make(**options):
    return simulated_tissue(*SIZE, seed=2, knock_outs=(), **options)


def test_the_defaults_are_the_usual_tissue():
    assert content_hash(make()) == content_hash(
        make(tf_share=0.41, lr_share=0.20, tfl_share=0.05, nuisance=0.12, missing_prior=0.0)
    )


@pytest.mark.parametrize("kind", ["TF", "LR", "TFL"])
def test_a_kind_without_a_share_has_no_edges(kind):
    others = {"TF", "LR", "TFL"} - {kind}
    edges = make(**{f"{kind.lower()}_share": 0.0}).uns["truth"]["edges"]
    assert set(edges["kind"]) == others


def test_without_any_share_nothing_regulates():
    adata = make(tf_share=0.0, lr_share=0.0, tfl_share=0.0)
    assert adata.uns["truth"]["edges"].empty
    assert not adata.var["regulated"].any()
    change = knock_out_truth(adata, adata.var_names[0])
    assert change[:, 0].any()
    assert not change[:, 1:].any()
    # the prior network claims edges all the same
    assert len(adata.uns["network"]) == len(make().uns["network"])


def test_a_share_is_the_part_of_the_variance_it_says():
    few, many = make(tf_share=0.1, lr_share=0.0, tfl_share=0.0), make(tf_share=0.7, lr_share=0.0, tfl_share=0.0)

    def explained(adata):
        edges = adata.uns["truth"]["edges"]
        return float((edges["effect_sd"] ** 2).groupby([edges["target"], edges["cell_type"]]).sum().median())

    assert explained(few) == pytest.approx(0.1, abs=0.06)
    assert explained(many) == pytest.approx(0.7, abs=0.25)


def test_nuisance_correlates_genes_that_do_not_regulate_each_other():
    def mean_correlation(nuisance):
        adata = make(tf_share=0.0, lr_share=0.0, tfl_share=0.0, nuisance=nuisance)
        own = np.asarray(adata.X)[(adata.obs["cell_type_int"] == 0).to_numpy()]
        r = np.corrcoef(own.T)
        return float(np.abs(r[np.triu_indices_from(r, 1)]).mean())

    assert mean_correlation(0.5) > 1.5 * mean_correlation(0.0)


def test_missing_edges_are_true_ones_that_the_network_does_not_list():
    whole, part = make(), make(missing_prior=0.4)
    np.testing.assert_array_equal(whole.X, part.X)
    assert whole.uns["truth"]["edges"].equals(part.uns["truth"]["edges"])
    rows = [
        {tuple(row) for row in adata.uns["network"][["source", "target", "edge_type"]].itertuples(index=False)}
        for adata in (whole, part)
    ]
    lost = rows[0] - rows[1]
    assert rows[1] < rows[0]
    edges = whole.uns["truth"]["edges"]
    true = {(row.modulator, row.target, "grn") for row in edges[edges["kind"] == "TF"].itertuples()}
    true |= {(*name.split("$"), "lr") for name in edges.loc[edges["kind"] == "LR", "modulator"]}
    true |= {(*name.split("#"), "nichenet") for name in edges.loc[edges["kind"] == "TFL", "modulator"]}
    assert lost < true
    assert len(lost) == round(0.4 * len(true))
    assert not true & {
        tuple(row)
        for row in make(missing_prior=1.0).uns["network"][["source", "target", "edge_type"]].itertuples(index=False)
    }


def test_the_answer_survives_a_file(tmp_path):
    adata = make(lr_share=0.3, nuisance=0.05, missing_prior=0.2)
    adata.write_h5ad(tmp_path / "tissue.h5ad")
    again = anndata.read_h5ad(tmp_path / "tissue.h5ad")
    gene = adata.uns["truth"]["edges"]["modulator"][adata.uns["truth"]["edges"]["kind"] == "TF"].iloc[0]
    np.testing.assert_array_equal(knock_out_truth(again, gene), knock_out_truth(adata, gene))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tf_share": -0.1}, "tf_share = -0.1: must be 0 or more"),
        ({"nuisance": 0.6}, "nuisance = 0.6: must be between 0 and 0.5"),
        ({"tf_share": 0.9}, "the shares and nuisance together"),
        ({"missing_prior": 1.5}, "missing_prior = 1.5: must be between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)
