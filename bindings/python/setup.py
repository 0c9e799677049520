# SPDX-License-Identifier: Apache-2.0
"""Builds the package with librill. An installed librill (pkg-config rill) is linked to and found
again where it lies; if there is none, it is built from this checkout and becomes part of the
package. RILL_FROM=checkout, or =installed, decides otherwise."""
import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

here = Path(__file__).resolve().parent
root = here.parent.parent
header = root / "include" / "rill.h"
wanted = os.environ.get("RILL_FROM", "")


def said(*command, **env):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                          env=dict(os.environ, **env)).stdout.strip()


def installed():
    """Flags of an installed librill, or None."""
    try:
        flags = shlex.split(said("pkg-config", "--cflags", "--libs", "rill"))
        where = said("pkg-config", "--variable=libdir", "rill")
    except (OSError, subprocess.CalledProcessError):
        return None
    compile_args = [f for f in flags if f.startswith(("-I", "-D"))]
    return dict(extra_compile_args=compile_args, runtime_library_dirs=[where],
                extra_link_args=[f for f in flags if f not in compile_args])


def built():
    """librill.a of this checkout."""
    if not header.exists():
        sys.exit("librill is not installed (pkg-config rill), and this is no checkout of rill")
    build = here / "build" / "librill"
    if not (build / "build.ninja").exists():
        subprocess.check_call(["meson", "setup", str(build), str(root), "--buildtype=release",
                               "--default-library=static", "-Dtests=disabled"])
    subprocess.check_call(["ninja", "-C", str(build), "lib/librill.a"])
    # A package that nobody has installed: what it needs besides itself are libraries by name.
    flags = shlex.split(said("pkg-config", "--static", "--libs", "rill", PKG_CONFIG_PATH=str(
        build / "meson-private")))
    others = [f for f in flags if f.startswith("-l") and f != "-lrill"] + ["-pthread"]
    # The library's own names stay within the package: another librill in the process is another.
    return dict(include_dirs=[str(root / "include")],
                extra_objects=[str(build / "lib" / "librill.a")],
                extra_link_args=others + ["-Wl,--exclude-libs,ALL"])


class BuildExt(build_ext):
    def build_extensions(self):
        self.force = True  # librill may be another one than that of what was built here before
        flags = installed() if wanted != "checkout" else None
        if flags is None and wanted == "installed":
            sys.exit("RILL_FROM=installed: pkg-config knows no rill")
        for name, value in (flags or built()).items():
            setattr(self.extensions[0], name, value)
        super().build_extensions()


# From 3.11 on buffers belong to the stable ABI: one wheel is for all later versions.
limited = sys.version_info >= (3, 11)
setup(
    packages=["rill"],
    package_data={"rill": ["py.typed", "*.pyi"]},
    cmdclass={"build_ext": BuildExt},
    ext_modules=[Extension(
        "rill._rill", sorted(str(p.relative_to(here)) for p in (here / "src").glob("*.c")),
        depends=["src/binding.h"], py_limited_api=limited, language="c",
        define_macros=[("Py_LIMITED_API", "0x030b0000")] if limited else [])],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited else {},
    zip_safe=False,
)
