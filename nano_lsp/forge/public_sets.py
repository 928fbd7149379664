"""Public data sets, streamed from the Hugging Face hub; the only module that knows the `datasets` library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nano_lsp.errors import ForgeError
from nano_lsp.forge.recipe import Stratum
from nano_lsp.offline import require_network
from nano_lsp.shell import pip_install

EXTRA = pip_install("nano-lsp[forge]")


def find_commit(stratum: Stratum) -> str:
    """The commit that a stratum's revision means.

    Raises:
        OfflineError: The setting `offline` is on.
        ForgeError: The hub cannot be reached, or has no such data set or revision.
    """
    require_network(f"The data set {stratum.dataset}", "Give a folder with the sets as Parquet or JSON lines.")
    import huggingface_hub  # noqa: PLC0415 - needs 0.3 s, which the help of commands has not

    try:
        found = huggingface_hub.HfApi().dataset_info(stratum.dataset, revision=stratum.revision).sha
    except Exception as error:  # the libraries beneath raise errors of several kinds
        raise _unreachable(stratum, error) from error
    return found or stratum.revision


def stream_rows(stratum: Stratum, commit: str, skip: int) -> Iterator[dict[str, Any]]:
    """The rows of a data set at a commit, without keeping them on this machine.

    Args:
        stratum: Data set, subset and split.
        commit: Commit on the hub.
        skip: Number of rows to leave out at the beginning.

    Raises:
        ForgeError: `datasets` is not installed, or the hub cannot be reached.
    """
    require_datasets()
    import datasets  # noqa: PLC0415 - an optional dependency, slow to import

    try:
        rows = datasets.load_dataset(
            stratum.dataset, stratum.subset or None, split=stratum.split, revision=commit, streaming=True
        )
        yield from rows.skip(skip) if skip else rows
    except Exception as error:  # as above
        raise _unreachable(stratum, error) from error


def require_datasets() -> None:
    """Check that the optional library is there.

    Raises:
        ForgeError: It is not.
    """
    try:
        import datasets  # noqa: F401, PLC0415 - see above
    except ImportError as error:
        raise ForgeError(
            "Public data sets need the library `datasets`, which is not installed.",
            f"Run {EXTRA}, or give a folder with the sets as JSON lines.",
        ) from error


def _unreachable(stratum: Stratum, error: Exception) -> ForgeError:
    return ForgeError(
        f"{stratum.dataset} cannot be read: {error}.",
        "Run the same command again to continue, or give a folder with the sets as Parquet or JSON lines.",
    )
