"""The program that carries out the Dockerfile knows each of its steps. It needs root and minutes, so people run it."""

from pathlib import Path

import pytest

from deploy import image
from deploy.image import SOURCE, Step, steps

KNOWN = {"FROM", "ENV", "RUN", "WORKDIR", "USER", "COPY", "CMD"}


def test_steps_are_read_without_comments_and_line_breaks() -> None:
    text = "# one image\nFROM python:3.12.1 AS build\n\n# why\nENV A=1 \\\n    B=2\nRUN a && b\n"
    assert list(steps(text)) == [
        Step("FROM", "python:3.12.1 AS build"), Step("ENV", "A=1      B=2"), Step("RUN", "a && b")
    ]  # fmt: skip


def test_every_step_of_the_image_is_known() -> None:
    found = list(steps((SOURCE / "deploy" / "Dockerfile").read_text(encoding="utf-8")))
    assert {step.word for step in found} <= KNOWN
    assert [step.word for step in found].count("FROM") == 2


def test_another_base_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "Dockerfile").write_text("FROM debian:12\n")
    monkeypatch.setattr(image, "SOURCE", tmp_path)
    with pytest.raises(SystemExit, match="type this with the Python of debian:12"):
        image.build(tmp_path)
