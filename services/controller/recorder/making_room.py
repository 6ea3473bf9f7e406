"""What may go from a disk that is full or grows too old: nothing that is needed, or that is nowhere else."""

from collections.abc import Callable
from pathlib import Path

from services.controller.blackbox.recording import Unreadable, reaches
from services.controller.recorder.writer import Writer


def of_writer(writer: Writer) -> Callable[[Path], bool]:
    """Whether a local recording may be removed: its session is over, and the centre has all of it.

    The predicate raises SpoolError. A recording that cannot be read stays for whoever can mend it.
    """
    under_way = {str(book.diary.session_id) for book in writer.books}
    stored = min(book.box_next for book in writer.books)  # behind it chunks are in files alone

    def may_go(path: Path) -> bool:
        try:
            found = reaches(path)
        except Unreadable:
            return False
        if path.stem in under_way or found is None:
            return path.stem not in under_way
        boot, next_ = found
        is_stored = boot != writer.memory.boot or next_ <= stored
        return is_stored and not writer.spool.waits("blackbox", boot, next_)

    return may_go
