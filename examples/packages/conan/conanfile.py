# SPDX-License-Identifier: Apache-2.0
"""The library for Conan 2, from the tree or the tarball that this file lies in:

    conan create examples/packages/conan -c 'tools.cmake.cmake_layout:test_folder=$TMP'

What rill is made of comes from the system's packages, as everywhere else in this tree:
`-c tools.system.package_manager:mode=install` lets Conan install them."""
import os
import re

from conan import ConanFile
from conan.tools.files import copy, load, rmdir
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain
from conan.tools.system.package_manager import Apt


class Rill(ConanFile):
    name = "rill"
    license = "Apache-2.0"
    description = "Messaging that you link: publish/subscribe, broker and client"
    topics = ("messaging", "nats", "kafka")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}

    @property
    def _tree(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._tree, "meson.build"))
        self.version = re.search(r"version: '([^']+)'", text)[1]

    def export_sources(self):
        for part in ("meson.build", "meson_options.txt", "LICENSE", "lib/*", "include/*",
                     "examples/*", "bindings/*"):
            copy(self, part, self._tree, self.export_sources_folder)

    def configure(self):
        # It is C: the C++ of who uses it makes no difference.
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def layout(self):
        basic_layout(self)

    def system_requirements(self):
        Apt(self).install(["libevent-dev", "libmbedtls-dev", "libxxhash-dev", "zlib1g-dev",
                           "libcrypt-dev", "liblz4-dev", "libzstd-dev", "libsodium-dev",
                           "libhttp-parser-dev", "librdkafka-dev"])

    def generate(self):
        made = MesonToolchain(self)
        made.project_options.update(tests="disabled", tls="mbedtls", rilld_static="disabled",
                                    default_library="shared" if self.options.shared else "static")
        made.generate()

    def build(self):
        meson = Meson(self)
        meson.configure()
        meson.build()

    def package(self):
        Meson(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_info(self):
        self.cpp_info.libs = ["rill"]
        # Its own rillConfig.cmake and rill.pc know what a static library needs besides.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "rill")]
        if not self.options.shared:
            self.cpp_info.system_libs = ["event_core", "mbedtls", "mbedx509", "mbedcrypto", "z",
                                         "crypt", "lz4", "zstd", "sodium", "http_parser",
                                         "pthread"]
