#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# seeds.sh TARGET SEEDS ARG...: each input that SEEDS ARG... DIR writes is tried by the target.
set -eu
target=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$@" "$work"
"$target" "$work"/*
