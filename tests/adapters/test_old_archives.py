"""Old archives in folders and buckets: which files are found, and what is read of cut and damaged ones."""

import gzip
import os
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.files.archive_content import content_of
from assess_core.adapters.files.archive_paths import ArchivePaths
from assess_core.adapters.files.journal import Journal
from assess_core.domain.archive_files import ArchiveFile
from assess_core.errors import BadArchives
from assess_core.ports.archive_files import ArchiveFiles
from assess_core.wiring.archives import open_archives
from tests.places import Store

TEXT = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(20_000))
GZIP = gzip.compress(TEXT, mtime=0)


def read(archives: ArchiveFiles, file: ArchiveFile) -> tuple[str | None, bytes]:
    with archives.open(file) as content:
        return content.problem, b"".join(content.chunks or ())


def test_files_below_a_place_are_found_in_the_order_of_their_weeks(place: Location) -> None:
    store = Store(place)
    for name in (
        "b/2024-6-1.csv.gz",
        "a_c/2024-5-1.csv",
        "b-2023-52-1.csv",
        "_temporary/0/x-2024-5-1.csv",
        "b/.2024-6-1.csv.crc",
    ):
        store.write(name, GZIP if name.endswith("gz") else TEXT)

    [archives] = open_archives([place.url])

    names = ["b-2023-52-1.csv", "a_c/2024-5-1.csv", "b/2024-6-1.csv.gz"]
    assert [file.url for file in archives.files] == [f"{place.url}/{name}" for name in names]
    assert [read(archives, file) for file in archives.files] == [(None, TEXT)] * 3


def test_a_single_file_can_be_named(place: Location) -> None:
    Store(place).write("b-2024-5-1.csv", TEXT)
    Store(place).write("b-2024-5-1.csv.gz", GZIP)

    [archives] = open_archives([f"{place.url}/b-2024-5-1.csv"])

    assert [file.url for file in archives.files] == [f"{place.url}/b-2024-5-1.csv"]


def test_a_place_without_archives_is_an_error(place: Location) -> None:
    Store(place).write("x.parquet", b"")

    with pytest.raises(BadArchives, match=r"ends in \.csv or \.csv\.gz"):
        open_archives([place.url])


def test_a_replaced_file_has_another_mark(place: Location) -> None:
    Store(place).write("b-2024-5-1.csv", TEXT)
    [before] = open_archives([place.url])[0].files
    Store(place).write("b-2024-5-1.csv", TEXT + b"1,1\n")
    [after] = open_archives([place.url])[0].files

    assert before.url == after.url
    assert before.mark != after.mark


def test_a_file_under_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "b-2024-5-1.csv").write_bytes(TEXT)
    (tmp_path / "link-2024-5-1.csv").symlink_to(tmp_path / "b-2024-5-1.csv")

    assert len(ArchivePaths([str(tmp_path), str(tmp_path / "b-2024-5-1.csv")]).files) == 1


def content(tmp_path: Path, raw: bytes) -> tuple[str | None, bytes | None]:
    path = tmp_path / "x"
    path.write_bytes(raw)
    found = content_of(path, "x.csv.gz")
    return found.problem, None if found.chunks is None else b"".join(found.chunks)


@pytest.mark.parametrize("raw", [GZIP, GZIP + GZIP, GZIP + bytes(100)], ids=["one", "two members", "filled block"])
def test_a_whole_gzip_file_is_read(raw: bytes, tmp_path: Path) -> None:
    assert content(tmp_path, raw) == (None, TEXT * raw.count(GZIP))


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 1000, len(GZIP) - 5, len(GZIP) - 1, len(GZIP)])
def test_a_cut_gzip_file_is_read_up_to_the_cut(lost: int, tmp_path: Path) -> None:
    problem, text = content(tmp_path, GZIP[: len(GZIP) - lost])

    assert problem is not None
    assert "was cut" in problem
    assert text is not None
    assert TEXT.startswith(text)
    assert (len(text) == len(TEXT)) == (lost <= 8) or lost == 9


@pytest.mark.parametrize("at", [-1, -5, len(GZIP) // 2], ids=["length", "checksum", "data"])
def test_nothing_is_read_of_a_damaged_gzip_file(at: int, tmp_path: Path) -> None:
    raw = bytearray(GZIP)
    raw[at] ^= 1

    problem, text = content(tmp_path, bytes(raw))

    assert text is None
    assert problem is not None
    assert "is damaged" in problem


@pytest.mark.parametrize("raw", [TEXT, b"x", GZIP + b"more text"], ids=["text", "short", "more text"])
def test_a_file_that_is_not_gzip_is_not_read(raw: bytes, tmp_path: Path) -> None:
    problem, text = content(tmp_path, raw)

    assert problem is not None
    assert text is None


def test_a_file_without_permission_is_a_problem_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "b-2024-5-1.csv.gz").write_bytes(GZIP)
    archives = ArchivePaths([str(tmp_path)])
    (tmp_path / "b-2024-5-1.csv.gz").unlink()

    problem, text = read(archives, archives.files[0])

    assert text == b""
    assert problem == "the file cannot be read: No such file or directory; check its permissions"


# --- the journal ---

FILE = ArchiveFile("/x/b-2024-5-1.csv", 1, "1 2")


def test_linked_folders_are_read_once_and_a_circle_of_links_ends(tmp_path: Path) -> None:
    elsewhere, old = tmp_path / "elsewhere", tmp_path / "old"
    elsewhere.mkdir()
    (elsewhere / "b-2024-5-1.csv").write_bytes(TEXT)
    (old / "deeper").mkdir(parents=True)
    (old / "linked").symlink_to(elsewhere)
    (old / "deeper" / "again").symlink_to(elsewhere)
    (old / "deeper" / "circle").symlink_to(old)

    assert [file.url for file in ArchivePaths([str(old)]).files] == [str(elsewhere / "b-2024-5-1.csv")]


def test_a_pipe_among_the_files_is_a_problem_of_that_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b-2024-5-1.csv")
    archives = ArchivePaths([str(tmp_path)])

    assert read(archives, archives.files[0]) == ("it is no regular file; copy it again, or move it away", b"")


def test_a_file_whose_disk_fails_is_named(tmp_path: Path) -> None:
    path = tmp_path / "b-2024-5-1.csv"
    path.symlink_to("/proc/self/mem")  # its first byte cannot be read
    archives = ArchivePaths([str(path)])

    with pytest.raises(BadArchives, match=r"mem' cannot be read: Input/output error; .*import again"):
        read(archives, archives.files[0])


def test_a_journal_remembers_finished_files(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").add([FILE])

    journal = Journal(tmp_path / "journal")
    assert journal.has(FILE)
    assert not journal.has(FILE._replace(mark="1 3"))
    assert not journal.has(FILE._replace(url="/y.csv"))


def test_a_journal_whose_last_line_was_not_completed_can_be_continued(tmp_path: Path) -> None:
    other = FILE._replace(url="/y.csv")
    Journal(tmp_path / "journal").add([FILE, other])
    whole = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(whole[:-5])

    Journal(tmp_path / "journal").add([other])

    assert Journal(tmp_path / "journal").has(FILE)
    assert Journal(tmp_path / "journal").has(other)


@pytest.mark.parametrize("content", [b"hello\n", b"hello", b"\x1f\x8b\x08\0", b'{"fi\n'])
def test_another_file_is_not_a_journal_and_is_not_changed(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(content)

    with pytest.raises(BadArchives, match="is not a journal"):
        Journal(tmp_path / "notes.txt")

    assert (tmp_path / "notes.txt").read_bytes() == content


@pytest.mark.parametrize("other", ["pipe", "/dev/null", "/dev/full"])
def test_a_pipe_or_a_device_is_not_a_journal(other: str, tmp_path: Path) -> None:
    path = tmp_path / other  # an absolute path replaces the folder
    if other == "pipe":
        os.mkfifo(path)

    with pytest.raises(BadArchives, match="is not a journal"):
        Journal(path)
