"""Networks that other packages give: liana's resources and decoupler's TF networks."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

from spacetravlr.errors import ConfigError, InputError, MissingExtraError
from spacetravlr.networks import Source, build

PAIRS = pd.DataFrame({"ligand": ["IL6", "TGFB1"], "receptor": ["IL6R_IL6ST", "TGFBR1"]})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    def put(name: str, **members: object) -> None:
        module = ModuleType(name)
        module.__dict__.update(members, __version__="9.9")
        monkeypatch.setitem(sys.modules, name, module)

    return put


def test_resources_of_liana(fake):
    asked = []

    def select_resource(name: str) -> pd.DataFrame:
        asked.append(name)
        return PAIRS

    fake("liana", resource=SimpleNamespace(select_resource=select_resource))
    built = build(["liana:", "liana:cellphonedb"], "mouse")
    assert asked == ["mouseconsensus", "cellphonedb"]
    assert len(built.edges) == 3
    assert built.provenance["sources"][0]["file"] == "liana 9.9, mouseconsensus"
    fake("liana", rs=SimpleNamespace(select_resource=select_resource))
    build(["liana:"], "human")
    assert asked[-1] == "consensus"


def test_networks_of_decoupler_in_both_versions(fake):
    asked = []

    def collectri(organism: str) -> pd.DataFrame:
        asked.append(organism)
        return pd.DataFrame({"source": ["Pax5"], "target": ["Cd19"], "weight": [1.0]})

    def dorothea(organism: str, levels: list[str]) -> pd.DataFrame:
        asked.append((organism, levels))
        return pd.DataFrame({"source": ["Pax5"], "target": ["Cd79a"], "weight": [1.0], "confidence": ["A"]})

    fake("decoupler", op=SimpleNamespace(collectri=collectri, dorothea=dorothea))
    built = build(["decoupler:collectri", Source("decoupler:dorothea", confidence=("A",))], "mouse")
    assert asked == ["mouse", ("mouse", ["A"])]
    found = zip(built.edges["source"], built.edges["target"], built.edges["weight"], strict=True)
    assert set(found) == {("Pax5", "Cd19", 1.0), ("Pax5", "Cd79a", 1.0)}
    fake("decoupler", get_collectri=collectri)
    assert len(build(["decoupler:"], "mouse").edges) == 1
    with pytest.raises(ConfigError, match="decoupler's TF networks are collectri, dorothea"):
        build(["decoupler:progeny"], "mouse")
    with pytest.raises(InputError, match="has no dorothea"):
        build(["decoupler:dorothea"], "mouse")


def test_packages_that_are_missing_or_fail(fake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "liana", None)
    with pytest.raises(MissingExtraError, match="liana is not installed; pip install liana, or give a file"):
        build(["liana:consensus"], "human")

    def broken(name: str) -> None:
        raise ConnectionError("no route\nto host")

    fake("liana", rs=SimpleNamespace(select_resource=broken))
    with pytest.raises(InputError, match=r"the package failed \(ConnectionError: no route to host\)"):
        build(["liana:consensus"], "human")
    fake("liana", rs=SimpleNamespace(select_resource=lambda name: None))
    with pytest.raises(InputError, match="returned no table"):
        build(["liana:consensus"], "human")
    fake("liana")
    with pytest.raises(InputError, match="no select_resource"):
        build(["liana:consensus"], "human")
