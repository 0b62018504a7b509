# SPDX-License-Identifier: GPL-2.0-only
"""Who signed a text, as gpgv says it with the keys that a user has; nothing of theirs is written.

gpgv wants a lock beside a keyring and takes no armoured one, so it gets copies.
"""

import base64
import binascii
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HostError, UserError
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.scratch import temporary
from harness.texts.build.sums import signed_text

KEYRING = "BUDDYLAB_KERNEL_KEYRING"
_LIMIT_S = 60.0
_OWN_KEYRINGS = ("pubring.kbx", "pubring.gpg", "trustedkeys.kbx", "trustedkeys.gpg")
_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\n]*: [^\n]*\n)*\r?\n(.*?)"
    rb"(?:\n=[^\n]*)?\r?\n-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_STATUS = re.compile(r"^\[GNUPG:\] (\w+) ?(.*)$", re.MULTILINE)
_ID_DIGITS = 16  # of a fingerprint, its last ones
_REFUSED = frozenset({"BADSIG", "REVKEYSIG", "EXPSIG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed."""

    text: str
    doubt: str  # why the signature was not verified; empty if it was


def read_signed(message: bytes, what: str, *, key: str) -> Signed:
    """Return the text of a clear-signed message, which `key` (a fingerprint) should have signed.

    With $BUDDYLAB_KERNEL_KEYRING any key of that file may have signed it. Raises HostError for a
    message that is not signed, whose signature is wrong, or that somebody else signed; `what` names
    it there.
    """
    text = signed_text(message.decode(errors="replace"))
    if text is None:
        raise HostError(
            f"{what} is not one signed text; a proxy or a mirror may have altered it: try again, "
            "or use --kernel PATH"
        )
    if shutil.which("gpgv") is None:
        return Signed(text=text, doubt="gpgv is not installed")
    with temporary("signature") as scratch:
        rings = _keyrings(scratch)
        file, output = scratch / "message", scratch / "output"
        file.write_bytes(message)
        argv = ["gpgv", "--homedir", str(scratch), "--status-fd", "1", "--output", str(output)]
        options = (option for ring in rings for option in ("--keyring", str(ring)))
        deadline = Deadline.after(_LIMIT_S, "gpgv")
        done = run([*argv, *options, str(file)], cwd=scratch, deadline=deadline, ok=None)
        told = dict(_STATUS.findall(done.output))
        if refused := _REFUSED & told.keys():
            raise HostError(
                f"the signature of {what} is wrong ({min(refused)}): the text or the key is not "
                "what it was; try again later, or use another mirror or --kernel PATH"
            )
        named = bool(os.environ.get(KEYRING))
        if told.get("NO_PUBKEY") == key[-_ID_DIGITS:] and not named:
            return Signed(text=text, doubt=f"no keyring here has the key {key}")
        # Nobody's signature is not less than another's: whoever alters a text can sign it, too.
        is_valid = "VALIDSIG" in told and done.returncode == 0
        signer = (told.get("VALIDSIG") or told.get("NO_PUBKEY") or "nobody").split()[-1]
        if not is_valid or (signer != key and not named):
            wanted = f"a key of ${KEYRING}" if named else key
            raise HostError(
                f"{what} is not signed by {wanted}, but by {signer}; use another mirror, or name "
                f"the keys that you trust with ${KEYRING}"
            )
        return Signed(text=output.read_text(errors="replace"), doubt="")


def _keyrings(scratch: Path) -> list[Path]:
    """Copy the keyrings: the one that the environment names, else the user's own of GnuPG."""
    named = os.environ.get(KEYRING)
    home = Path(os.environ.get("GNUPGHOME") or Path.home() / ".gnupg")
    files = [Path(named)] if named else [home / name for name in _OWN_KEYRINGS]
    copies = []
    for number, file in enumerate(files):
        try:
            content = file.read_bytes()
        except OSError as error:
            if named:
                raise UserError(f"${KEYRING} is {file}, which cannot be read: {error}") from error
            continue
        copies.append(scratch / f"keys-{number}{file.suffix}")
        copies[-1].write_bytes(_binary(content))
    return copies


def _binary(keys: bytes) -> bytes:
    armoured = _ARMOUR.findall(keys)
    try:
        return b"".join(map(base64.b64decode, armoured)) or keys
    except binascii.Error:
        return keys
