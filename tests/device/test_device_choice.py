"""Which device is used: settings, environment, what the system shows and what torch sees."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from spacetravlr.device import Accelerator, Device, _choose, choose_device
from spacetravlr.errors import ConfigError, MissingExtraError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("SPACETRAVLR_FORCE_CPU", "SPACETRAVLR_DISABLE_WGPU", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def machine(monkeypatch):
    """Make a machine with some hardware, as the system and as torch see it; torch None is not installed."""

    def make(*, traces: tuple[str, ...] = (), torch: tuple[str, ...] | None = ()) -> list[str]:
        imported: list[str] = []

        def load() -> SimpleNamespace:
            imported.append("torch")
            if torch is None:
                raise ModuleNotFoundError("No module named 'torch'")
            return SimpleNamespace(
                __version__="9.9",
                cuda=SimpleNamespace(is_available=lambda: "cuda" in torch, get_device_name=lambda: "Big Card"),
                backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: "mps" in torch)),
            )

        monkeypatch.setattr(_choose, "_torch", load)
        monkeypatch.setattr(_choose, "_may_have_cuda", lambda: "cuda" in traces)
        monkeypatch.setattr(_choose, "_may_have_mps", lambda: "mps" in traces)
        return imported

    return make


@pytest.mark.parametrize(
    ("traces", "torch", "kind"),
    [
        (("cuda",), ("cuda",), "cuda"),
        (("mps",), ("mps",), "mps"),
        (("cuda", "mps"), ("cuda", "mps"), "cuda"),
        (("cuda", "mps"), ("mps",), "mps"),
        (("cuda",), (), "cpu"),
        (("cuda",), None, "cpu"),
    ],
)
def test_auto_takes_the_first_that_is_there(machine, traces, torch, kind):
    machine(traces=traces, torch=torch)
    assert choose_device("auto").kind == kind


def test_auto_asks_torch_only_where_there_are_traces_of_a_device(machine):
    imported = machine(traces=(), torch=("cuda",))
    assert choose_device("auto") == Device("cpu")
    assert choose_device("cpu") == Device("cpu")
    assert imported == []


def test_a_broken_torch_is_no_torch(machine, monkeypatch):
    machine(traces=("cuda",))

    def broken() -> None:
        raise OSError("libcudart.so: cannot open shared object file")

    monkeypatch.setattr(_choose, "_torch", broken)
    assert choose_device("auto") == Device("cpu")
    with pytest.raises(MissingExtraError, match="libcudart"):
        choose_device("cuda")


def test_a_card_that_does_not_answer_is_no_card(machine, monkeypatch):
    machine(traces=("cuda", "mps"), torch=("cuda", "mps"))
    real = _choose._name

    def silent(torch, kind):
        if kind == "cuda":
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable.\nCompile with ...")
        return real(torch, kind)

    monkeypatch.setattr(_choose, "_name", silent)
    assert choose_device("auto").kind == "mps"
    machine(traces=("cuda",), torch=("cuda",))
    assert choose_device("auto") == Device("cpu")
    with pytest.raises(ConfigError, match=r"does not answer \(CUDA error: all .* unavailable\): use auto or cpu$"):
        choose_device("cuda")


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_asked_for_by_name_is_there_or_an_error(machine, kind):
    machine(torch=(kind,))
    assert choose_device(kind).kind == kind
    machine(traces=(kind,), torch=())
    with pytest.raises(ConfigError, match=rf"device '{kind}' .*--device.* is not there: torch 9.9 sees none"):
        choose_device(kind)
    machine(traces=(kind,), torch=None)
    with pytest.raises(MissingExtraError, match=r"python -m pip install 'spacetravlr-py\[cnn\]', or use auto or cpu$"):
        choose_device(kind)


@pytest.mark.parametrize("name", ["SPACETRAVLR_FORCE_CPU", "SPACETRAVLR_DISABLE_WGPU"])
def test_the_environment_forces_the_cpu(machine, monkeypatch, name):
    imported = machine(traces=("cuda",), torch=("cuda",))
    for value in ("1", "true", "TRUE"):
        monkeypatch.setenv(name, value)
        for asked in ("auto", "cuda", "mps"):
            found = choose_device(asked)
            assert (found.kind, str(found)) == ("cpu", f"cpu ({name} is set)")
    assert imported == []
    for value in ("", "0", "false"):
        monkeypatch.setenv(name, value)
        assert choose_device("auto").kind == "cuda"


def test_hidden_cards_are_not_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(_choose, "_TRACES", (str(tmp_path),))
    monkeypatch.setattr(sys, "platform", "linux")
    assert _choose._may_have_cuda()
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not _choose._may_have_cuda()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert _choose._may_have_cuda()
    monkeypatch.setattr(_choose, "_TRACES", (str(tmp_path / "nothing"),))
    assert not _choose._may_have_cuda()


def test_devices_are_named_in_words(machine):
    machine(torch=("cuda",))
    assert str(choose_device("cuda")) == "cuda (Big Card)"
    assert str(Device("cpu")) == "cpu"


def test_an_accelerator_has_the_precision_of_its_device():
    assert Accelerator.of(Device("cpu")) is None
    cuda, mps = Accelerator.of(Device("cuda", "Big Card")), Accelerator.of(Device("mps"))
    assert (cuda.place, cuda.name, cuda.double) == ("cuda", "cuda (Big Card)", True)
    assert (mps.place, mps.name, mps.double) == ("mps", "mps", False)


def test_nothing_imports_torch_before_it_is_needed():
    code = (
        "import sys, spacetravlr.training, spacetravlr.regression.fista, spacetravlr.device as device\n"
        "assert device.choose_device('cpu').kind == 'cpu'\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
