"""The command as a process of its own, in a folder with Modelfiles."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MODELFILES = {
    "Modelfile": 'FROM smollm2\nSYSTEM """You are\nbrief."""\nLICENSE Free\n'
    "PARAMETER temperature 0.5\nMESSAGE user hi\n",
    "lower": "from smollm2\nparameter num_ctx 512\n",
    "hot": "FROM smollm2\nPARAMETER temperature hot\n",
    "role": "FROM smollm2\nMESSAGE nobody hi\n",
    "strange": "FROM smollm2\nFROBNICATE x\n",
    "endless": 'FROM smollm2\nSYSTEM """never\n',
    "fromless": "SYSTEM hi\n",
}


@dataclass(frozen=True)
class World:
    """A server, and the folder in which commands are given."""

    url: str
    folder: Path
    store: Path

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a command."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("OLLAMA_", "PUNA_"))}
        return kept | {"OLLAMA_HOST": self.url, "OLLAMA_MODELS": str(self.store), "HOME": str(self.folder)} | more

    def puna(self, *args: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "puna", *args],
            cwd=self.folder,
            env=self.environ(**environ),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            timeout=120,
        )


def furnished(folder: Path, url: str, store: Path) -> World:
    """A folder with Modelfiles, good ones and bad ones."""
    for name, text in MODELFILES.items():
        (folder / name).write_text(text)
    return World(url, folder, store)
