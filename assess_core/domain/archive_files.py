"""The files in which Sunbird's archiver stored attempts: their names, which have three layouts, and their order.

    BATCH-YEAR-WEEK-TIME.csv            split by batch and week
    BATCH/YEAR-WEEK-TIME.csv.gz         the same
    BATCH_COURSE/YEAR-WEEK-TIME.csv.gz  split by course, batch and week

The name gives an order and, for a row without `updated_on`, a week. The columns of a row decide everything else,
because a batch id can contain each of the separators.
"""

import hashlib
import re
from typing import Final, NamedTuple
from urllib.parse import quote

from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSlice

ENDINGS: Final = (".csv", ".csv.gz")
_NAMED: Final = re.compile(r"(?:.*[-/])?(\d{4})-(\d{1,2})-\d{1,19}\.csv(?:\.gz)?\Z", re.ASCII | re.DOTALL)
_FIRST: Final = IsoWeek(1, 1)
_HIDDEN: Final = (".", "_")
"""How names begin that are not read: temporary files of Hadoop."""
_NAME_BYTES: Final = 255


class ArchiveFile(NamedTuple):
    """A file that may be an archive of Sunbird."""

    url: str
    """A path or an s3:// URL."""
    size: int
    mark: str
    """A text that changes if the file is replaced."""

    @property
    def week(self) -> IsoWeek | None:
        """The week in the file's name; None if it names none."""
        return named_week(self.url)

    @property
    def order(self) -> tuple[IsoWeek, str]:
        """Files of a week are imported together, because they are in the same files of the lake."""
        return self.week or _FIRST, self.url


def is_archive(name: str) -> bool:
    """Whether a file below a folder is read; `name` is relative to the folder.

    Files and folders of Hadoop such as `_temporary/0/part-0.csv` and `.x.csv.crc` are not.
    """
    return name.endswith(ENDINGS) and not any(part.startswith(_HIDDEN) for part in name.split("/"))


def named_week(url: str) -> IsoWeek | None:
    """The ISO week that a file's name means.

    Sunbird combined the calendar year with the ISO week, so 1 January 2021, a day of 2020-W53, is "2021-53". "2018-1"
    may also mean 31 December 2018, which is in 2019-W01; it is read as 2018-W01.
    """
    found = _NAMED.match(url)
    if not found:
        return None
    year, week = int(found[1]), int(found[2])
    for candidate in (year, year - 1):
        try:
            return IsoWeek.parse(f"{candidate:04d}-W{week:02d}")
        except BadSlice:
            if week != 53:
                return None
    return None


def file_name(slice_: ArchiveSlice) -> str:
    """The name of a slice's file. Its time is the end of the week, so a later export replaces the file.

    The batch id is percent-encoded, also a first character that `is_archive` skips. `+` precedes the digits that stand
    for the end of a long one.
    """
    year, week = slice_.week
    batch, ending = quote(slice_.batch_id, safe=""), f"-{year}-{week}-{slice_.week.end}.csv.gz"
    if batch[0] in _HIDDEN:
        batch = f"%{ord(batch[0]):X}{batch[1:]}"
    if len(batch) + len(ending) > _NAME_BYTES:
        digest = hashlib.sha256(batch.encode()).hexdigest()
        batch = f"{batch[: _NAME_BYTES - len(ending) - len(digest) - 1]}+{digest}"
    return f"archived-batches/assessment/{batch}{ending}"
