"""The key that speaks for this user: ``~/.ollama/id_ed25519``, the same that Ollama has, or else makes."""

from __future__ import annotations

import base64
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from puna.errors import Unauthorized

log = logging.getLogger(__name__)


def default_path() -> Path:
    """Where the key of this user lies."""
    return Path.home() / ".ollama" / "id_ed25519"


@dataclass(frozen=True, slots=True)
class Key:
    """A private key; ``public`` is its public half as an SSH key file has it, ``ssh-ed25519 AAAA…``."""

    private: Ed25519PrivateKey
    public: str

    @classmethod
    def of(cls, private: Ed25519PrivateKey) -> Key:
        """``private`` with its public half."""
        return cls(private, private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())

    def authorization(self, text: str) -> str:
        """The ``Authorization`` header that signs ``text``: public key and signature."""
        signature = base64.b64encode(self.private.sign(text.encode())).decode()
        return f"{self.public.split()[1]}:{signature}"


def load(path: Path) -> Key:
    """The key in the file ``path``; where there is none, a new one is made and kept there.

    Raises:
        Unauthorized: the file cannot be read or written, or is not an ed25519 key without a password.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _made(path)
    except OSError as error:
        raise Unauthorized(f"the key {path} cannot be read: {error.strerror}") from error
    try:
        private = load_ssh_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unauthorized(f"the key {path} cannot be used: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Unauthorized(f"the key {path} is not an ed25519 key")
    return Key.of(private)


def _made(path: Path) -> Key:
    key = Key.of(Ed25519PrivateKey.generate())
    private = key.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Whoever looks finds it whole or not at all; the file is its owner's alone from the first.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}") as file:
            file.write(private)
            file.flush()
            path.hardlink_to(file.name)
        path.with_name(f"{path.name}.pub").write_text(f"{key.public}\n")
    except FileExistsError:
        return load(path)  # another process was faster
    except OSError as error:
        raise Unauthorized(f"the key {path} cannot be written: {error.strerror}") from error
    log.info("Couldn't find '%s'. Generating new private key. Your new public key is: %s", path, key.public)
    return key
