"""Whole folders or none."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from assay.errors import AssayError
from assay.storage.disk_errors import as_os_errors
from assay.storage.leftovers import NEW, temporary_folder
from assay.storage.places import folder_place, refuse_foreign
from assay.storage.together import settle


@contextmanager
def atomic_folder(target: Path, made: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `target` that replaces it on success and vanishes on any exception.

    The earlier `target` stays intact until then; inside `all_or_none`, until that block ends. Only a folder whose files
    all match the patterns `made` (as `refuse_foreign` reads them) is replaced. Raises AssayError for any other, and when
    the disk is full or cannot be written.
    """
    refuse_foreign(target, made)
    place = folder_place(target)
    try:
        with ExitStack() as held:
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = held.enter_context(temporary_folder(place))
            new = temporary / NEW
            new.mkdir()
            with as_os_errors():
                yield new
            settle(place, temporary, held)
    except OSError as error:
        raise AssayError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another place. "
            "The earlier folder, if any, is untouched"
        ) from error
