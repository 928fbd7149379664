"""Waiting for the result of a future."""

from __future__ import annotations

import asyncio
import concurrent.futures
from concurrent.futures import Future

import pytest

from nano_lsp.inference.request import wait_for


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", [TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError, ValueError])
def test_a_jobs_own_timeout_is_its_result(kind: type[Exception]) -> None:
    """Since Python 3.11 all of these are one class, which an unfinished wait raises as well."""
    future: Future[int] = Future()
    future.set_exception(kind("the job's own"))
    with pytest.raises(kind, match="the job's own"):
        wait_for(future)


def test_an_interruption_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nano_lsp.inference.request.wait", interrupted)
    future: Future[int] = Future()
    with pytest.raises(KeyboardInterrupt):
        wait_for(future)
    assert future.cancelled()
