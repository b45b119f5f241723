"""The allocator of a process that computes on CPUs."""

import ctypes
import sys


def keep_freed_memory() -> None:
    """Ask glibc not to return freed memory to the kernel: every forward pass would fault the same pages in again.

    Reading a model of 100 M parameters on two cores took 15 % less time with it. For the whole process; does nothing
    where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, m_arena_max = -1, -3, -8
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has no mallopt
        mallopt(m_arena_max, 1)  # arenas of other threads give memory back whatever the threshold
        mallopt(m_mmap_threshold, 32 << 20)  # glibc's largest
        mallopt(m_trim_threshold, 1 << 30)
