"""The findings about Python and the installed packages."""

import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from packaging.requirements import Requirement

from assess_core.ports.findings import Finding, Level

DISTRIBUTION: Final = "assessment-lakehouse"


def python() -> Finding:
    """Whether this version of Python is supported."""
    message = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding(Level.OK, "Python", message)
    return Finding(Level.BAD, "Python", f"{message} is not supported", "use Python 3.11 or 3.12")


def packages() -> Finding:
    """Whether the required packages are installed in the required versions."""
    try:
        wanted = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        return Finding(
            Level.WARN, "packages", f"{DISTRIBUTION} is not installed, so its requirements are unknown", "make setup"
        )
    wrong = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if wrong:
        return Finding(Level.BAD, "packages", "; ".join(wrong), "make setup, or install these versions with pip")
    return Finding(Level.OK, "packages", f"{DISTRIBUTION} {version(DISTRIBUTION)} and its requirements")
