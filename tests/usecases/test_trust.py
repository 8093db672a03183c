"""The script in docs/trust.md, with which an outsider checks a lake."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from assess_core.adapters.dagster.storage import DagsterStorage
from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.erasing import Order
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.erasures import Besides
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.dropping import drop
from assess_core.usecases.erasing import erase
from tests.factories import version
from tests.lakes import five_versions, keep, stores_over
from tests.loop import NOW, put_away

PAGE = Path(__file__).parents[2] / "docs" / "trust.md"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("docs") / "check.py"
    path.write_text(source, encoding="utf-8")
    return path


def checked(script: Path, lake: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(script), str(lake), "b1|2024-W05"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    made = stores_over(MemoryHot(), tmp_path)
    keep(made.hot, [*five_versions(), version(batch_id="b2")])
    put_away(made)
    keep(made.hot, [version(user_id="late")])
    archive(made.hot.slices(), made, NOW)
    verify(made.hot.slices(), made, NOW)
    return made


def test_the_script_confirms_the_chain_and_the_digest_of_a_slice_that_was_archived_twice(
    script: Path, stores: Stores, tmp_path: Path
) -> None:
    of_slice = [entry for entry in stores.lake.manifest() if str(entry.slice) == "b1|2024-W05"]
    last = max(of_slice, key=lambda entry: entry.number)

    done = checked(script, tmp_path / "lake")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"6 entries to {last.hash}; 6 rows, 6 copies, digest {last.contents.digest}\n"


@pytest.mark.long
def test_the_script_confirms_a_slice_that_retention_dropped(script: Path, stores: Stores, tmp_path: Path) -> None:
    clear(stores.hot.slices(), stores, NOW)
    drop([ArchiveSlice.parse("b1|2024-W05")], stores, NOW)

    done = checked(script, tmp_path / "lake")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"; 0 rows, 0 copies, digest {'0' * 64}" in done.stdout


def test_the_script_detects_a_missing_row_and_a_changed_entry(script: Path, stores: Stores, tmp_path: Path) -> None:
    manifest, attempts = (str(tmp_path / "lake" / name) for name in ("archive_manifest", "attempts"))
    rows, entries = DeltaTable(attempts).to_pyarrow_table(), DeltaTable(manifest).to_pyarrow_table()
    at = pc.add(entries["at"].cast("int64"), 1000).cast(entries["at"].type)

    write_deltalake(attempts, rows.filter(pc.not_equal(rows["user_id"], "u2")), mode="overwrite")
    gone = checked(script, tmp_path / "lake")
    write_deltalake(manifest, entries.set_column(entries.schema.get_field_index("at"), "at", at), mode="overwrite")
    forged = checked(script, tmp_path / "lake")

    assert (gone.returncode, forged.returncode) == (1, 1)
    assert "6 entries to " in gone.stdout
    assert "5 rows, 5 copies" in gone.stdout
    assert forged.stderr == "entry 1 does not follow from the one before it\n"


@pytest.mark.long
def test_the_script_confirms_a_slice_from_which_a_learner_was_erased(
    script: Path, stores: Stores, tmp_path: Path
) -> None:
    besides = Besides(MemoryRequests(), DagsterStorage(tmp_path / "dagster"))
    keys = KeyFile(tmp_path / "erasure.keys")

    erase(stores._replace(keys=keys), besides, ["late"], Order("a director", "a letter", NOW))
    done = checked(script, tmp_path / "lake")

    assert (done.returncode, done.stderr) == (0, "")
    assert "8 entries to " in done.stdout
    assert "5 rows, 5 copies" in done.stdout
