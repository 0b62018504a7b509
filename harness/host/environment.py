# SPDX-License-Identifier: GPL-2.0-only
"""What a command of ours learns of its user's environment: where things are, not how to work.

Each variable is one to make, and a kernel's Makefile asks for dozens (ARCH, KCFLAGS, LOCALVERSION,
KCONFIG_ALLCONFIG, ...); gcc, ld, tar, git and shells have more (CPATH, TAR_OPTIONS, GIT_DIR,
BASH_ENV, ...). So what may pass is listed here, and what changes a build or its messages is not.
"""

from collections.abc import Mapping

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR"),
        # A compiler or a QEMU may live on these, and so may a container's own tools.
        *("LD_LIBRARY_PATH", "LD_PRELOAD"),
        # The way to package servers.
        *("APT_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
_KEPT_PREFIXES = (
    "BUDDYLAB_",
    "CCACHE_",  # where its cache is, and whether it is used
    "XDG_",
)
# Of every command that is started.
PINNED = {
    # LANGUAGE would translate messages although LC_ALL is set: it must not be there.
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "TZ": "UTC0",
}


def pinned(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command, for a user who has `environment`."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return kept | PINNED
