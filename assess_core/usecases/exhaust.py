"""Use case: write a report file. The same input gives the same bytes, whichever tier has the rows.

CSV: RFC 4180 with `\\n` line ends, UTF-8. Moments are ISO 8601 in UTC with milliseconds (`2024-12-30T23:59:59.999Z`).
A number is the shortest text that reads back as the same number; whole numbers end in `.0`. Null is empty, an empty
text is `""`. Cells hold the bytes that learners sent, unless the report is for a spreadsheet program.
Parquet: moments and numbers keep their types.
Rows have the order that the report declares; texts are compared as UTF-8 bytes.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from assess_core.domain.completeness import SIDECAR_ENDING, PictureFile, Sidecar, sidecar_text
from assess_core.domain.pictures import Kind
from assess_core.domain.report_formats import PLAIN_FORMATS, Format, Password, partial_name
from assess_core.domain.report_spec import Naming, ReportSpec
from assess_core.errors import BadReport, ReportFailed, UnknownBatch
from assess_core.ports.names import Names
from assess_core.ports.reports import Exhausts, Packing, Pictures, ReportOutput, Union, WrittenReport
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known
from assess_core.usecases.completeness import survey, survey_log
from assess_core.usecases.corrections_in_force import corrections_of
from assess_core.usecases.erased import erased_under
from assess_core.usecases.proving import product_version
from assess_core.usecases.sealing import NewTicket, drafted


class Exhaust(NamedTuple):
    """A report that was written."""

    path: str
    """An absolute path, or an s3:// URL."""
    rows: int
    attempts: int
    bytes: int
    seconds: float
    lake_version: int
    """The Delta version of `attempts` that was read; -1 if there is no table."""
    sidecar_path: str | None
    """The path or URL of the sidecar; None if the report went to a pipe or a device."""
    pictures: list[str]
    """The paths or URLs of the pictures."""
    sidecar: Sidecar


_NAME_BYTES: Final = 255 - len(".partial") - len(SIDECAR_ENDING)  # the limit of file systems is 255
_PICTURE_BYTES: Final = len(f".{Kind.QUESTIONS}.svg") - len(SIDECAR_ENDING)
"""How much longer the name of a picture is than that of a sidecar."""
_NAMED: Final = 5
"""Batches that a message names."""


def write_exhaust(
    stores: Stores,
    spec: ReportSpec,
    output: ReportOutput | None = None,
    *,
    password: Password | None = None,
    allow_partial: bool = False,
    look: Callable[[Path], None] | None = None,
    ticket: NewTicket | None = None,
) -> Exhaust:
    """Write a report to `output` or to the folder of exhausts, then its pictures, then its sidecar.

    Each file appears whole or not at all. The sidecar appears last: it names the SHA-256 of each file, so it never
    proves another one. Pictures are drawn before anything appears. If something is missing, the report fails. With
    `allow_partial` it is written without what is missing, and the file name and the sidecar say so.

    The corrections that are in force when it begins count. `look` is called with a complete local copy just before the
    file appears. A report without attempts has only a header. With `ticket` the report can be printed again later
    (`usecases.tickets`). Raises `UnknownBatch`, `BadReport`, `ReportFailed`, `BadLog`, `StoreUnavailable`.
    """
    if password is not None and spec.format is not Format.ZIP:
        raise BadReport(["password: it is for format zip; leave it out, or write format zip"])
    require_place(spec, output, password)
    names = _names(stores, spec)
    if ticket is not None and names is not None:
        raise BadReport(["names: a ticket does not keep names; add names none, or leave the ticket out"])
    writer = _Writer(stores, spec, output, password, allow_partial, look, ticket, names)
    try:
        return writer.write(skip_unreadable=False)
    except ReportFailed:
        if not allow_partial:
            raise
    return writer.write(skip_unreadable=True)


class _Writer(NamedTuple):
    """The arguments of `write_exhaust`."""

    stores: Stores
    spec: ReportSpec
    output: ReportOutput | None
    password: Password | None
    allow_partial: bool
    look: Callable[[Path], None] | None
    ticket: NewTicket | None
    names: Names | None

    def write(self, *, skip_unreadable: bool) -> Exhaust:
        """Write report and sidecar."""
        started = time.perf_counter()
        stores, spec = self.stores, self.spec
        stores.keys.all()  # a ring that cannot be read is found before anything is written
        batches = matching_batches(stores, spec)
        decided = corrections_of(stores.hot.register, batches, spec.course, spec.assessments or None)
        corrections = [each.correction for each in decided]
        log = survey_log(stores.log, self.allow_partial)
        with (
            drafted(stores.lake.tickets, spec, self.ticket) as draft,
            stores.union(batches=batches, skip_unreadable=skip_unreadable, scores=spec.reads_scores) as union,
        ):
            found = survey(stores, union, batches, self.allow_partial, scores=spec.reads_scores)
            require_known(stores, batches, found.with_rows)
            problems = [*log.problems, *found.problems]
            place = place_of(stores, spec, self.output, is_partial=bool(problems))
            with place.output.write() as temporary:
                packing = Packing(member_name(spec), self.password)
                report = union.write_report(spec, temporary, packing, self.names, corrections)
                pictures = union.draw(spec, self.names, corrections) if spec.pictures else NO_PICTURES
                if self.look is not None:
                    self.look(temporary)
                size, digest = measured(spec, report, temporary)
                sidecar = Sidecar(
                    product=product_version(),
                    written_with=report.written_with,
                    file=PurePath(place.path).name,
                    spec=msgspec.to_builtins(spec),
                    complete=not problems,
                    problems=problems,
                    rows=report.rows,
                    attempts=report.attempts,
                    suppressed_cells=report.suppressed_cells,
                    bytes=size,
                    sha256=digest,
                    content=report.content,
                    encrypted=self.password is not None,
                    lake_version=union.lake_version,
                    hot_watermark=found.hot_watermark,
                    log=log.read,
                    slices=found.slices,
                    names=report.names or pictures.names,
                    corrections=[each.id for each in decided],
                    ticket=draft.id if draft else None,
                    pictures=place.picture_files(pictures),
                )
                if draft is not None:
                    draft.seal(union, batches, corrections, sidecar)
            _require_not_erased(stores, union, place.output)
            place.write_beside(pictures, sidecar)
        return place.written(sidecar, time.perf_counter() - started)


def _require_not_erased(stores: Stores, union: Union, output: ReportOutput) -> None:
    """Withdraw a report, and raise `ReportFailed`, if a learner of the union was erased.

    It is called after the report has appeared: an order that comes later deletes it. Without a ring of keys nobody was
    erased, or this machine cannot know it.
    """
    ring = stores.keys.all()
    if ring and any(erased_under(ring, some, stores.hot) for some in union.learners()):
        output.withdraw()
        raise ReportFailed(
            "a learner of the report is erased; write it again, and if this repeats, an erasure was not finished: run "
            "`assess erase --again`"
        )


def _names(stores: Stores, spec: ReportSpec) -> Names | None:
    """The source of the report's names; None if all names are empty. Raises `BadReport` if there is no source."""
    if spec.names in (Naming.TITLES, Naming.LEARNERS) and stores.names is None:
        raise BadReport([f"names: {spec.names} needs a source of names; set ASSESS_NAMES, or leave names out"])
    return None if spec.names is Naming.NONE else stores.names


class StoredOutput:
    """A `ReportOutput` under a name in the folder or bucket of reports."""

    def __init__(self, exhausts: Exhausts, name: str) -> None:
        self.path = exhausts.path(name)
        self._exhausts = exhausts
        self._name = name

    def beside(self, ending: str) -> "StoredOutput":
        """See `ReportOutput.beside`."""
        return StoredOutput(self._exhausts, self._name + ending)

    def partial(self) -> "StoredOutput":
        """See `ReportOutput.partial`."""
        return StoredOutput(self._exhausts, partial_name(self._name))

    def withdraw(self) -> None:
        """See `ReportOutput.withdraw`."""
        self._exhausts.delete(self._name)

    def write(self) -> AbstractContextManager[Path]:
        """See `Exhausts.atomic_write`."""
        return self._exhausts.atomic_write(self._name)


NO_PICTURES: Final = Pictures([], None)


class Place(NamedTuple):
    """Where a report and the files beside it are written."""

    output: ReportOutput

    @property
    def path(self) -> str:
        """The path or URL of the report."""
        return self.output.path

    def picture_files(self, pictures: Pictures) -> list[PictureFile]:
        """What the sidecar says about the pictures."""
        return [
            PictureFile(
                file=PurePath(self.path).name + picture.ending,
                bytes=len(picture.content),
                sha256=hashlib.sha256(picture.content).hexdigest(),
                written_with=picture.written_with,
            )
            for picture in pictures.drawn
        ]

    def write_beside(self, pictures: Pictures, sidecar: Sidecar) -> None:
        """Write the pictures, then the sidecar, beside the report. A pipe has no place for them."""
        contents = [(picture.ending, picture.content) for picture in pictures.drawn]
        for ending, content in (*contents, (SIDECAR_ENDING, sidecar_text(sidecar))):
            beside = self.output.beside(ending)
            if beside is not None:
                with beside.write() as temporary:
                    temporary.write_bytes(content)

    def written(self, sidecar: Sidecar, seconds: float) -> Exhaust:
        """The report that was written here."""
        beside = self.output.beside(SIDECAR_ENDING)
        name = PurePath(self.path).name
        return Exhaust(
            path=self.path,
            rows=sidecar.rows,
            attempts=sidecar.attempts,
            bytes=sidecar.bytes,
            seconds=seconds,
            lake_version=sidecar.lake_version,
            sidecar_path=beside.path if beside else None,
            pictures=[self.path + picture.file.removeprefix(name) for picture in sidecar.pictures],
            sidecar=sidecar,
        )


def place_of(
    stores: Stores, spec: ReportSpec, output: ReportOutput | None, *, is_partial: bool, folder: str = ""
) -> Place:
    """Where a report is written; without `output`, in a folder of the folder of exhausts."""
    if output is None:
        output = StoredOutput(stores.exhausts, f"{spec.report}-exhaust/{folder}{file_name(spec)}")
    return Place(output.partial() if is_partial else output)


def require_place(spec: ReportSpec, output: ReportOutput | None, password: Password | None) -> None:
    """Raise `BadReport` if pictures cannot be written beside a report, or would not be protected as it is."""
    if not spec.pictures:
        return
    if password is not None:
        raise BadReport(["pictures: they would not be encrypted; leave them out, or leave out the password"])
    if output is not None and output.beside(SIDECAR_ENDING) is None:
        raise BadReport([f"pictures: {output.path} has no place beside it; name a file, or leave them out"])


def measured(spec: ReportSpec, report: WrittenReport, path: Path) -> tuple[int, str]:
    """Size and SHA-256 of the file of a report."""
    plain = report.content if spec.format in PLAIN_FORMATS else None
    return path.stat().st_size, plain.sha256 if plain else _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(spec: ReportSpec) -> str:
    """A file name of at most 255 bytes that no report with another content has.

    Ids are percent-encoded, including a leading dot. `@` precedes the course. `+` precedes the digits that stand for
    other filters, or for the end of a long name. A percent-encoded id contains neither of them.
    """
    ids = [*spec.batches] if len(spec.batches) == 1 else ["batches"]
    if spec.course is not None:
        ids.append(spec.course)
    name = "@".join(_encoded(id_) for id_ in ids)
    ending = f".{spec.format}"
    if len(spec.batches) != 1 or spec.is_filtered:
        ending = f"+{spec.digest}{ending}"
    most = _NAME_BYTES - (_PICTURE_BYTES if spec.pictures else 0)
    if len(name) + len(ending) > most:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: most - len(ending) - len(digest) - 1]}+{digest}"
    return name + ending


def member_name(spec: ReportSpec) -> str:
    """The name of the CSV file within a zip file."""
    return file_name(msgspec.structs.replace(spec, format=Format.CSV))


def _encoded(id_: str) -> str:
    text = quote(id_, safe="")
    return "%2E" + text[1:] if text.startswith(".") else text


def matching_batches(stores: Stores, spec: ReportSpec) -> Sequence[str]:
    """The batches of a spec, sorted. Raises `UnknownBatch` if its pattern matches none."""
    if spec.batch_pattern is None:
        return spec.batches
    slices = (*stores.hot.slices(), *stores.lake.recorded(None, None))
    found = sorted(batch_id for batch_id in {slice_.batch_id for slice_ in slices} if spec.matches(batch_id))
    if not found:
        raise UnknownBatch(f"no batch matches {spec.batch_pattern!r}; `assess slices` lists the batches")
    return found


def require_known(stores: Stores, batches: Iterable[str], with_rows: Collection[str]) -> None:
    """Raise `UnknownBatch` for batches without a row that neither the hot store nor the manifest knows."""
    without_rows = set(batches).difference(with_rows)
    if unknown := sorted(batch_id for batch_id in without_rows if not known(stores, batch_id)):
        named = ", ".join(map(repr, unknown[:_NAMED]))
        if len(unknown) > _NAMED:
            named += f" and {len(unknown) - _NAMED} more"
        raise UnknownBatch(f"no store knows batch {named}; `assess slices` lists the batches")
