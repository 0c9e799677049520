# SPDX-License-Identifier: Apache-2.0
"""The exceptions: one class a code of rill.h, which holds the code, its name, and the library's
sentence."""
from __future__ import annotations

from typing import Dict, Type


class Error(Exception):
    """What rill.h answers: `code` is -RILL_E*, `name` as "ETIMEDOUT", the text is the sentence."""

    code: int = 0
    name: str = "EUNKNOWN"

    @property
    def sentence(self) -> str:
        return str(self.args[0]) if self.args else ""


class NoMemory(Error, MemoryError):
    code, name = -1, "ENOMEM"


class Invalid(Error, ValueError):
    code, name = -2, "EINVAL"


class Again(Error):
    code, name = -3, "EAGAIN"


class Timeout(Error, TimeoutError):
    code, name = -4, "ETIMEDOUT"


class Closed(Error):
    code, name = -5, "ECLOSED"


class Busy(Error):
    code, name = -6, "EBUSY"


class Deadlock(Error):
    code, name = -7, "EDEADLK"


class NotSupported(Error):
    code, name = -8, "ENOTSUP"


class NotFound(Error, LookupError):
    code, name = -9, "ENOENT"


class Exists(Error):
    code, name = -10, "EEXIST"


class Conflict(Error):
    code, name = -11, "ECONFLICT"


class NoReply(Error):
    code, name = -12, "ENOREPLY"


class TooBig(Error):
    code, name = -13, "ETOOBIG"


class Full(Error):
    code, name = -14, "EFULL"


class AuthFailed(Error, PermissionError):
    code, name = -15, "EAUTH"


class NoConnection(Error, ConnectionError):
    code, name = -16, "ECONN"


class Protocol(Error):
    code, name = -17, "EPROTO"


class IOFailed(Error, OSError):
    code, name = -18, "EIO"


class Corrupt(Error):
    code, name = -19, "ECORRUPT"


class Fenced(Error):
    code, name = -20, "EFENCED"


class Bug(Error):
    code, name = -21, "EBUG"


class Unsure(Error):
    code, name = -22, "EUNSURE"


class Canceled(Error):
    code, name = -23, "ECANCELED"


_CLASSES: Dict[int, Type[Error]] = {
    c.code: c
    for c in (
        NoMemory, Invalid, Again, Timeout, Closed, Busy, Deadlock, NotSupported, NotFound, Exists,
        Conflict, NoReply, TooBig, Full, AuthFailed, NoConnection, Protocol, IOFailed, Corrupt,
        Fenced, Bug, Unsure, Canceled,
    )
}


def make(code: int, sentence: str) -> Error:
    """The exception of a code; one that this module does not know is an Error with that code."""
    made = _CLASSES.get(code, Error)(sentence)
    if made.code != code:
        made.code = code
    return made
