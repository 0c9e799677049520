# SPDX-License-Identifier: Apache-2.0
# rill for vcpkg, from the tree that this port lies in:
#
#     vcpkg install rill --overlay-ports=examples/packages/vcpkg
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

foreach(pair IN ITEMS codecs:lz4 codecs:zstd nkeys:nkeys websocket:websocket)
    string(REPLACE ":" ";" pair "${pair}")
    list(GET pair 0 feature)
    list(GET pair 1 option)
    if(feature IN_LIST FEATURES)
        list(APPEND OPTIONS "-D${option}=enabled")
    else()
        list(APPEND OPTIONS "-D${option}=disabled")
    endif()
endforeach()

vcpkg_configure_meson(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS ${OPTIONS} -Dtests=disabled -Dtls=mbedtls -Drilld_static=disabled
        -Dkafka_peer=disabled -Dwerror=false
)
vcpkg_install_meson()
vcpkg_fixup_pkgconfig()
vcpkg_copy_tools(TOOL_NAMES rill rilld AUTO_CLEAN)
# rillConfig.cmake finds the library by where it lies itself.
set(VCPKG_POLICY_SKIP_LIB_CMAKE_MERGE_CHECK enabled)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share"
    "${CURRENT_PACKAGES_DIR}/debug/lib/cmake" "${CURRENT_PACKAGES_DIR}/share/man")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
