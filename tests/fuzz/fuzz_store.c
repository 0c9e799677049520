/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of segments in which bytes were changed: it is opened, read in every way, cleaned,
 * scrubbed and closed. Whatever stands there, no byte outside is touched and every reader ends.
 * The input is a list of changes of four bytes each (position, value); its first byte says
 * whether header, footer and trailer get right checksums again, so that what they say is
 * believed, and whether the directory is opened for reading only. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log.h"
#include "store/log/segment.h"
#include "support/fake_os.h"
#include "support/fuzz.h"

enum { SEGMENT = 16384, FILES_MAX = 8, TRACKS = 3 };

typedef struct store_file {
    char path[64], bytes[SEGMENT];
} store_file;

static store_file files[FILES_MAX]; /* of a good log, made once */
static size_t nfiles;
static ri_host host;

static const ri_track_opts *track_opts(uint64_t id)
{
    static const ri_track_opts opts[TRACKS] = {{.subjects = true}, {.single_tail = true}, {0}};
    return &opts[id - 1];
}

static void build_work(ri_log *log)
{
    static const char *const subjects[] = {"a", "a.b", "c.d.e"};
    ri_track *tracks[TRACKS];
    for (uint64_t id = 1; id <= TRACKS; id++)
        fuzz_require(ri_log_track(log, id, track_opts(id), &tracks[id - 1]) == 0, "track");
    for (int i = 0; i < 120; i++) {
        char data[300];
        memset(data, i, sizeof data);
        ri_record r = {.time_ns = i, .subject = ri_str_of(subjects[i % 3]),
                       .headers = i % 4 ? RI_STR_NONE : RI_STR("NATS/1.0\r\n\r\n"),
                       .data = {data, (size_t)(i * 7 % 300)}};
        fuzz_require(ri_track_append(tracks[i % 5 % TRACKS], &r) == 0, "append");
        if (i % 9 == 8) fuzz_require(ri_track_remove(tracks[0], (uint64_t)i / 9 + 1, i % 2) == 0,
                                     "remove");
        if (i % 6 == 0) fuzz_require(ri_log_commit(log) == 0, "commit");
    }
    fuzz_require(ri_track_purge(tracks[2], 4) == 0, "purge");
}

static void build(void)
{
    fake_os disk;
    ri_log *log;
    fake_os_init(&disk);
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = SEGMENT};
    fuzz_require(ri_log_open(&log, &opts) == 0, "open");
    build_work(log);
    ri_log_close(log);
    const char *name;
    for (size_t i = 0; (name = fake_os_name(&disk, i)) != NULL; i++) {
        size_t len;
        unsigned char *bytes = fake_os_bytes(&disk, name, &len);
        if (!strstr(name, ".seg") || nfiles == FILES_MAX) continue;
        fuzz_require(len == SEGMENT, "files of one size");
        snprintf(files[nfiles].path, sizeof files[nfiles].path, "%s", name);
        memcpy(files[nfiles++].bytes, bytes, len);
    }
    fuzz_require(nfiles >= 2, "more than one segment");
    fake_os_fini(&disk);
}

/* What a writer of such a file would have put there. */
static void repair(char *p)
{
    ri_segment_set32(p + 60, ri_crc32c(0, p, 60));
    uint64_t log_id = ri_segment_u64(p + 24);
    char *trailer = p + SEGMENT - RI_SEGMENT_TRAILER;
    if (memcmp(trailer, "rillend\n", 8) != 0) return;
    uint32_t seed = ri_segment_seed(log_id, ri_segment_u64(trailer + 8));
    uint32_t at = ri_segment_u32(trailer + 24), len = ri_segment_u32(trailer + 28);
    if (at <= SEGMENT && len <= SEGMENT - at)
        ri_segment_set32(trailer + 32, ri_crc32c(seed, p + at, len));
    ri_segment_set32(trailer + 60, ri_crc32c(seed, trailer, 60));
}

static int subject_seen(void *arg, const ri_subject_info *info)
{
    (void)info;
    return ++*(unsigned *)arg > 10000;
}

static void read_track(ri_log *log, uint64_t id)
{
    ri_track *track;
    ri_cursor c;
    ri_record r;
    if (ri_log_track(log, id, track_opts(id), &track) < 0) return;
    ri_track_info info;
    ri_track_status(track, &info);
    ri_cursor_init(&c, track);
    uint64_t from = 0, n = 0;
    while (n++ < 2000 && ri_cursor_next(&c, from, NULL, &r) == 1) {
        fuzz_require(r.seq >= from && r.seq <= info.visible_seq, "forward");
        fuzz_require(ri_crc32c(0, r.data.ptr, r.data.len) != 1 || r.data.len, "readable");
        if (r.seq == UINT64_MAX) break;
        from = r.seq + 1;
    }
    for (from = UINT64_MAX, n = 0; n++ < 2000 && ri_cursor_prev(&c, from, NULL, &r) == 1;) {
        fuzz_require(r.seq <= from, "backward");
        if (r.seq == 0) break;
        from = r.seq - 1;
    }
    ri_str subject = RI_STR("a.>");
    ri_filter filter = {&subject, 1};
    (void)ri_cursor_next(&c, 0, &filter, &r);
    (void)ri_track_count(track, 0, &filter);
    (void)ri_track_seq_at(track, 50);
    unsigned seen = 0;
    if (id == 1) (void)ri_track_each_subject(track, RI_STR_NONE, subject_seen, &seen);
    ri_cursor_fini(&c);
}

static void use(fake_os *disk, bool read_only)
{
    ri_log *log;
    ri_log_opts opts = {.host = &host, .os = &disk->os, .dir = "/log", .segment_bytes = SEGMENT,
                        .read_only = read_only};
    int rc = ri_log_open(&log, &opts);
    fuzz_require(rc == 0 || !log, "a log that was not opened is none");
    if (rc < 0) return;
    for (uint64_t id = 1; id <= TRACKS; id++) read_track(log, id);
    ri_scrub scrub = {0};
    for (int i = 0; i < 50 && ri_log_scrub(log, &scrub) == 1; i++) continue;
    for (int i = 0; !read_only && i < 20; i++) {
        if (ri_log_clean(log) < 0) break;
        if (ri_log_commit(log) < 0) break;
    }
    ri_log_close(log);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    if (!nfiles) {
        ri_host_init(&host, NULL);
        build();
    }
    static store_file changed[FILES_MAX];
    memcpy(changed, files, sizeof changed);
    size_t changes = 0, most = 1 + data[0] / 16; /* few, so that the rest is believed */
    for (size_t i = 1; i + 4 <= size && changes < most; i += 4, changes++) {
        size_t at = (size_t)(data[i] | data[i + 1] << 8) % SEGMENT;
        if (data[i + 3] & 1) at = SEGMENT - 1 - at % 1600; /* footers more often */
        changed[(data[i + 3] >> 1) % nfiles].bytes[at] = (char)data[i + 2];
    }
    fake_os disk;
    fake_os_init(&disk);
    fuzz_require(disk.os.mkdir(disk.os.arg, "/log", 0777) == 0, "mkdir");
    for (size_t i = 0; i < nfiles; i++) {
        if (data[0] & 1) repair(changed[i].bytes);
        int fd = disk.os.open(disk.os.arg, changed[i].path, O_RDWR | O_CREAT, 0666);
        fuzz_require(fd >= 0 && disk.os.pwrite(disk.os.arg, fd, changed[i].bytes, SEGMENT, 0) ==
                                    SEGMENT, "write");
        disk.os.close(disk.os.arg, fd);
    }
    use(&disk, data[0] & 2);
    if (!(data[0] & 2)) use(&disk, false); /* what was left of it opens, too */
    fake_os_fini(&disk);
    return 0;
}
