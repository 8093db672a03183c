"""`assess hold`: add, list and release."""

import json

from tests.cli.conftest import Assess

WHO = ("--by", "examinations office", "--reason", "case 12")


def test_a_hold_is_listed_until_it_is_released(assess: Assess) -> None:
    added = assess("hold", "add", "--batch", "b1", *WHO, "--until", "2099-01-01")
    assert added.exit_code == 0
    id_ = added.stdout.strip()

    [listed] = json.loads(assess("hold", "list", "--json").stdout)
    assert (listed["hold"], listed["of"], listed["by"], listed["status"]) == (
        id_,
        "b1",
        "examinations office",
        "in force",
    )
    assert id_ in assess("hold", "list").stdout

    assert assess("hold", "release", id_, *WHO).exit_code == 0
    assert json.loads(assess("hold", "list", "--json").stdout) == []
    [ended] = json.loads(assess("hold", "list", "--all", "--json").stdout)
    assert (ended["status"], ended["released_by"]) == ("released", "examinations office")


def test_wrong_use_of_holds_gets_a_sentence_each(assess: Assess) -> None:
    for arguments, code, message in (
        (("add", *WHO), 2, "name one of --batch, --learner and --assessment"),
        (("add", "--batch", "b1", "--learner", "u1", *WHO), 2, "name one of"),
        (("add", "--batch", "", *WHO), 2, "is no id"),
        (("add", "--batch", "b1", "--by", "", "--reason", "r"), 2, "--by: write a text"),
        (("add", "--batch", "b1", *WHO, "--until", "2001-01-01"), 2, "not in the future"),
        (("add", "--batch", "b1", *WHO, "--until", "soon"), 2, "--until: 'soon'"),
        (("release", "nonsense", *WHO), 3, "there is no hold 'nonsense'"),
    ):
        refused = assess("hold", *arguments)
        assert (refused.exit_code, message in refused.output) == (code, True), (arguments, refused.output)
    assert json.loads(assess("hold", "list", "--all", "--json").stdout) == []
