"""`assess seal`: one line that commits to everything that the manifest says, and proofs for outsiders."""

from typing import NoReturn

import click

from assess_cli.output import emit_json, notify, progress
from assess_core.domain.counts import counted
from assess_core.domain.moments import iso
from assess_core.domain.seals import Checked, Seal, parse_seal, sentence
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import SealBroken
from assess_core.ports.lake import Lake
from assess_core.settings import Settings
from assess_core.usecases import seals
from assess_core.wiring import open_lake
from assess_core.wiring.places import clock


@click.command()
@click.option("--check", "checked", metavar="SEAL", help="Say whether everything that was sealed is still as it was.")
@click.option("--prove", "proved", metavar="SLICE", help="Print a proof that the seal contains this slice.")
@click.option("--since", metavar="SEAL", help="Print a proof that everything since this seal was only appended.")
@click.option("--at", metavar="SEAL", help="With --prove and --since: the seal of the proof; otherwise the newest one.")
@click.option("--list", "listed", is_flag=True, help="Print all seals, the oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object. Proofs are always JSON.")
@click.pass_obj
def seal(
    settings: Settings,
    checked: str | None,
    proved: str | None,
    since: str | None,
    at: str | None,
    listed: bool,
    as_json: bool,
) -> None:
    """Print a seal: one line that commits to all entries of the manifest. Print it in a gazette, or send it away.

    Without new entries, it prints the last seal again. Only --check compares with the lake, and takes exit code 1 if
    something is not as it was sealed. docs/seal.md has a script that checks proofs without this program.

    \b
    Examples:
      assess seal
      assess seal --check assess-seal:1:...
      assess seal --prove 'BATCH|2024-W05' > proof.json
      assess seal --since assess-seal:1:... > proof.json
    """
    if sum(map(bool, (checked is not None, proved is not None, since is not None, listed))) > 1:
        raise click.UsageError("use only one of --check, --prove, --since and --list")
    if at is not None and proved is None and since is None:
        raise click.UsageError("--at needs --prove or --since")
    lake = open_lake(settings)
    if checked is not None:
        _check(lake, parse_seal(checked), as_json)
    elif proved is not None:
        slice_ = ArchiveSlice.parse(proved)
        inclusion = seals.prove(lake, slice_, _seal(lake, at))
        emit_json(inclusion.as_json())
    elif since is not None:
        old = parse_seal(since)
        emit_json(seals.prove_consistency(lake, old, _seal(lake, at)).as_json())
    elif listed:
        for stored in lake.seals.all():
            _print(stored.seal, as_json)
    else:
        made = seals.seal(lake, clock())
        _print(made, as_json)
        notify(
            f"{counted(made.size, 'entry of the manifest is', 'entries of the manifest are')} sealed; "
            "keep this line where nobody here can change it"
        )


def _seal(lake: Lake, text: str | None) -> Seal:
    return seals.newest(lake) if text is None else parse_seal(text)


def _print(made: Seal, as_json: bool) -> None:
    if as_json:
        emit_json({"seal": str(made), "entries": made.size, "at": iso(made.at), "root": made.root})
    else:
        click.echo(str(made))


def _check(lake: Lake, given: Seal, as_json: bool) -> None:
    with progress("weeks", None) as advance:
        found = seals.check(lake, given, advance)
    if as_json:
        emit_json(_as_json(found))
    else:
        for problem in found.problems:
            notify(problem)
    if found.problems:
        _fail(found)
    if not as_json:
        click.echo(
            f"{counted(given.size, 'entry', 'entries')} of {counted(found.slices, 'slice')} checked: "
            f"nothing has changed since the seal of {iso(given.at)}."
        )
        notify(sentence(found.later, given.at))
        notify("`assess verify --closed` compares the rows of the lake with these entries")


def _as_json(found: Checked) -> dict[str, object]:
    later = {str(action): count for action, count in found.later.actions.items()}
    return {
        "seal": str(found.seal),
        "unchanged": not found.problems,
        "problems": list(found.problems),
        "entries": found.seal.size,
        "slices": found.slices,
        "later": {"entries": found.later.entries, "slices": found.later.slices, **later},
    }


def _fail(found: Checked) -> NoReturn:
    raise SealBroken(f"not everything is as it was sealed at {iso(found.seal.at)}; the lines above say what differs")
