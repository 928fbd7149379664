"""The extension behind the login of a real JupyterHub, with a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.jupyter_browser import Book, notebook, open_browser, write_settings
from tests.e2e.workbench import LIMIT_S
from tests.jupyter_process import Jupyter
from tests.jupyterhub_process import PASSWORD, Hub, open_hub
from tests.processes import engines_of

pytestmark = pytest.mark.real
ASKED = {"path": "book.ipynb", "cells": [{"code": "x = "}], "index": 0, "offset": 4, "language": "python"}
DENIED = (httpx.codes.FORBIDDEN, httpx.codes.FORBIDDEN)
ALLOWED = (httpx.codes.OK, httpx.codes.OK)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with alice's notebook; the hub sets the model, which answers as told, and the place of the engine."""
    folder = tmp_path_factory.mktemp("hub")
    script = folder / "script.json"
    script.write_text(json.dumps({"x = ": "first + second\n"}))
    homes, alice = folder / "homes", folder / "homes/alice"
    write_settings(alice / ".jupyter/lab/user-settings", debounceMs=0, latencyMs=0)
    (alice / "book.ipynb").write_text(notebook(""))
    env = {"NANO_LSP_HOME": str(folder / "nano"), "NANO_LSP_MODEL": f"scripted:{script}"}
    with open_hub(folder / "hub", homes, env) as it:
        yield it
        for engine in engines_of(folder / "nano"):
            engine.kill()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with open_browser() as it:
        yield it


def log_in(page: Page, hub: Hub, user: str, then: str, shown: str) -> None:
    """Ask for a page, fill in the hub's form, which comes instead; returns once what follows is shown."""
    page.set_default_timeout(LIMIT_S * 1000)
    page.goto(f"{hub.address}{then}")
    page.wait_for_url(f"{hub.address}hub/login?next=*")
    page.locator("#username_input").fill(user)
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    page.wait_for_url(f"{hub.address}{shown}")


def start_server(page: Page, hub: Hub, user: str) -> None:
    """Log in; returns once the user's JupyterLab is shown."""
    log_in(page, hub, user, "hub/spawn", f"user/{user}/lab**")


def request_token(context: BrowserContext, hub: Hub, user: str) -> str:
    """An API token of the user who is logged in, from the hub."""
    url = f"{hub.address}hub/api/users/{user}/tokens"
    answer = context.request.post(url, headers=xsrf_header(context, url))
    assert answer.status == httpx.codes.CREATED, answer.text()
    return str(answer.json()["token"])


def xsrf_header(context: BrowserContext, url: str) -> dict[str, str]:
    """What JupyterLab and the hub's pages send with their cookies."""
    return {"X-XSRFToken": "".join(one["value"] for one in context.cookies(url) if one["name"] == "_xsrf")}


def ask_with_cookies(context: BrowserContext, server: Jupyter, *, xsrf: bool = True) -> tuple[int, int]:
    """What `status` and `suggest` answer to a browser, with all that it has been given."""
    url = f"{server.address}nano-lsp/"
    headers = xsrf_header(context, url) if xsrf else {}
    told = context.request.get(f"{url}status", headers=headers, max_redirects=0)
    suggested = context.request.post(f"{url}suggest", headers=headers, data=ASKED, max_redirects=0)
    return told.status, suggested.status


def ask_with_token(server: Jupyter, token: str) -> tuple[int, int]:
    """What `status` and `suggest` answer to who has a token, or none."""
    with server.client(token=token) as client:
        return client.get("status").status_code, client.post("suggest", json=ASKED).status_code


def test_ghost_text_comes_behind_the_login_and_not_after_the_logout(
    hub: Hub, browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws:", "http:", 1)))
    try:
        start_server(page, hub, "alice")
        it = Book(page, hub.server("alice"), "lab/tree/book.ipynb")
        it.wait_for_status("ready")
        it.click(0)
        it.type("x = ")
        assert it.wait_for_ghost_text() == "first + second"
        it.press("Tab")
        it.wait_for_cell(0, lambda code: code == "x = first + second")
        assert ask_with_cookies(page.context, it.jupyter) == ALLOWED

        page.goto(f"{hub.address}hub/logout")
        page.wait_for_url(f"{hub.address}hub/login*")
        assert ask_with_cookies(page.context, it.jupyter) == DENIED
        assert any(url.startswith(f"{it.jupyter.address}nano-lsp/") for url in asked)
        assert all(url.startswith((hub.address, "data:", "blob:")) for url in asked), asked
    finally:
        page.screenshot(path=tmp_path / "last.png")


def test_nobody_but_the_user_gets_in(hub: Hub, browser: Browser) -> None:
    alice, bob = browser.new_page(), browser.new_page()  # each with cookies of its own
    server = hub.server("alice")
    start_server(alice, hub, "alice")
    assert ask_with_cookies(alice.context, server) == ALLOWED
    assert ask_with_cookies(alice.context, server, xsrf=False) == (httpx.codes.OK, httpx.codes.FORBIDDEN)
    assert ask_with_token(server, request_token(alice.context, hub, "alice")) == ALLOWED

    log_in(bob, hub, "bob", "hub/token", "hub/token")
    refused = bob.goto(server.address)
    assert refused is not None
    assert refused.status == httpx.codes.FORBIDDEN
    assert ask_with_cookies(bob.context, server) == DENIED
    for wrong in ("", "made-up", request_token(bob.context, hub, "bob")):
        assert ask_with_token(server, wrong) == DENIED
