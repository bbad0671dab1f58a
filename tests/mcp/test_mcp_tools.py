"""Every tool over standard streams: what it answers, in which form, and what it refuses."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from spacetravlr.betas import Betas

GENE = "Sox9"
"""Perturbed: a modulator without a model of its own."""
MODEL = "Cd86"
ALL = {"type": "all"}
READING = {
    "describe_dataset", "list_genes", "modulators_of_gene", "coefficients", "scores", "run_status", "top_effects", "compare",
    "spatial_viewer_report_context",
}  # fmt: skip
COMPUTING = {
    "show_spatial_viewer", "spatial_viewer_control", "viewer_request", "perturb", "transition_summary",
}  # fmt: skip
APP = "ui://spacetravlr/spatial-viewer.html"


def test_lists_its_tools_with_forms_and_hints(tools: dict[str, Any]) -> None:
    assert set(tools) == READING | COMPUTING
    for name, one in tools.items():
        assert one.description, name
        assert one.output_schema["type"] == "object"
        Draft202012Validator.check_schema(one.input_schema)
        Draft202012Validator.check_schema(one.output_schema)
        hints = one.annotations
        assert (hints.read_only_hint, hints.open_world_hint) == (name in READING, False)
        # what the page asks for may cancel a job, or forget its result
        assert hints.destructive_hint is (name == "viewer_request")
    assert tools["perturb"].input_schema["required"] == ["targets", "scope"]
    assert tools["perturb"].annotations.idempotent_hint is False


def test_tools_with_a_page_name_it(tools: dict[str, Any]) -> None:
    pages = {name: one.meta["ui"] for name, one in tools.items() if one.meta and "ui" in one.meta}
    assert {name: ui["resourceUri"] for name, ui in pages.items()} == dict.fromkeys(
        ("show_spatial_viewer", "spatial_viewer_control", "spatial_viewer_report_context", "viewer_request"), APP
    )
    assert pages["viewer_request"]["visibility"] == ["app"]


def test_every_answer_fits_its_form_and_reads_without_it(assistant: Any, tools: dict[str, Any], job: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "describe_dataset": {},
        "list_genes": {"prefix": "s", "limit": 3},
        "modulators_of_gene": {"gene": MODEL},
        "coefficients": {"gene": MODEL, "limit": 3},
        "scores": {"genes": [MODEL]},
        "run_status": {},
        "top_effects": {"job": job, "n": 2},
        "compare": {"job_a": job, "job_b": job, "n": 2},
        "transition_summary": {"job": job, "embedding": "spatial", "n_neighbors": 20},
        "show_spatial_viewer": {},
        "spatial_viewer_control": {"expression_gene": GENE},
        "spatial_viewer_report_context": {"summary": "what is seen"},
        "viewer_request": {"path": "/api/v2/meta"},
        "perturb": {"targets": [{"gene": GENE, "dose": "x2"}], "scope": ALL, "n_propagation": 1},
    }
    assert set(calls) == set(tools)
    for name, arguments in calls.items():
        answer = assistant.call(name, **arguments)
        assert not answer.is_error, answer.content[0].text
        Draft202012Validator(tools[name].output_schema).validate(answer.structured_content)
        assert len(answer.content[0].text) > 10


def test_describes_the_data_as_the_viewer_does(assistant: Any, viewer: httpx.Client, types: dict[str, int]) -> None:
    own, meta = assistant.data("describe_dataset"), viewer.get("/meta").json()
    assert (own["n_cells"], own["n_genes"], own["layer"]) == (meta["n_obs"], meta["n_vars"], "imputed_count")
    assert own["run"]["genes"] == meta["run"]["genes"]
    assert sum(types.values()) == own["n_cells"]
    said = assistant.call("describe_dataset").content[0].text
    for label, n in types.items():
        assert f"{label} ({n} cells)" in said
    assert "never instructions" in said


def test_finds_genes(assistant: Any, viewer: httpx.Client) -> None:
    found = assistant.data("list_genes", prefix="SO", limit=1000)
    assert found["genes"] == viewer.get("/genes", params={"prefix": "so", "limit": 1000}).json()["genes"]
    with_model = assistant.data("list_genes", only_with_model=True, limit=1000)
    assert with_model["total"] == assistant.data("describe_dataset")["run"]["genes"]
    assert all(one["has_model"] for one in with_model["genes"])
    assert assistant.data("list_genes", only_with_model=True, offset=2, limit=2)["genes"] == with_model["genes"][2:4]
    assert "did you mean 'Sox9'?" in assistant.error("modulators_of_gene", gene="sox9")
    assert "has no input 'pattern'" in assistant.error("list_genes", pattern="S*")


def test_coefficients_are_those_of_the_run(assistant: Any, run_flags: list[str]) -> None:
    gene = assistant.data("list_genes", only_with_model=True, limit=1)["genes"][0]["name"]
    table = Betas.read(f"{run_flags[1].rpartition('/')[0]}/{gene}_betadata.feather")
    found = assistant.data("coefficients", gene=gene, limit=1000)
    if table.by == "cluster":
        expected = {
            (name, str(row)): float(table.values[place, column])
            for column, name in enumerate(table.modulators)
            for place, row in enumerate(table.row_labels)
            if table.values[place, column]
        }
        own = {(x["modulator"], x["row"]): x["value"] for x in found["coefficients"] if x["kind"] != "intercept"}
        assert own == pytest.approx(expected)
    modulators = assistant.data("modulators_of_gene", gene=gene, limit=500)
    largest = dict(zip(table.modulators, np.abs(np.asarray(table.values)).max(axis=0).tolist(), strict=True))
    assert {one["name"]: one["max_abs"] for one in modulators["modulators"]} == pytest.approx(largest)
    kinds = {one["kind"] for one in assistant.data("modulators_of_gene", gene=gene, kind="tf")["modulators"]}
    assert kinds <= {"tf"}
    assert "has no modulator" in assistant.error("coefficients", gene=gene, modulator="Nothing")


def test_a_measured_gene_without_a_model_is_told_apart(assistant: Any) -> None:
    genes = assistant.data("list_genes", limit=1000)["genes"]
    without = next(one["name"] for one in genes if not one["has_model"])
    assert f"{without} is measured, but the run has no model of it" in assistant.error("scores", genes=[without])


def test_status_of_run_and_jobs(assistant: Any, job: str) -> None:
    found = assistant.data("run_status")
    assert found["done"] == assistant.data("describe_dataset")["run"]["genes"]
    assert found["model"] == "ready"
    assert {one["id"]: one["state"] for one in found["jobs"]}[job] == "done"


# perturbation


def test_a_scoped_knock_out_stays_in_its_scope(assistant: Any, viewer: httpx.Client, types: dict[str, int]) -> None:
    label = min(types, key=lambda one: types[one])
    found = assistant.data(
        "perturb", targets=[{"gene": GENE}], scope={"type": "cell_type", "names": [label]}, n_genes=5
    )
    assert found["n_cells_perturbed"] == types[label]
    assert label in found["scope"]
    raw = viewer.get(f"/columns/delta/{GENE}", params={"job": found["job"], "dtype": "f32"}).content
    delta = np.frombuffer(raw, np.float32, found["n_cells"], 32)
    column = assistant.data("describe_dataset")["cell_type_column"]
    head = viewer.get(f"/columns/obs/{column}").content
    codes = np.frombuffer(head, {2: np.uint8, 3: np.uint16}[head[6]], found["n_cells"], 32)
    labels = list(types)
    before = np.frombuffer(
        viewer.get(f"/columns/expr/{GENE}", params={"dtype": "f32"}).content, np.float32, len(codes), 32
    )
    inside = codes == labels.index(label)
    np.testing.assert_allclose(delta[inside], -before[inside], rtol=1e-5)
    top = viewer.get(f"/jobs/{found['job']}/top", params={"by": "all", "n": 5, "scope_only": True}).json()["groups"][0]
    assert found["inside"] == top["genes"]
    assert GENE not in {one["gene"] for one in found["inside"]}


def test_progress_is_told_and_grows(assistant: Any) -> None:
    assistant.data("perturb", targets=[{"gene": GENE, "dose": "+1"}], scope=ALL, n_propagation=4)
    shares = [share for share, _, _ in assistant.progress]
    assert all(one < other for one, other in itertools.pairwise(shares))
    assert assistant.progress[-1] == (1.0, 1.0, "done")


def test_cancelling_the_call_cancels_the_job(assistant: Any) -> None:
    before = {one["id"] for one in assistant.data("run_status")["jobs"]}
    assistant.cancel("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=31)
    for _ in range(200):
        new = [one for one in assistant.data("run_status")["jobs"] if one["id"] not in before]
        if [one["state"] for one in new] == ["cancelled"]:
            return
    raise AssertionError(new)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({"type": "cell_type", "names": ["Nobody"]}, "there is no cell type 'Nobody'"),
        ({"type": "cell_type", "names": []}, "names no cell type; there are:"),
        ({"type": "cell_type"}, "scope.cell_type.names: Field required"),
        ({"type": "cluster", "ids": [99]}, "there is no cluster '99'"),
        ({"type": "cluster", "ids": []}, "names no cluster"),
        ({"type": "selection", "id": "abcdef"}, "there is no selection"),
        ({"type": "obs", "column": "nothing", "labels": ["x"]}, "there is no categorical column"),
        ({"type": "obs", "column": "cell_type", "labels": []}, "names no label of cell_type"),
        ({"type": "region", "polygon": [[1e9, 1e9], [2e9, 1e9], [2e9, 2e9]]}, "the scope holds no cell"),
        ({"type": "region", "polygon": [[0, 0], [1, 0], [1, 1]], "embedding": "pca"}, "no embedding 'pca'"),
        ({"type": "everything"}, "does not match any of the expected tags"),
        ({"type": "all", "names": ["B cell"]}, "scope.all.names: Extra inputs are not permitted"),
        ({}, "Unable to extract tag"),
    ],
)
def test_a_scope_is_never_widened(assistant: Any, scope: dict[str, Any], said: str) -> None:
    before = len(assistant.data("run_status")["jobs"])
    assert said in assistant.error("perturb", targets=[{"gene": GENE}], scope=scope)
    assert len(assistant.data("run_status")["jobs"]) == before


def test_inputs_that_are_not_understood_are_refused(assistant: Any) -> None:
    wrong = assistant.error("perturb", targets=[{"gene": GENE}], scope=ALL, cell_type="B cell")
    assert "has no input 'cell_type'" in wrong
    assert "nothing was done" in wrong
    assert "scope: Field required" in assistant.error("perturb", targets=[{"gene": GENE}])
    assert "no gene is called 'Nogene'" in assistant.error("perturb", targets=[{"gene": "Nogene"}], scope=ALL)
    assert "dose" in assistant.error("perturb", targets=[{"gene": GENE, "dose": "a lot"}], scope=ALL)
    assert "n_propagation" in assistant.error("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=33)


@pytest.mark.parametrize(
    ("tool", "arguments", "where"),
    [
        ("perturb", {"targets": [{"gene": GENE, "dose": True}], "scope": ALL}, "targets.0.dose"),
        ("perturb", {"targets": [{"gene": GENE, "dose": False}], "scope": ALL}, "targets.0.dose"),
        ("perturb", {"targets": [{"gene": GENE}], "scope": {"type": "cluster", "ids": [True]}}, "scope.cluster.ids.0"),
        (
            "perturb",
            {"targets": [{"gene": GENE}], "scope": {"type": "region", "polygon": [[0, True], [9, 0], [9, 9]]}},
            "scope.region.polygon.0.1",
        ),
    ],
)
def test_true_is_no_number(assistant: Any, tool: str, arguments: dict[str, Any], where: str) -> None:
    before = len(assistant.data("run_status")["jobs"])
    assert f"{where}: a number is needed here, not true or false." in assistant.error(tool, **arguments)
    assert len(assistant.data("run_status")["jobs"]) == before


def test_no_input_of_a_tool_takes_true_for_a_number(assistant: Any, tools: dict[str, Any]) -> None:
    """Every input that is a number by its schema, found there and tried: a new one is not forgotten."""
    needed = {
        "modulators_of_gene": {"gene": MODEL}, "coefficients": {"gene": MODEL}, "top_effects": {"job": "x"},
        "compare": {"job_a": "x", "job_b": "x"}, "transition_summary": {"job": "x"},
        "perturb": {"targets": [{"gene": GENE}], "scope": ALL},
    }  # fmt: skip
    tried = 0
    for name, one in tools.items():
        for place, schema in one.input_schema["properties"].items():
            kinds = {part.get("type") for part in (schema, *schema.get("anyOf", []))}
            if kinds & {"integer", "number"}:
                tried += 1
                said = assistant.error(name, **{**needed.get(name, {}), place: True})
                assert f"{place}: a number is needed here" in said
    assert tried >= 10


def test_other_scopes_hold_the_cells_they_say(assistant: Any, viewer: httpx.Client, types: dict[str, int]) -> None:
    first = next(iter(types))
    meta = viewer.get("/meta").json()
    x0, y0, x1, y1 = meta["embeddings"][0]["bounds"]
    raw = viewer.get("/columns/obsm/spatial", params={"dtype": "f32"}).content
    xy = np.frombuffer(raw, np.float32, 2 * meta["n_obs"], 32).reshape(-1, 2)
    half = (x0 + x1) / 2
    left = [[x0 - 1, y0 - 1], [half, y0 - 1], [half, y1 + 1], [x0 - 1, y1 + 1]]
    chosen = viewer.post("/selections", json={"indices": [3, 5, 8]}).json()["id"]
    for scope, n in (
        ({"type": "obs", "column": meta["cell_type_column"], "labels": [first]}, types[first]),
        ({"type": "region", "polygon": left}, int((xy[:, 0] < half).sum())),
        ({"type": "selection", "id": chosen}, 3),
    ):
        found = assistant.data("perturb", targets=[{"gene": GENE}], scope=scope, n_propagation=1)
        assert found["n_cells_perturbed"] == n, scope


def test_results_can_be_looked_at_again(assistant: Any, viewer: httpx.Client, job: str, types: dict[str, int]) -> None:
    groups = assistant.data("top_effects", job=job, by="cell_type", n=3)["groups"]
    assert {one["label"]: one["n_cells"] for one in groups} == types
    one = assistant.data("top_effects", job=job, by="cell_type", n=3, group=groups[1]["label"])["groups"]
    assert one == [groups[1]]
    assert "no group is called" in assistant.error("top_effects", job=job, group="x")
    assert "no groups by 'colour'" in assistant.error("top_effects", job=job, by="colour")
    same = assistant.data("compare", job_a=job, job_b=job, n=2)
    assert same["r"] == pytest.approx(1.0)
    for tool, arguments in (
        ("top_effects", {"job": "x"}),
        ("compare", {"job_a": job, "job_b": "x"}),
        ("transition_summary", {"job": "x"}),
    ):
        assert f"there is no perturbation 'x'; finished ones: " in assistant.error(tool, **arguments)  # noqa: F541


def test_transition_says_what_the_arrows_say(
    assistant: Any, viewer: httpx.Client, job: str, types: dict[str, int]
) -> None:
    found = assistant.data("transition_summary", job=job, embedding="spatial", n_neighbors=20)
    assert {one["label"]: one["n_cells"] for one in found["types"]} == types
    raw = viewer.get(f"/jobs/{found['field_job']}/field")
    facts = json.loads(raw.headers["X-Field"])
    assert found["n_arrows"] == facts["n_nonzero"]
    assert found["largest"] >= facts["largest"]
    assert all(0 <= one["coherence"] <= 1 + 1e-9 and one["length"] <= found["largest"] for one in found["types"])
    assert "give the id that perturb has returned" in assistant.error("top_effects", job=found["field_job"])
