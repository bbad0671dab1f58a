"""The described API against requests that its description generates: no server error, no path, no trace."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from starlette import testclient

from spacetravlr.viewer import ViewerOptions, create_app

OPERATIONS = [
    found.ok() for found in schemathesis.openapi.from_dict(create_app(ViewerOptions()).openapi()).get_all_operations()
]
MODES = {"fitting": GenerationMode.POSITIVE, "not fitting": GenerationMode.NEGATIVE}


@pytest.fixture(scope="module")
def own(make_client):
    """A server of its own: some of the requests change what is shown."""
    return make_client()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_generated_requests_are_answered(own, operation):
    if not (operation.body or operation.query or operation.path_parameters or operation.headers):
        assert own.request(operation.method, operation.path).status_code < 500
        return

    @settings(
        max_examples=3,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    @given(st.data())
    def ask(data):
        mode = MODES["not fitting" if data.draw(st.booleans()) else "fitting"]
        case = data.draw(operation.as_strategy(generation_mode=mode))
        request = case.as_transport_kwargs(base_url="http://127.0.0.1:8080")
        request.pop("cookies", None)
        if isinstance(request.get("data"), bytes | str):
            request["content"] = request.pop("data")
        try:
            answer = own.request(**request)
        except (UnicodeEncodeError, TypeError, ValueError, testclient.httpx.InvalidURL):
            return  # no client can send that
        _check(answer, operation.path)

    ask()


def _check(answer, path):
    # with too many jobs, 503 is an answer and no failure
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    text = answer.content[:2000].decode(errors="replace")
    assert "Traceback" not in text
    assert "pytest-of" not in text
    if answer.status_code >= 400 and path.startswith("/api/v2"):
        assert set(answer.json()) == {"code", "message"}


def test_every_route_is_described(client):
    paths = client.get("/api/v2/openapi.json").json()["paths"]
    first = {path for path in paths if not path.startswith("/api/v2")}
    assert len([1 for path in first for _ in paths[path]]) == 29
    assert all(details.get("summary") for path in paths.values() for details in path.values())
