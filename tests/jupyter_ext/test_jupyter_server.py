"""The extension in a real Jupyter server, on the scripted model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from nano_lsp.editor.statistics import Statistics
from tests.jupyter_process import LIMIT_S, TOKEN, Jupyter, open_jupyter

FRONT_END = "neuro-nano-jupyter"
_POLL_S = 0.02  # the server works meanwhile
CHAT = "```\nassistant\n"
HANDLERS = (
    *("status", "suggest", "cursor", "next-edit", "next-edit-rejected", "action", "kernel-variables"),
    "closed",
)
SCRIPT = {
    "total = 3\n\nb = ": "total + 1\n",  # a cell that stands later, and has run
    "# live: 🎉 = 1\nc = ": "live\n",
    "é = '🎉'\nd = ": "4\n",
    "b = ": "2\n",
    "shown = ": "frame\n",
    "def area(width):\n": "    return width * width\n",
    "def steps(x):": "\n    y = x + 1\n    z = y * 2\n    return z\n\n\n",
    "return a * b\n" + CHAT: "It multiplies **two** numbers.",
    'def mul(a, b):\n    """': "Multiply two numbers.\n",
    "        a:": " The first.\n",
    "        b:": " The second.\n",
    "    Returns:\n    ": "    The product.\n",
}


def serve(folder: Path, *, alone: bool = True) -> AbstractContextManager[Jupyter]:
    """A server with its own folders and an in-process engine."""
    env = {"NANO_LSP_HOME": str(folder / "home"), "NANO_LSP_ENGINE": "in-process"}
    return open_jupyter(folder / "root", folder / "jupyter", env=env, alone=alone)


def scripted(folder: Path, replies: Mapping[str, object]) -> dict[str, object]:
    """Settings for the scripted model with these replies, without a debounce."""
    script = folder / "script.json"
    script.write_text(json.dumps(replies))
    return {"model": f"scripted:{script}", "debounceMs": 0, "latencyMs": 0}


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A server with the scripted model."""
    folder = tmp_path_factory.mktemp("jupyter")
    with serve(folder, alone=False) as it, it.client() as client:
        settings = scripted(folder, SCRIPT)
        assert client.post("status", json={"settings": settings}).json()["warnings"] == []
        wait_for(client, "ready")
        yield it


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A server for tests that send it settings of their own first."""
    with serve(tmp_path_factory.mktemp("configured")) as it:
        yield it


@pytest.fixture
def client(jupyter: Jupyter) -> Iterator[httpx.Client]:
    with jupyter.client() as it:
        yield it


def wait_for(client: httpx.Client, state: str) -> dict[str, Any]:
    """Wait for a state; returns the status."""
    while (status := client.get("status").json())["state"] != state:
        assert status["state"] != "error", status
        time.sleep(_POLL_S)
    return dict(status)


def suggest(client: httpx.Client, *cells: tuple[str, int | None], **fields: Any) -> list[str]:  # noqa: ANN401
    listed = [{"code": code, "execution_count": count} for code, count in cells]
    defaults = {"path": "book.ipynb", "cells": listed, "index": 0, "offset": len(cells[0][0]), "language": "python"}
    response = client.post("suggest", json={**defaults, **fields})
    assert response.status_code == httpx.codes.OK, response.text
    return [item["text"] for item in response.json()["items"]]


def run_action(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    with client.stream("POST", "action", json={"language": "python", **fields}) as response:
        assert response.status_code == httpx.codes.OK
        return [json.loads(line) for line in response.iter_lines()]


def test_the_prompt_has_executed_cells_in_execution_order(client: httpx.Client) -> None:
    assert suggest(client, ("b = ", None), ("total = 3", 1)) == ["total + 1"]
    assert suggest(client, ("b = ", None), ("total = 3", None)) == ["2"]


def test_offsets_count_code_points(client: httpx.Client) -> None:
    assert suggest(client, ("é = '🎉'\nd = ", None)) == ["4"]


def test_an_explicit_request_gets_suggestions(client: httpx.Client) -> None:
    assert suggest(client, ("b = ", None), invoked=True)[0] == "2"


def test_a_request_that_arrives_after_a_later_one_is_ignored(client: httpx.Client) -> None:
    def ask(page: str, number: int) -> list[str]:
        return suggest(client, ("b = ", None), path="late.ipynb", page=page, number=number)

    assert ask("one", 2) == ["2"]
    assert ask("one", 1) == []
    assert ask("another", 1) == ["2"]
    assert ask("one", 3) == ["2"]


def test_a_cancelled_request_is_not_an_error(configured: Jupyter, tmp_path: Path) -> None:
    settings = scripted(tmp_path, {**SCRIPT, "$batch_ms": 50})  # slow enough to disconnect meanwhile
    with configured.client() as client:
        client.post("status", json={"settings": settings})
        wait_for(client, "ready")
        request = {"path": "a.py", "cells": [{"code": "def steps(x):"}], "index": 0, "offset": 13}
        with client.stream("POST", "suggest", json=request) as response:
            assert next(response.iter_lines())  # the first line has arrived, others are being generated
        assert suggest(client, ("b = ", None)) == ["2"]
        assert "Uncaught exception" not in (configured.root.parent / "jupyter/jupyter.log").read_text()


def test_whole_lines_are_streamed(client: httpx.Client) -> None:
    cells = [{"code": "def steps(x):"}]
    request = {"path": "lines.ipynb", "cells": cells, "index": 0, "offset": 13, "language": "python"}
    with client.stream("POST", "suggest", json=request) as response:
        *lines, last = [json.loads(line) for line in response.iter_lines()]
    body = ("\n    y = x + 1", "\n    z = y * 2", "\n    return z")
    assert [line["text"] for line in lines] == list(accumulate(body))
    assert [item["text"] for item in last["items"]] == ["".join(body)]


def test_a_warm_suggestion_evaluates_only_the_typed_text(client: httpx.Client) -> None:
    def evaluated() -> int:
        return int(client.get("status").json()["counters"]["evaluated_tokens"])

    suggest(client, ("z = 1\nb", None), path="warm.ipynb")
    while client.get("status").json()["counters"]["pending"]:
        time.sleep(_POLL_S)
    before = evaluated()
    suggest(client, ("z = 1\nb =", None), path="warm.ipynb")
    assert evaluated() - before <= len(" =") + 2


@pytest.mark.parametrize("warm_up", ["always", "never"])
def test_the_code_around_a_resting_cursor_is_read_before_the_first_key(
    configured: Jupyter, tmp_path: Path, warm_up: str
) -> None:
    def evaluated(client: httpx.Client) -> int:
        return int(client.get("status").json()["counters"]["evaluated_tokens"])

    code = "".join(f"def f{i}(a):\n    return a + {i}\n\n\n" for i in range(30))
    cells = [{"code": code, "execution_count": 1}, {"code": "shown ="}]
    secret = {"path": ".env", "cells": [{"code": code}], "index": 0, "offset": 8}
    resting = {"path": "rest.ipynb", "cells": cells, "index": 1, "offset": 7, "language": "python"}
    settings = {**scripted(tmp_path, {"shown = ": "frame\n"}), "prefetch": False, "warmUp": warm_up}
    with configured.client() as client:
        client.post("status", json={"settings": settings})
        wait_for(client, "ready")
        for cursor in (secret, resting):
            assert client.post("cursor", json=cursor).json() == {}
        while warm_up == "always" and evaluated(client) < 400:  # the whole window
            time.sleep(_POLL_S)
        before = evaluated(client)
        found = suggest(client, (code, 1), ("shown = ", None), path="rest.ipynb", index=1, offset=8)
        assert found == ["frame"]
        assert (evaluated(client) - before < 10) == (warm_up == "always")


@pytest.mark.parametrize("name", ["cursor", "next-edit"])
def test_a_cursor_outside_of_all_cells_is_rejected(client: httpx.Client, name: str) -> None:
    response = client.post(name, json={"path": "a", "cells": [{"code": "x"}], "index": 1, "offset": 0})
    assert response.status_code == httpx.codes.BAD_REQUEST


def test_the_next_edit_is_found_and_rejected(configured: Jupyter, tmp_path: Path) -> None:
    def ask(client: httpx.Client, code: str) -> dict[str, Any]:
        cursor = {"path": "a.ipynb", "cells": [{"code": code, "id": "one"}], "index": 0, "offset": 0}
        return dict(client.post("next-edit", json={**cursor, "language": "python"}).json())

    code = "def area({}):\n    return w * w\n"
    with configured.client() as client:
        client.post("status", json={"settings": {**scripted(tmp_path, SCRIPT), "nextEdit": True}})
        wait_for(client, "ready")
        assert ask(client, code.format("w")) == {"edit": None}
        edit = ask(client, code.format("width"))["edit"]
        assert (edit["cell"], edit["new"]) == ("one", "    return width * width")
        assert client.post("next-edit-rejected", json={"old": edit["old"], "new": edit["new"]}).json() == {}
        assert ask(client, code.format("width")) == {"edit": None}


def test_typing_a_suggestion_needs_no_model(client: httpx.Client) -> None:
    def counters() -> dict[str, int]:
        return dict(client.get("status").json()["counters"])

    assert suggest(client, ("shown = ", None), path="typed.ipynb") == ["frame"]
    before = counters()
    for i, typed in enumerate(accumulate("fram"), start=1):
        assert suggest(client, (f"shown = {typed}", None), path="typed.ipynb") == ["frame"[i:]]
    after = counters()
    assert (after["model"], after["shown"]) == (before["model"], before["shown"])
    assert after["cached"] == before["cached"] + 4


def test_kernel_variables_are_added_to_the_prompt_only_if_valid(client: httpx.Client) -> None:
    def send(reply: str) -> None:
        response = client.post("kernel-variables", json={"path": "live.ipynb", "reply": reply})
        assert response.status_code == httpx.codes.OK

    assert suggest(client, ("c = ", None), path="live.ipynb") == []
    send(repr(json.dumps(["# live: 🎉 = 1"])))
    assert suggest(client, ("c = ", None), path="live.ipynb") == ["live"]
    for invalid in ("", "None", "'{}'", "__import__('os').abort()", "'[1]'", "(" * 5000, "'" + "x" * 70_000 + "'"):
        send(invalid)
        assert suggest(client, ("c = ", None), path="live.ipynb") == []


def test_explanation_streams(client: httpx.Client) -> None:
    events = run_action(client, kind="explain", code="def mul(a, b):\n    return a * b\n")
    assert events[-1] == {"text": "It multiplies **two** numbers."}
    assert len(events) > 2


def test_a_docstring_action_returns_the_whole_cell(client: httpx.Client) -> None:
    events = run_action(client, kind="docstring", code="def mul(a, b):\n    return a * b\n", offset=3)
    assert "Multiply two numbers.\n\n    Args:\n        a: The first." in events[-1]["code"]
    (error,) = run_action(client, kind="docstring", code="x = 1")[-1:]
    assert error["error"]["message"] == "There is nothing to document."


def test_a_cell_with_magics_is_documented_and_keeps_them(client: httpx.Client) -> None:
    code = "%%time\nprint(a\n% b)\nfiles = !ls 'it\n\n\ndef mul(a, b):\n    return a * b\n"
    events = run_action(client, kind="docstring", code=code)
    documented = events[-1]["code"]
    assert documented.startswith(code[: code.index("def mul")])
    assert '    """Multiply two numbers.' in documented


def test_a_cell_has_the_language_of_its_metadata(client: httpx.Client) -> None:
    other = {"code": "total = 3", "language": "r", "execution_count": 1}
    assert suggest(client, ("b = ", None), cells=[{"code": "b = "}, other]) == ["2"]


def test_pause_stops_suggestions_until_it_ends(client: httpx.Client) -> None:
    assert client.post("status", json={"paused": True}).json()["state"] == "paused"
    assert suggest(client, ("b = ", None)) == []
    assert client.post("status", json={"paused": False}).json()["state"] == "ready"
    assert suggest(client, ("b = ", None)) == ["2"]


def test_secret_files_get_no_suggestions(client: httpx.Client) -> None:
    assert suggest(client, ("b = ", None), path=".env", language="") == []
    assert suggest(client, ("b = ", None), path="app.py", language="") == ["2"]


def test_acceptance_is_detected_in_the_next_request(tmp_path: Path) -> None:
    with serve(tmp_path) as it, it.client() as client:
        client.post("status", json={"settings": scripted(tmp_path, {"b = ": "len(str(9))\n", "c = ": "3\n"})})
        wait_for(client, "ready")
        assert suggest(client, ("b = ", None)) == ["len(str(9))"]
        suggest(client, ("b = len(str(9))", None))
        assert suggest(client, ("b = len(str(9))", None), ("c = ", None), index=1, offset=4) == ["3"]
        # A cell is inserted above, and another one is changed.
        suggest(client, ("import re", None), ("b = len(str(9))", None), ("c = 4", None), index=2, offset=5)
        counters = client.get("status").json()["counters"]
        assert (counters["shown"], counters["accepted"]) == (2, 1)
        ends = httpx.post(f"{it.address}api/shutdown", headers={"Authorization": f"token {TOKEN}"}, timeout=LIMIT_S)
        assert ends.status_code == httpx.codes.OK
        psutil.wait_procs([psutil.Process(it.process_id)], LIMIT_S)
    records = list(Statistics(tmp_path / "home" / "cache").records())
    assert [(found.accepted, found.kept, found.language) for found in records] == [
        (True, True, "python"),
        (False, False, "python"),
    ]


def test_the_status_has_the_reason_for_no_suggestions(configured: Jupyter, tmp_path: Path) -> None:
    settings = {**scripted(tmp_path, {"b = ": "2\n"}), "exclude": ["private*"], "languages": {"sql": False}}
    with configured.client() as client:
        client.post("status", json={"settings": settings})
        wait_for(client, "ready")
        for path, language, quiet, expected in (
            ("private.ipynb", "python", "excluded", "nano.exclude has the pattern private*"),
            ("query.sql", "", "language", "Suggestions in sql are switched off"),
            (".env", "", "secret", "usually hold secrets"),
            ("book.ipynb", "python", "", "is ready"),
        ):
            cells = [{"code": "b = ", "execution_count": None}]
            request = {"path": path, "cells": cells, "index": 0, "offset": 4, "language": language}
            status = client.post("suggest", json=request).json()["status"]
            assert (status["state"], status["quiet"], status["document"]) == ("ready", quiet, path if quiet else "")
            assert expected in status["message"]
            assert client.get("status").json()["message"] == status["message"]
        client.post("suggest", json={**request, "path": ".env"})
        assert client.post("status", json={"settings": settings}).json()["quiet"] == ""


@pytest.mark.parametrize("name", [*HANDLERS])
def test_requests_without_a_token_are_forbidden(jupyter: Jupyter, name: str) -> None:
    with jupyter.client(token="") as anonymous:
        assert anonymous.post(name, json={}).status_code == httpx.codes.FORBIDDEN
        if name in {"status", "kernel-variables"}:
            assert anonymous.get(name).status_code == httpx.codes.FORBIDDEN


def test_a_cookie_alone_is_not_enough_for_a_page_from_elsewhere(jupyter: Jupyter) -> None:
    with httpx.Client(base_url=jupyter.address, timeout=LIMIT_S) as browser:
        browser.get("tree", params={"token": TOKEN})
        assert browser.get("nano-lsp/status").status_code == httpx.codes.OK  # logged in
        assert browser.post("nano-lsp/status", json={"paused": True}).status_code == httpx.codes.FORBIDDEN
        headers = {"X-XSRFToken": next(c.value or "" for c in browser.cookies.jar if c.name == "_xsrf")}
        assert browser.post("nano-lsp/status", json={}, headers=headers).status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "is not a valid SuggestRequest"),
        (b"\xff\xfe", "is not a valid SuggestRequest"),
        (b"[" * 100_000, "is not a valid SuggestRequest"),
        (b'{"path": "a", "cells": [], "index": 0, "offset": 0}', "cells"),
        (b'{"path": "a", "cells": [{"code": 7}], "index": 0, "offset": 0}', "code"),
        (b'{"path": "a", "cells": [{"code": "x"}], "index": 1, "offset": 0}', "cell or the offset does not exist"),
        (b'{"path": "a", "cells": [{"code": "x"}], "index": 0, "offset": 2}', "cell or the offset does not exist"),
        (b'{"path": "a", "cells": [{"code": "x"}], "index": -1, "offset": 0}', "index"),
        (b'"' + b"x" * (4 * 2**20) + b'"', "the limit is"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else value,
)
def test_an_invalid_request_is_rejected_with_a_reason(client: httpx.Client, body: bytes, expected: str) -> None:
    response = client.post("suggest", content=body)
    assert response.status_code == httpx.codes.BAD_REQUEST
    assert expected in response.json()["message"]


def test_an_invalid_setting_gives_a_warning(client: httpx.Client) -> None:
    model = client.get("status").json()["model"]
    settings = {"model": model, "debounceMs": 0, "latencyMs": 0, "maxTokens": "many"}
    (warning,) = client.post("status", json={"settings": settings}).json()["warnings"]
    assert "nano.maxTokens is 'many'" in warning


def test_a_request_sent_while_the_model_loads_is_answered_after_loading(tmp_path: Path) -> None:
    with serve(tmp_path) as it, it.client() as client:
        assert client.get("status").json()["configured"] is False
        assert suggest(client, ("b = ", None)) == []  # no settings have been received
        settings = scripted(tmp_path, SCRIPT)
        assert client.post("status", json={"settings": settings}).json()["state"] == "loading"
        assert suggest(client, ("b = ", None)) == ["2"]
        assert client.get("status").json()["configured"] is True


def test_a_missing_model_is_an_error_with_a_remedy(configured: Jupyter) -> None:
    with configured.client() as client:
        client.post("status", json={"settings": {}})
        while (status := client.get("status").json())["state"] == "loading":
            time.sleep(_POLL_S)
        assert (status["state"], "nano-lsp model pull nano" in status["remedy"]) == ("error", True)
        (event,) = run_action(client, kind="explain", code="x = 1")
        assert "nano-lsp model pull nano" in event["error"]["remedy"]
        request = {"path": "a.py", "cells": [{"code": "x"}], "index": 0, "offset": 1, "invoked": True}
        rejected = client.post("suggest", json=request)
        assert rejected.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "nano-lsp model pull nano" in rejected.json()["remedy"]


def test_jupyterlab_gets_the_front_end(jupyter: Jupyter) -> None:
    """The page says what the browser is to load; that the server's part is enabled, all other tests say."""
    with httpx.Client(base_url=jupyter.address, timeout=LIMIT_S) as browser:
        page = browser.get("lab", params={"token": TOKEN}, follow_redirects=True).text
        found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.DOTALL)
        assert found is not None, page
        config = json.loads(found[1])
        (extension,) = [each for each in config["federated_extensions"] if each["name"] == FRONT_END]
        assert FRONT_END not in config["disabledExtensions"]
        script = f"{config['fullLabextensionsUrl']}/{FRONT_END}/{extension['load']}"
        assert browser.get(httpx.URL(jupyter.address).join(script)).status_code == httpx.codes.OK


@pytest.mark.real  # takes ten seconds
@pytest.mark.parametrize("command", [["labextension", "list"], ["server", "extension", "list"]])
def test_it_is_enabled_after_installation(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "jupyter", *command], capture_output=True, text=True, check=True)
    lines = [line for line in (done.stdout + done.stderr).split("\n") if "nano" in line and "enabled" in line]
    assert lines, done.stdout + done.stderr
