"""The command line of the servers."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local import processes
from deploy.local.addresses import NODES
from deploy.local.errors import CannotServe
from deploy.local.instance import NAMES, Instance
from deploy.local.interrupts import Interrupted, Interrupts

_EXAMPLES: Final = """examples:
  eval "$(deploy/local/servers up)"
  deploy/local/servers up cassandra --nodes 3 --data .assess/ring
  deploy/local/servers nodetool --data .assess/ring status
  deploy/local/servers status
  deploy/local/servers down
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; exit codes: 0 done, 1 failed, 2 wrong use, 128 plus the number of the signal that stopped it."""
    given = _parser().parse_args(words)
    instance = Instance(Path(given.data), notify)
    interrupts = Interrupts()
    try:
        return _run(given, instance, interrupts)
    except CannotServe as error:
        notify(str(error))
        return 1
    except Interrupted as asked:
        return 128 + asked.number


def notify(text: str) -> None:
    """Print a message on standard error; standard output is for `eval`."""
    print(f"servers: {text}", file=sys.stderr, flush=True)


def _run(given: argparse.Namespace, instance: Instance, interrupts: Interrupts) -> int:
    match given.command:
        case "up":
            exports = instance.up(given.names or NAMES, given.nodes, given.parent, interrupts)
            for name, value in exports.items():
                print(f"export {name}={shlex.quote(value)}")
            if "ASSESS_HOT_STORE" in exports:
                notify("Cassandra gets its keyspace and tables by: assess schema apply")
            notify(
                f"everything is up; stop it with: deploy/local/servers down --data {shlex.quote(str(instance.folder))}"
            )
        case "down":
            if not instance.down():
                notify(f"nothing runs in {instance.folder}")
        case "status":
            return _status(instance)
        case "nodetool":
            command = instance.nodetool(given.node, given.words)
            os.execv(command[0], list(command))
        case "watch":
            processes.wait_for_end(given.pid)
            instance.down()
    return 0


def _status(instance: Instance) -> int:
    """Print a line for each server; returns 0 if there is one and all answer."""
    states = instance.states() if instance.folder.is_dir() else []
    if not states:
        notify(f"no servers were started in {instance.folder}")
        return 1
    print(f"{'server':<12} {'state':<14} {'pid':>8} {'MiB':>6}  {'address':<22} log")
    for server, pid, answers in states:
        state = "up" if answers else "not answering" if pid else "down"
        size = str(processes.memory(pid) >> 20) if pid else "-"
        print(f"{server.name:<12} {state:<14} {pid or '-':>8} {size:>6}  {server.address:<22} {server.home / 'log'}")
    return 0 if all(answers for _, _, answers in states) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy/local/servers",
        description="Cassandra, Kafka and S3 on loopback, as daemons, without Docker.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", default=".assess/servers", metavar="DIR", help="the folder of the instance (default .assess/servers)"
    )

    up = commands.add_parser("up", parents=[data], help="start servers that do not run; print the variables to export")
    up.add_argument("names", nargs="*", type=_name, metavar="|".join(NAMES), help="the servers to start (default: all)")
    up.add_argument("--nodes", type=int, choices=(1, NODES), help="the number of Cassandra nodes (default 1)")
    up.add_argument("--parent", type=int, metavar="PID", help="stop them when this process has ended")

    commands.add_parser("down", parents=[data], help="stop all servers; their data and addresses stay")
    commands.add_parser("status", parents=[data], help="list the servers and their addresses")

    nodetool = commands.add_parser("nodetool", parents=[data], help="run nodetool on a Cassandra node")
    nodetool.add_argument("--node", type=int, default=1, metavar="N", help="the number of the node (default 1)")
    nodetool.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="the arguments of nodetool")

    watch = commands.add_parser("watch", parents=[data])  # what --parent starts
    watch.add_argument("pid", type=int)
    watch.add_argument("home")
    return parser


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(NAMES)}")
    return text


if __name__ == "__main__":
    sys.exit(main())
