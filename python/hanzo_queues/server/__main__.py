"""The command line: `hanzo-queues serve`, `key`, `journal verify`, `dump` and `repair`, `--version`.

Options override the environment, and are judged by the same rules. Exit status 2: the settings can't be used; 130: a
Ctrl-C ended a command that only `serve` ends in order.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hanzo_queues._core import __version__
from hanzo_queues.data_path import HomeUnknown, api_key_path
from hanzo_queues.server.settings import VARIABLES, Settings, SettingsError, Variable, read_settings

INTERRUPTED = 130  # as shells say of it
OPTIONS = {"host": "HOST", "port": "PORT", "data_dir": "HANZO_DATA_DIR"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that `arguments` (those of the process) name, and exits with its status."""
    chosen = _parser().parse_args(arguments)
    options = {variable: getattr(chosen, option, None) for option, variable in OPTIONS.items()}
    environ = {**os.environ, **{variable: value for variable, value in options.items() if value is not None}}
    try:
        sys.exit(chosen.run(environ, chosen))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hanzo-queues", description="A durable work queue over REST.")
    parser.add_argument("--version", action="version", version=f"hanzo-queues {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser(
        "serve",
        help="run a server",
        description="Run a server until SIGTERM or SIGINT.",
        epilog="environment variables:\n" + "\n".join(map(_variable_help, VARIABLES)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--host", help="overrides HOST")
    serve.add_argument("--port", help="overrides PORT")
    serve.add_argument("--data-dir", help="overrides HANZO_DATA_DIR")
    serve.set_defaults(run=_serve)
    key = commands.add_parser("key", help="print the API key that a server on this machine made")
    key.add_argument("--data-dir", help="overrides HANZO_DATA_DIR")
    key.set_defaults(run=_key)
    _add_journal(commands)
    return parser


def _add_journal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    journal = commands.add_parser("journal", help="look at the journal of a server that does not run")
    looks = journal.add_subparsers(required=True, metavar="command")
    verify = looks.add_parser("verify", help="check every batch of the journal, and replay it")
    verify.set_defaults(run=_verify)
    dump = looks.add_parser("dump", help="print the journal's batches, a line of JSON each")
    dump.add_argument("--first", type=_lsn, default=1, metavar="LSN", help="begin with this batch (1)")
    dump.add_argument("--last", type=_lsn, metavar="LSN", help="end with this batch (the newest)")
    dump.add_argument("--records", action="store_true", help="print what each batch holds, in words")
    dump.add_argument("--checkpoints", action="store_true", help="print the checkpoints instead of batches")
    dump.set_defaults(run=_dump)
    repair = looks.add_parser("repair", help="replace damaged checkpoints; never changes a batch of the journal")
    repair.add_argument(
        "--accept-loss", action="store_true", help="go on with a journal that lost its end or beginning, or another one"
    )
    repair.set_defaults(run=_repair)
    for look in (verify, dump, repair):
        look.add_argument("--data-dir", help="overrides HANZO_DATA_DIR")


def _lsn(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a batch: the first one is 1")
    return int(text)


def _variable_help(variable: Variable) -> str:
    return f"  {variable.name:<27} {variable.meaning} ({variable.default})"


def _settings(environ: dict[str, str], log_level: str | None = None) -> Settings:
    """Logs from now on, by default from `log_level` on. Raises SystemExit(2), after a sentence for each variable that
    can't be used."""
    from hanzo_queues.server.event_log import set_up_logging

    try:
        settings = read_settings(environ)
    except SettingsError as error:
        for sentence in error.sentences:
            print(f"hanzo-queues: {sentence}", file=sys.stderr)
        sys.exit(2)
    set_up_logging(settings.log_level if log_level is None or "HANZO_LOG_LEVEL" in environ else log_level)
    return settings


def _serve(environ: dict[str, str], _: argparse.Namespace) -> int:
    from hanzo_queues.server.serve import serve

    return serve(_settings(environ))


def _verify(environ: dict[str, str], _: argparse.Namespace) -> int:
    from hanzo_queues.server import journal_commands

    return journal_commands.run(journal_commands.verify, _settings(environ, "warning"))


def _dump(environ: dict[str, str], chosen: argparse.Namespace) -> int:
    from hanzo_queues.server import journal_commands

    if chosen.checkpoints:
        return journal_commands.run(journal_commands.dump_checkpoints, _settings(environ, "warning"))
    dump = journal_commands.dump(chosen.first, chosen.last, chosen.records)
    return journal_commands.run(dump, _settings(environ, "warning"))


def _repair(environ: dict[str, str], chosen: argparse.Namespace) -> int:
    from hanzo_queues.server import journal_commands, journal_repair

    settings = _settings(environ, "warning")
    return journal_commands.run(journal_repair.repair(chosen.accept_loss, settings), settings)


def _key(environ: dict[str, str], _: argparse.Namespace) -> int:
    try:
        path = api_key_path(environ)
        key = path.read_text().strip()
    except HomeUnknown as unknown:
        print(f"hanzo-queues: {unknown}", file=sys.stderr)
        return 2
    except FileNotFoundError:
        print(
            f"hanzo-queues: there is no generated key at {path}: no server has started there without "
            "HANZO_API_KEYS. Is it in another data directory? Name that with HANZO_DATA_DIR (--data-dir).",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"hanzo-queues: {path} can't be read: {error.strerror}.", file=sys.stderr)
        return 1
    print(key)
    return 0


if __name__ == "__main__":
    main()
