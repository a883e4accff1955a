"""What lies of a file in memory."""
import os


def drop(path):
    """Written out first: only clean pages can go.  Those that are read anew are as large as the kernel likes them, those that were written are small."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
