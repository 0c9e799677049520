#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
'use strict';
// build.js: compiles the native half into build/rill.node, which npm install has done.
//   build.js --headers   prints Node's version and where its headers are
//   build.js --source    puts the library's source into librill/, for npm pack
// An installed librill (pkg-config rill) is linked to and found again where it lies; if there is
// none, it is built by Meson from the checkout, or from librill/ of a package, and becomes part of
// rill.node. RILL_FROM=checkout, or =installed, decides otherwise.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const here = __dirname;

function stop(text) {
    console.error(`rill: ${text}`);
    process.exit(1);
}

const run = (command, args, options) => {
    try {
        return execFileSync(command, args, { stdio: ['ignore', 2, 2], ...options });
    } catch (why) {
        return stop(
            `${command} ${args.join(' ')} failed${why.code === 'ENOENT' ? ': it is not here' : ''}`,
        );
    }
};

const says = (command, args, env) =>
    execFileSync(command, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, ...env },
    }).trim();

/** Where node_api.h and uv.h of this Node are; undefined if nowhere. */
function headers() {
    const dirs = [
        process.env.npm_config_nodedir,
        path.join(path.dirname(process.execPath), '..'),
        path.join(
            process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'),
            'node-gyp',
            process.versions.node,
        ),
    ].filter(Boolean);
    return dirs
        .map((dir) => path.join(dir, 'include', 'node'))
        .find(
            (dir) =>
                fs.existsSync(path.join(dir, 'node_api.h')) &&
                fs.existsSync(path.join(dir, 'uv.h')),
        );
}

/** node-gyp, which npm brings along, knows where to get them. */
function fetched() {
    const gyp = process.env.npm_config_node_gyp;
    if (gyp) run(process.execPath, [gyp, 'install']);
    return (
        headers() ||
        stop(
            'the headers of this Node are not here: node-gyp install brings them, ' +
                'or npm_config_nodedir says where they are',
        )
    );
}

function installed() {
    try {
        const flags = says('pkg-config', ['--cflags', '--libs', 'rill'])
            .split(/\s+/)
            .filter(Boolean);
        return [...flags, `-Wl,-rpath,${says('pkg-config', ['--variable=libdir', 'rill'])}`];
    } catch {
        return undefined;
    }
}

const source = () =>
    [path.join(here, '..', '..'), path.join(here, 'librill')].find((dir) =>
        fs.existsSync(path.join(dir, 'include', 'rill.h')),
    );

function built() {
    const root = source();
    if (!root) stop('librill is not installed (pkg-config rill), and its source is not here');
    const build = path.join(here, 'build', 'librill');
    if (!fs.existsSync(path.join(build, 'build.ninja'))) {
        run('meson', [
            'setup',
            build,
            root,
            '--buildtype=release',
            '--default-library=static',
            '-Dtests=disabled',
        ]);
    }
    run('ninja', ['-C', build, 'lib/librill.a']);
    const libs = says('pkg-config', ['--static', '--libs', 'rill'], {
        PKG_CONFIG_PATH: path.join(build, 'meson-private'),
    }).split(/\s+/);
    /* Its names stay within: another librill in the process is another. */
    return [
        `-I${path.join(root, 'include')}`,
        path.join(build, 'lib', 'librill.a'),
        ...libs.filter((flag) => flag.startsWith('-l') && flag !== '-lrill'),
        '-Wl,--exclude-libs,ALL',
    ];
}

function compile() {
    const include = headers() || fetched();
    const from = process.env.RILL_FROM || '';
    const librill =
        (from === 'checkout' ? undefined : installed()) ||
        (from === 'installed' ? stop('RILL_FROM=installed: pkg-config knows no rill') : built());
    const sources = fs
        .readdirSync(path.join(here, 'src'))
        .filter((name) => name.endsWith('.c'))
        .map((name) => path.join(here, 'src', name));
    const out = path.join(here, 'build', 'rill.node');
    fs.mkdirSync(path.dirname(out), { recursive: true });
    const [cc, ...flags] = (process.env.CC || 'cc').split(' ');
    run(cc, [
        ...flags,
        '-std=gnu11',
        '-O2',
        '-fPIC',
        '-shared',
        '-pthread',
        '-fvisibility=hidden',
        `-I${include}`,
        '-Wl,-z,nodelete',
        '-o',
        out,
        ...sources,
        ...librill,
    ]);
}

/** What Meson needs to build the library alone. */
function pack() {
    const root = path.join(here, '..', '..');
    const to = path.join(here, 'librill');
    if (!fs.existsSync(path.join(root, 'lib', 'rill.map'))) stop('this is no checkout of rill');
    fs.rmSync(to, { recursive: true, force: true });
    for (const name of says('git', [
        '-C',
        root,
        'ls-files',
        'meson.build',
        'meson_options.txt',
        'include',
        'lib',
        'LICENSE',
        'examples',
        'bindings/*meson.build',
        'bindings/cpp/rill.hpp',
        'bindings/cpp/*.in',
    ]).split('\n')) {
        fs.mkdirSync(path.dirname(path.join(to, name)), { recursive: true });
        fs.copyFileSync(path.join(root, name), path.join(to, name));
    }
}

if (process.argv[2] === '--headers') console.log(`${process.versions.node}\n${headers() || ''}`);
else if (process.argv[2] === '--source') pack();
else compile();
