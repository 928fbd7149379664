"""The engine's log keeps what llama.cpp says when it dies, and does not grow without end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging, os, sys
from nano_lsp.engine.server import SameFileHandler
handler = SameFileHandler(sys.argv[1], maxBytes=10_000, encoding="utf-8")
logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
for i in range(1000):
    logging.info("record %d %s", i, "x" * 80)
    if i % 100 == 0:
        os.write(2, b"library %d\\n" % i)
sys.stderr.flush()
os.write(2, b"GGML_ASSERT failed\\n")
os.abort()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="aborts as POSIX does")
def test_what_a_library_says_at_its_end_is_in_the_log_after_rotations(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    with log.open("ab") as stream:
        done = subprocess.run([sys.executable, "-c", CODE, str(log)], stdout=stream, stderr=stream, check=False)
    assert done.returncode < 0
    found = log.read_text()
    assert found.endswith("GGML_ASSERT failed\n")
    assert "library 900" in found + log.with_name("engine.log.1").read_text()
    assert "record 999" in found
    assert log.stat().st_size < 12_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine.log", "engine.log.1"]
