"""Imported first: without jsonschema's check of IRIs, which no test needs and each process would import for 1.3 s."""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
