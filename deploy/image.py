"""`python -m deploy.image`: carries out the steps of `deploy/Dockerfile` without a Docker engine, and tries the result.

Type it as root on Linux, with the Python of the Dockerfile: `sudo python3.12 -m deploy.image`. It takes some minutes
and 2 GB. Each stage is a root folder that shows this machine's files and keeps its own changes (an overlay), with this
Python in `/usr/local`, as in the base image. So it finds wrong steps, paths, permissions and packages. It does not find
a library of the system that this machine has and the base image lacks.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).parents[1]
_PASSED: Final = ("PIP_", "HTTP_", "HTTPS_", "NO_PROXY", "SSL_CERT_FILE")
_TRIED: Final = (
    "assess --version",
    "python -c 'import stream.flow, graphql_api.app, assess_assets.definitions'",
    "assess sample-events --events 200 --output /tmp/events.jsonl",
    "assess ingest /tmp/events.jsonl",
    "assess archive --closed",
    "assess doctor",
)


class Step(NamedTuple):
    """An instruction of a Dockerfile."""

    word: str
    rest: str


class Stage:
    """A root folder, and how commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"}
        self.env |= {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
        self.user, self.folder = "0:0", "/"
        for name in ("root", "changes", "work"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={folder / 'changes'},workdir={folder / 'work'}"
        _run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        shutil.copytree(sys.base_prefix, self.root / "usr" / "local", symlinks=True, dirs_exist_ok=True)
        for name in ("resolv.conf", "hosts"):  # a container has them from its engine
            (self.root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
        for name in ("dev", "proc"):
            _run("mount", "--rbind", f"/{name}", str(self.root / name))
        _run("chroot", str(self.root), "ldconfig")  # a Python with shared libraries finds them in /usr/local

    def run(self, command: str) -> None:
        """Run a shell command in the root folder. Raises `CalledProcessError`."""
        moved = f"cd {shlex.quote(self.folder)} && {command}"
        chroot = [
            shutil.which("chroot") or "/usr/sbin/chroot",
            f"--userspec={self.user}",
            str(self.root),
            "/bin/sh",
            "-c",
            moved,
        ]
        subprocess.run(chroot, env=self.env, check=True)

    def inside(self, path: str) -> Path:
        """Where a path of the image is on this machine."""
        return self.root / str(Path(self.folder) / path).lstrip("/")

    def close(self) -> None:
        """Let nothing but `/tmp` be writable, as Kubernetes does."""
        _run("mount", "-o", "remount,ro", str(self.root))
        _run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(self.root / "tmp"))


def steps(text: str) -> Iterator[Step]:
    """The instructions of a Dockerfile, without comments and line breaks."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    for line in filter(None, map(str.strip, lines.splitlines())):
        yield Step(*line.split(maxsplit=1))


def build(folder: Path) -> Stage:
    """Carry out all steps; returns the last stage. Raises `SystemExit` for a step that this program does not know."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for step in steps((SOURCE / "deploy" / "Dockerfile").read_text(encoding="utf-8")):
        print(f"== {step.word} {step.rest}", flush=True)
        if step.word == "FROM":
            wanted = re.match(r"python:([\d.]+)", step.rest)
            if wanted is None or wanted[1].split(".")[:2] != platform.python_version().split(".")[:2]:
                raise SystemExit(f"type this with the Python of {step.rest}; this is {platform.python_version()}")
            stage = Stage(folder / str(len(stages)))
            stages[step.rest.partition(" AS ")[2] or "last"] = stage
            continue
        assert stage is not None, "a Dockerfile begins with FROM"
        carry_out(step, stage, stages)
    assert stage is not None, "a Dockerfile has a stage"
    return stage


def carry_out(step: Step, stage: Stage, stages: dict[str, Stage]) -> None:
    """Carry out a step in its stage. Raises `SystemExit` for a word that this program does not know."""
    if step.word == "ENV":
        for word in shlex.split(step.rest):
            name, _, value = word.partition("=")
            stage.env[name] = value.replace("$PATH", stage.env["PATH"])
    elif step.word == "RUN":
        stage.run(step.rest)
    elif step.word == "WORKDIR":
        stage.folder = step.rest
        stage.inside(".").mkdir(parents=True, exist_ok=True)
    elif step.word == "USER":
        stage.user = step.rest
    elif step.word == "COPY":
        _copy(step.rest.split(), stage, stages)
    elif step.word == "CMD":
        stage.env |= {"CMD": shlex.join(re.findall(r'"([^"]*)"', step.rest))}
    else:
        raise SystemExit(f"{step.word} is not known; add it to deploy/image.py")


def _copy(words: list[str], stage: Stage, stages: dict[str, Stage]) -> None:
    source = SOURCE
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *paths, target = words
    for path in paths:
        found, place = source / path.lstrip("/"), stage.inside(target)
        if found.is_dir():
            shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
        else:
            place = place / found.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, place)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    """Build the image, then try it as the user of the image who can write only to `/tmp`."""
    if len(sys.argv) > 1:
        _build_and_try(Path(sys.argv[1]))
        return
    if os.geteuid() != 0:
        raise SystemExit("mounts need root; type: sudo python3.12 -m deploy.image")
    with tempfile.TemporaryDirectory(prefix="assess-image-") as folder:
        # all mounts are in a namespace of that process, so none is left when the folder is deleted
        inside = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "deploy.image", folder]
        code = subprocess.run(inside, cwd=SOURCE, check=False).returncode
    sys.exit(code)


def _build_and_try(folder: Path) -> None:
    try:
        image = build(folder)
        image.close()
        for command in (image.env.pop("CMD"), *_TRIED):
            print(f"== {command}", flush=True)
            image.run(command)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"this step failed with exit code {error.returncode}") from None
    print("the image was built and tried")


if __name__ == "__main__":
    main()
