"""A model of the Hugging Face hub as a local folder of exactly one commit."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from assay.errors import AssayError

_DESCRIPTION = [
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "*.py",
]  # config, tokenizer, chat template, entry-approved code
_WEIGHTS = ["*.safetensors"]
_SECOND_COPIES = ["*/*", "consolidated*"]  # the same weights in other formats


def fetch(repository: str, revision: str | None = None, *, weights: bool) -> Path:
    """Download what is missing of `repository` at `revision` and return its snapshot folder, named by the commit.

    Without a connection (or with HF_HUB_OFFLINE=1) the local cache is used. Raises AssayError with the cure when the
    repository, its revision, the permission or the connection is missing.
    """
    wanted = f"{repository}{'' if revision is None else f' at revision {revision}'}"
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=_DESCRIPTION + (_WEIGHTS if weights else []),
            ignore_patterns=_SECOND_COPIES,
        )
    except GatedRepoError as error:
        raise AssayError(
            f"{repository} is gated: accept its licence on its hub page, then log in with `hf auth login` (or set HF_TOKEN)"
        ) from error
    except RepositoryNotFoundError as error:
        raise AssayError(
            f"the hub has no model {repository}, or you may not see it; check `source`, and log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise AssayError(f"the hub has no {wanted}; check `revision`") from error
    except LocalEntryNotFoundError as error:
        raise AssayError(
            f"cannot reach the hub for {wanted}, and the local cache does not hold it; connect (and unset HF_HUB_OFFLINE), "
            f"or download it where there is a connection: hf download {repository}"
        ) from error
    except HfHubHTTPError as error:
        raise AssayError(f"the hub refused {wanted}: {error}") from error
    except HFValidationError as error:
        raise AssayError(f"{repository!r} is neither a folder nor a hub name: {error}") from error
    return Path(folder)


def commit_of(snapshot: Path) -> str:
    """The commit a snapshot folder holds."""
    return snapshot.name
