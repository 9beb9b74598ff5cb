"""The command ``completion``, and what its scripts ask: what the last word of a command line may become."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from puna.cli import flags
from puna.cli.command import Command, Group, exactly, flag_of, flags_of
from puna.cli.shells import SCRIPTS

Candidate = tuple[str, str]
"""What the word may become, and what that is."""

_MODELS, _LOADED, _FILES, _COMMANDS, _SHELLS = "models", "loaded", "files", "commands", "shells"

# What each argument of a command is; of the last one there may be more.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "show": (_MODELS, ""),
    "run": (_MODELS, ""),
    "stop": (_LOADED, ""),
    "pull": (_MODELS, ""),
    "push": (_MODELS, ""),
    "list": (_MODELS, ""),
    "ps": (_LOADED, ""),
    "cp": (_MODELS, _MODELS, ""),
    "rm": (_MODELS,),
    "load": (_MODELS,),
    "tokenize": (_MODELS, ""),
    "update": (_MODELS,),
    "export": (_MODELS, _MODELS + _FILES),
    "import": (_FILES, ""),
    "create": (_MODELS, ""),
    "bench": (_MODELS,),
    "help": (_COMMANDS, ""),
    "completion": (_SHELLS, ""),
}
_VALUES: dict[str, tuple[str, ...]] = {
    "think": ("true", "false", "high", "medium", "low", "max"),
    "format": ("json",),
    "truncate": ("true", "false"),
    "quantize": ("q4_K_M", "q4_K_S", "q5_K_M", "q6_K", "q8_0", "f16"),
    "draft-quantize": ("q4_K_M", "q8_0"),
}
_PATIENCE_SECONDS = 2.0
"""How long a shell may stand still after Tab."""

_FILE_FLAGS = ("file", "tls-cert", "tls-key")


@click.command("completion", cls=Command, count=exactly(1), variables=())
@click.argument("args", nargs=-1, metavar="bash|zsh|fish")
def completion(args: tuple[str, ...]) -> None:
    """Print a script that completes commands, flags and models.

    bash: put 'source <(puna completion bash)' into ~/.bashrc. zsh: write it to a file _puna in a folder of $fpath.
    fish: write it to ~/.config/fish/completions/puna.fish.
    """
    script = SCRIPTS.get(args[0])
    if script is None:
        raise click.UsageError(f'there is no completion for "{args[0]}"; there is one for {", ".join(SCRIPTS)}')
    click.echo(script, nl=False)


@click.command("__complete", cls=Command, variables=(), hidden=True)
@click.argument("args", nargs=-1, metavar="WORD...")
@click.pass_context
def complete(ctx: click.Context, args: tuple[str, ...]) -> None:
    """Print what the last word may become.

    One a line: a word, a tab, and what it is.
    """
    *before, word = args or ("",)
    for text, meaning in candidates(ctx.find_root(), before, word):
        click.echo(f"{text}\t{meaning}")


def candidates(above: click.Context, before: Sequence[str], word: str) -> Iterator[Candidate]:
    """What ``word`` may become after the words ``before`` it, the name of the program not among them."""
    place = _Place(above)
    for each in before:
        if not place.pass_by(each):
            return iter(())
    return _beginning(word, place.possible(word))


class _Place:
    """Where on a command line a word stands."""

    def __init__(self, above: click.Context) -> None:
        self._ctx = above
        self._arguments: list[str] = []
        self._pending: flags.Flag | None = None
        """The flag whose value comes next."""
        self._ended = False
        """No flags follow."""

    def pass_by(self, word: str) -> bool:
        """Go behind ``word``; False: there is no such command."""
        command, known = self._ctx.command, flags_of(self._ctx.command, self._ctx)
        if self._pending is not None:
            self._pending = None
        elif word == "--":
            self._ended = True
        elif flags.is_flag(word) and not self._ended:
            self._pending = _flag(word, known) if flags.takes_next(word, known) else None
        elif isinstance(command, Group):
            name = command.aliases.get(word, word)
            found = command.get_command(self._ctx, name)
            if found is None:
                return False
            self._ctx = click.Context(found, parent=self._ctx, info_name=name)
        else:
            self._arguments.append(word)
        return True

    def possible(self, word: str) -> Iterable[Candidate]:
        """What can stand here, some of which ``word`` may begin."""
        command = self._ctx.command
        if self._pending is not None:
            return _values(self._pending.name, word)
        if word.startswith("-") and not self._ended:
            name, equals, value = word[2:].partition("=")
            if equals:
                return ((f"--{name}={each}", meaning) for each, meaning in _values(name, value))
            options = [option for option in command.get_params(self._ctx) if isinstance(option, click.Option)]
            return ((f"--{flag_of(option).name}", option.help or "") for option in options if not option.hidden)
        if isinstance(command, Group):
            return command.summaries(self._ctx)
        beneath_root = self._ctx.parent is not None and self._ctx.parent.parent is None
        kinds = _ARGUMENTS.get(self._ctx.info_name or "", ("",)) if beneath_root else ("",)
        return _of_kind(kinds[min(len(self._arguments), len(kinds) - 1)], self._ctx, word, set(self._arguments))


def _flag(arg: str, known: Sequence[flags.Flag]) -> flags.Flag:
    name = arg.lstrip("-")
    return next((flag for flag in known if name in (flag.name, flag.letter)), flags.Flag(name))


def _of_kind(kind: str, above: click.Context, word: str, taken: set[str]) -> Iterator[Candidate]:
    if kind.startswith(_MODELS):
        yield from ((name, meaning) for name, meaning in _models("/api/tags", word) if name not in taken)
    if kind == _LOADED:
        yield from _models("/api/ps", word)
    if kind.endswith(_FILES):
        yield from _files(word)
    if kind == _COMMANDS:
        root = above.find_root()
        assert isinstance(root.command, Group)
        yield from root.command.summaries(root)
    if kind == _SHELLS:
        yield from ((shell, "") for shell in SCRIPTS)


def _values(name: str, word: str) -> Iterable[Candidate]:
    return _files(word) if name in _FILE_FLAGS else ((value, "") for value in _VALUES.get(name, ()))


def _beginning(word: str, possible: Iterable[Candidate]) -> Iterator[Candidate]:
    return (each for each in possible if each[0].lower().startswith(word.lower()))


def _files(word: str) -> Iterator[Candidate]:
    """The files and folders whose paths begin with ``word``."""
    folder, _, beginning = word.rpartition("/")
    shown = f"{folder}/" if "/" in word else ""
    try:
        found = sorted(Path(shown or ".").expanduser().iterdir())
    except OSError:
        return
    for path in found:
        if path.name.startswith(beginning) and (beginning or not path.name.startswith(".")):
            yield f"{shown}{path.name}{'/' if path.is_dir() else ''}", ""


def _models(route: str, word: str) -> Iterator[Candidate]:
    """The models of the server; if none runs on this machine, those in the store.

    Their names are as short as they can be, unless ``word`` has come to the tag.
    """
    from puna import config  # noqa: PLC0415 - most words are no models
    from puna.client import Client  # noqa: PLC0415
    from puna.errors import PunaError  # noqa: PLC0415

    settings = config.read(os.environ)
    try:
        with Client(settings.host.url, patience=_PATIENCE_SECONDS) as client:
            said = client.answer(route).get("models") or ()
        models = [
            (str(model.get("name") or ""), str((model.get("details") or {}).get("parameter_size") or ""))
            for model in said
        ]
    except PunaError:
        models = [(name, "") for name in _stored(settings.models)] if route == "/api/tags" else []
    for name, size in models:
        yield name if ":" in word else name.removesuffix(":latest"), size


def _stored(root: Path) -> Iterator[str]:
    """The names of the models in the store at ``root``, by the paths of their manifests."""
    from puna.errors import InvalidName  # noqa: PLC0415 - see _models
    from puna.names import ModelName  # noqa: PLC0415

    manifests = root / "manifests"
    for path in sorted(manifests.glob("*/*/*/*")):
        host, namespace, model, tag = path.relative_to(manifests).parts
        try:
            yield ModelName.parse(f"{host}/{namespace}/{model}:{tag}").short
        except InvalidName:
            continue  # a file that lies about
