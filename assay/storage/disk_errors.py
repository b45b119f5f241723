"""What libraries say of a disk, as the OSErrors that they are: those written in Rust raise errors of their own, or none of a kind."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = re.compile(r"\(os error (\d+)\)")


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise an OSError for an error of safetensors or tokenizers that ends in "(os error 28)", and a plain one for those of `shutil.copytree`.

    Whatever else the block raises passes.
    """
    try:
        yield
    except shutil.Error as error:
        number = next(
            (one for one in (errno.ENOSPC, errno.EFBIG) if os.strerror(one) in str(error)), errno.EIO
        )
        raise OSError(number, os.strerror(number)) from error
    except Exception as error:
        found = None if isinstance(error, OSError) else _NUMBER.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
