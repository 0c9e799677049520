/* SPDX-License-Identifier: Apache-2.0 */
/* The files that tell others where this process is: its pid, and the ports it listens on. */
#ifndef RILLD_FILES_H
#define RILLD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* false with errno */
bool files_write_pid(const char *path);

/* The directory and those above it, as far as they are absent. False with errno. */
bool files_make_dirs(const char *path);
/* What the file system of `dir` has free and what the files in `dir` take of it; 0 if it cannot be
 * told. */
uint64_t files_room_bytes(const char *dir);
/* Of the machine, or of what its cgroup may use if that is less; 0 if it cannot be told. */
uint64_t files_memory_bytes(void);

/* A listener for the ports file. */
typedef struct files_port {
    const char *kind;    /* "nats" */
    const char *scheme;  /* "nats" */
    const char *host;    /* one URL for each address of this machine if it stands for all */
    int port;            /* 0: there is none */
} files_port;

/* DIR/<program>_<pid>.ports: {"nats":["nats://HOST:PORT"],...}. Whole when it appears. */
bool files_write_ports(const char *dir, const char *program, const files_port *ports,
                       size_t nports);
void files_remove_ports(const char *dir, const char *program);

#endif
