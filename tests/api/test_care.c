/* SPDX-License-Identifier: Apache-2.0 */
/* Care of a store: what is damaged is told and the rest served, copies hold what was committed, and
 * what can be read is saved. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "support/scratch.h"

enum { RECORDS = 4000, DATA = 900 };

static char top[SCRATCH_LEN];

static const char *path(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *out = paths[turn++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", top, name);
    return out;
}

static rill_bus *open_store(const char *name, const rill_opts *opts)
{
    char url[160];
    rill_bus *bus = NULL;
    snprintf(url, sizeof url, "file:%s", path(name));
    OK(rill_open(&bus, url, opts));
    return bus;
}

static void setup(void)
{
    scratch_make(top);
}

static void teardown(void)
{
    scratch_remove(top);
}

/* The bytes of message `seq`: they can be found in a file, and are not those of any other. */
static const char *text_of(uint64_t seq)
{
    static _Thread_local char text[DATA + 1];
    memset(text, 'a' + (int)(seq % 26), DATA);
    snprintf(text, sizeof text, "<<%08d>>", (int)seq);
    text[12] = '.';
    return text;
}

static void stored_one(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    ck_assert_int_eq(err, RILL_OK);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void fill(rill_bus *bus, const char *stream, uint64_t first, uint64_t last)
{
    atomic_int stored = 0;
    for (uint64_t seq = first; seq <= last; seq++)
        OK(rill_append_async(bus, stream, text_of(seq), DATA, NULL, stored_one, &stored));
    EVENTUALLY(atomic_load(&stored) == (int)(last + 1 - first));
}

static uint64_t last_seq(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return info.last_seq;
}

/* How many of 1..last are there; each must be what it was. */
static uint64_t count_whole(rill_bus *bus, const char *stream, uint64_t last)
{
    uint64_t whole = 0;
    for (uint64_t seq = 1; seq <= last; seq++) {
        rill_msg *m;
        int rc = rill_stream_get(bus, stream, RILL_AT(seq), &m);
        if (rc == RILL_ENOENT || rc == RILL_ECORRUPT) continue;
        OK(rc);
        ck_assert_msg(m->data.len == DATA && !memcmp(m->data.ptr, text_of(seq), DATA),
                      "message %d has other bytes", (int)seq);
        rill_msg_unref(m);
        whole++;
    }
    return whole;
}

/* The file that holds the message, and where in it. */
static long find_message(const char *store, uint64_t seq, char *name, size_t cap)
{
    char mark[16];
    long at = -1;
    snprintf(mark, sizeof mark, "<<%08d>>", (int)seq);
    DIR *dir = opendir(path(store));
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; at < 0 && (entry = readdir(dir));) {
        struct stat st;
        snprintf(name, cap, "%s/%s", path(store), entry->d_name);
        if (stat(name, &st) || !S_ISREG(st.st_mode) || st.st_size == 0) continue;
        char *bytes = malloc((size_t)st.st_size), *found;
        FILE *file = fopen(name, "r");
        ck_assert(bytes && file && fread(bytes, 1, (size_t)st.st_size, file) == (size_t)st.st_size);
        if ((found = memmem(bytes, (size_t)st.st_size, mark, strlen(mark)))) at = found - bytes;
        fclose(file);
        free(bytes);
    }
    closedir(dir);
    ck_assert_int_ge(at, 0);
    return at;
}

static void put_bytes(const char *name, long at, const char *bytes, size_t len)
{
    FILE *file = fopen(name, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

/* Flip a byte of the message's payload, wherever it stands. */
static void damage_message(const char *store, uint64_t seq)
{
    char name[400];
    long at = find_message(store, seq, name, sizeof name);
    put_bytes(name, at + 100, "!!", 2);
}

typedef struct care_seen {
    uint64_t calls, damages, of_a, done, total, seqs[16];
    char stream[16], file[300], sentence[300];
    int give_up_after;
} care_seen;

static int see(const rill_care *care, void *arg)
{
    care_seen *seen = arg;
    ck_assert_uint_eq(care->size, sizeof *care);
    seen->calls++;
    seen->done = care->done_bytes;
    seen->total = care->total_bytes;
    if (care->damage) {
        const rill_damage *d = care->damage;
        ck_assert_ptr_nonnull(d->sentence);
        if (seen->damages < 16) seen->seqs[seen->damages] = d->first_seq;
        snprintf(seen->stream, sizeof seen->stream, "%s", d->stream ? d->stream : "");
        snprintf(seen->file, sizeof seen->file, "%s", d->file ? d->file : "");
        snprintf(seen->sentence, sizeof seen->sentence, "%s", d->sentence);
        seen->of_a += d->stream && strcmp(d->stream, "A") == 0;
        seen->damages++;
        ck_assert_uint_eq(care->damages, seen->damages);
    }
    return seen->give_up_after && seen->calls >= (uint64_t)seen->give_up_after;
}

START_TEST(a_check_finds_each_damage)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 30000); /* some files */
    care_seen seen = {0};
    ck_assert_int_eq(rill_store_check(bus, see, &seen), 0);
    ck_assert_uint_eq(seen.damages, 0);
    ck_assert_uint_gt(seen.calls, 5);
    ck_assert_uint_gt(seen.total, 30000 * DATA);
    ck_assert_uint_eq(seen.done, seen.total);
    seen = (care_seen){.give_up_after = 3};
    ck_assert_int_eq(rill_store_check(bus, see, &seen), 0);
    ck_assert_uint_eq(seen.calls, 3);

    damage_message("store", 77);
    damage_message("store", 500);
    damage_message("store", 30000); /* in the file that is being written */
    seen = (care_seen){0};
    ck_assert_int_eq(rill_store_check(bus, see, &seen), 3);
    ck_assert_uint_eq(seen.seqs[2], 30000);
    ck_assert_ptr_nonnull(strstr(seen.sentence, "stream A: "));
    ck_assert_uint_eq(seen.seqs[0], 77);
    ck_assert_uint_eq(seen.seqs[1], 500);
    ck_assert_str_eq(seen.stream, "A");
    ck_assert_ptr_nonnull(strstr(seen.file, "/store/"));
    rill_stats stats = {.size = sizeof stats};
    OK(rill_bus_stats(bus, &stats));
    ck_assert_uint_eq(stats.store_damages, 3);
    ck_assert_uint_ge(stats.store_written_bytes, stats.store_appended_bytes);
    ck_assert_int_eq(rill_store_check(bus, NULL, NULL), 3); /* the same ones */
    OK(rill_bus_stats(bus, &stats));
    ck_assert_uint_eq(stats.store_damages, 3);
    rill_msg *m;
    FAILS(rill_stream_get(bus, "A", RILL_AT(77), &m), RILL_ECORRUPT);
    OK(rill_stream_get(bus, "A", RILL_AT(78), &m));
    rill_msg_unref(m);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* ---- Damage that is there when a store is opened ---- */

typedef struct events {
    atomic_int errors, err;
    char detail[300];
} events;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    events *e = arg;
    (void)bus;
    if (ev->kind != RILL_EV_ERROR) return;
    snprintf(e->detail, sizeof e->detail, "%s", ev->detail);
    atomic_store(&e->err, ev->err);
    atomic_fetch_add(&e->errors, 1);
}

static void on_log(void *arg, rill_level level, const char *line)
{
    if (level == RILL_ERROR && strstr(line, "sequence 7")) atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(damage_at_the_opening_is_told)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 20);
    OK(rill_close(bus, 20000));
    damage_message("store", 7);
    atomic_int lines = 0;
    events seen = {.errors = 0};
    rill_host host = {.size = sizeof host, .log = on_log, .arg = &lines};
    bus = open_store("store",
                     RILL_OPTS(rill_opts, .host = &host, .on_event = on_event, .arg = &seen));
    EVENTUALLY(atomic_load(&seen.errors) == 1);
    ck_assert_int_eq(atomic_load(&seen.err), RILL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(seen.detail, "sequence 7"));
    ck_assert_int_ge(atomic_load(&lines), 1);
    rill_stats stats = {.size = sizeof stats};
    OK(rill_bus_stats(bus, &stats));
    ck_assert_uint_eq(stats.store_damages, 1);
    ck_assert_uint_eq(count_whole(bus, "A", 20), 19);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* In a store that is open: who reads it first has everybody told, once, and a check counts the
 * same. */
START_TEST(damage_that_a_reader_meets_is_told)
{
    setup();
    events seen = {.errors = 0};
    rill_bus *bus = open_store("store", RILL_OPTS(rill_opts, .on_event = on_event, .arg = &seen));
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 30000); /* the first file is full */
    damage_message("store", 77);
    ck_assert_int_eq(atomic_load(&seen.errors), 0);
    rill_msg *m;
    rill_stats stats = {.size = sizeof stats};
    for (int again = 0; again < 2; again++) {
        FAILS(rill_stream_get(bus, "A", RILL_AT(77), &m), RILL_ECORRUPT);
        OK(rill_bus_stats(bus, &stats));
        ck_assert_uint_eq(stats.store_damages, 1);
    }
    EVENTUALLY(atomic_load(&seen.errors) == 1);
    ck_assert_int_eq(atomic_load(&seen.err), RILL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(seen.detail, "stream A: "));
    ck_assert_ptr_nonnull(strstr(seen.detail, ".seg: sequence 77, at "));
    care_seen check = {0};
    ck_assert_int_eq(rill_store_check(bus, see, &check), 1);
    ck_assert_uint_eq(check.seqs[0], 77);
    ck_assert_int_eq(atomic_load(&seen.errors), 1);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* Opening, a check and salvage tell the same number of damages; how many. */
static int told_alike(const char *store, const char *saved)
{
    events seen = {.errors = 0};
    rill_bus *bus = open_store(store, RILL_OPTS(rill_opts, .on_event = on_event, .arg = &seen));
    int found = rill_store_check(bus, NULL, NULL);
    EVENTUALLY(atomic_load(&seen.errors) >= found);
    OK(rill_close(bus, 20000));
    ck_assert_int_ge(found, 1);
    ck_assert_int_eq(rill_store_salvage(path(store), path(saved), NULL, NULL, NULL), found);
    return found;
}

START_TEST(a_lost_header_costs_no_message)
{
    static const char zeros[64] = {0};
    static const char *const saved[] = {"saved0", "saved1"};
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 1000);
    OK(rill_close(bus, 20000));
    char name[400];
    find_message("store", 1, name, sizeof name);
    for (int i = 0; i < 2; i++) {
        put_bytes(name, i ? 0 : 30, i ? zeros : "??", i ? sizeof zeros : 2);
        ck_assert_int_eq(told_alike("store", saved[i]), 1);
        bus = open_store("store", NULL);
        ck_assert_uint_eq(count_whole(bus, "A", 1000), 1000);
        OK(rill_close(bus, 20000));
        bus = open_store(saved[i], NULL);
        ck_assert_uint_eq(count_whole(bus, "A", 1000), 1000);
        ck_assert_int_eq(rill_store_check(bus, NULL, NULL), 0);
        OK(rill_close(bus, 20000));
    }
    teardown();
}
END_TEST

START_TEST(a_missing_file_is_told)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 60000); /* four files */
    OK(rill_close(bus, 20000));
    char name[400];
    find_message("store", 25000, name, sizeof name);
    ck_assert_int_eq(unlink(name), 0);
    find_message("store", 60000, name, sizeof name);
    ck_assert_int_eq(unlink(name), 0);
    told_alike("store", "saved");
    care_seen seen = {0};
    bus = open_store("store", NULL);
    ck_assert_int_ge(rill_store_check(bus, see, &seen), 3);
    ck_assert_uint_ge(seen.of_a, 1);
    rill_msg *m;
    rill_receipt receipt = {.size = sizeof receipt};
    FAILS(rill_stream_get(bus, "A", RILL_AT(25000), &m), RILL_ECORRUPT);
    OK(rill_stream_get(bus, "A", RILL_AT(1), &m));
    rill_msg_unref(m);
    OK(rill_append(bus, "A", "more", 4, NULL, &receipt, 20000));
    ck_assert_uint_gt(receipt.seq, 60000); /* of those, no number is given again */
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

START_TEST(what_was_cut_off_is_not_given_again)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 1000);
    OK(rill_close(bus, 20000));
    char name[400];
    long at = find_message("store", 500, name, sizeof name);
    ck_assert_int_eq(truncate(name, at), 0);
    told_alike("store", "saved");
    bus = open_store("store", NULL);
    ck_assert_uint_ge(count_whole(bus, "A", 1000), 490);
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(bus, "A", "more", 4, NULL, &receipt, 20000));
    ck_assert_uint_gt(receipt.seq, 1000);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

START_TEST(nothing_that_can_be_read_is_not_nothing)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 10);
    OK(rill_close(bus, 20000));
    char name[400], url[160];
    find_message("store", 1, name, sizeof name);
    ck_assert_int_eq(truncate(name, 0), 0);
    snprintf(url, sizeof url, "file:%s", path("store"));
    for (int i = 0; i < 2; i++) { /* its only file is cut to nothing, or gone */
        if (i) unlink(name);
        FAILS(rill_open(&bus, url, NULL), RILL_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(rill_errmsg(), "Put its files back, or a copy; or move"));
    }
    FAILS(rill_store_salvage(path("store"), path("saved"), NULL, NULL, NULL), RILL_ECORRUPT);
    FAILS(rill_store_salvage(path("none"), path("saved"), NULL, NULL, NULL), RILL_ENOENT);
    teardown();
}
END_TEST

/* ---- Copies ---- */

typedef struct writer {
    rill_bus *bus;
    atomic_bool stop;
    atomic_uint_fast64_t stored; /* acknowledged */
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    for (uint64_t seq = 1; !atomic_load(&w->stop); seq++) {
        OK(rill_append(w->bus, "A", text_of(seq), DATA, NULL, NULL, 20000));
        atomic_store(&w->stored, seq);
    }
    return NULL;
}

START_TEST(a_snapshot_holds_what_was_committed)
{
    setup();
    rill_bus *bus = open_store("store", NULL), *copy;
    OK(rill_stream_ensure(bus, "A", NULL));
    OK(rill_stream_ensure(bus, "B", NULL));
    fill(bus, "B", 1, 25000); /* full files, to be linked */
    writer w = {.bus = bus};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "copy%d", i);
        uint64_t before = atomic_load(&w.stored);
        OK(rill_store_snapshot(bus, path(name)));
        uint64_t after = atomic_load(&w.stored) + 1; /* one more may be under way */
        copy = open_store(name, NULL);
        uint64_t last = last_seq(copy, "A");
        ck_assert_msg(before <= last && last <= after, "%d, not %d to %d", (int)last, (int)before,
                      (int)after);
        ck_assert_uint_eq(count_whole(copy, "A", last), last);
        ck_assert_uint_eq(last_seq(copy, "B"), 25000);
        ck_assert_int_eq(rill_store_check(copy, NULL, NULL), 0);
        OK(rill_append(copy, "A", "more", 4, NULL, NULL, 20000)); /* it is a store of its own */
        OK(rill_close(copy, 20000));
        EVENTUALLY(atomic_load(&w.stored) > after);
    }
    FAILS(rill_store_snapshot(bus, path("copy0")), RILL_EEXIST);
    FAILS(rill_store_snapshot(bus, path("no/such/place")), RILL_EIO);
    FAILS(rill_store_snapshot(bus, ""), RILL_EINVAL);
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    OK(rill_stream_purge(bus, "B", NULL, NULL)); /* what is shared stays with the copies */
    fill(bus, "B", 25001, 45000);
    OK(rill_close(bus, 20000));
    copy = open_store("copy0", NULL);
    ck_assert_uint_eq(count_whole(copy, "B", 25000), 25000);
    OK(rill_close(copy, 20000));
    teardown();
}
END_TEST

START_TEST(a_broker_is_copied_through_a_bus)
{
    setup();
    rill_broker *broker;
    rill_bus *bus;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .dir = path("store"))));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, 10);
    rill_sub *sub;
    const rill_msg *m;
    const rill_sub_opts *one = RILL_OPTS(rill_sub_opts, .group = "g", .max_unacked = 1,
                                         .ack_wait_ms = 500);
    OK(rill_consume(bus, &sub, "A", one));
    OK(rill_next(sub, &m, 20000));
    uint32_t before = m->deliveries;
    OK(rill_store_snapshot(bus, path("copy"))); /* what has only just been delivered, too */
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    ck_assert_uint_gt(stats.store_appended_bytes, 10 * DATA);
    ck_assert_uint_gt(stats.store_bytes, 10 * DATA);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
    bus = open_store("copy", NULL);
    ck_assert_uint_eq(count_whole(bus, "A", 10), 10);
    OK(rill_consume(bus, &sub, "A", one));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_gt(m->deliveries, before);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    bus = api_open("mem:");
    FAILS(rill_store_snapshot(bus, path("other")), RILL_ENOTSUP);
    FAILS(rill_store_check(bus, NULL, NULL), RILL_ENOTSUP);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* ---- Salvage ---- */

START_TEST(what_can_be_read_is_saved)
{
    setup();
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    OK(rill_stream_ensure(bus, "B", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    fill(bus, "A", 1, RECORDS);
    fill(bus, "B", RECORDS + 1, RECORDS + 10);
    OK(rill_stream_erase(bus, "A", RILL_AT(3)));
    OK(rill_close(bus, 20000));
    for (uint64_t seq = 10; seq <= RECORDS; seq += 500) damage_message("store", seq);
    care_seen seen = {0};
    ck_assert_int_eq(rill_store_salvage(path("store"), path("saved"), NULL, see, &seen), 8);
    ck_assert_uint_eq(seen.damages, 8);
    ck_assert_uint_eq(seen.seqs[1], 510);
    bus = open_store("saved", NULL);
    rill_msg *m;
    ck_assert_uint_eq(count_whole(bus, "A", RECORDS), RECORDS - 9);
    FAILS(rill_stream_get(bus, "A", RILL_AT(3), &m), RILL_ENOENT);
    FAILS(rill_stream_get(bus, "A", RILL_AT(510), &m), RILL_ENOENT);
    ck_assert_uint_eq(last_seq(bus, "B"), 10);
    ck_assert_int_eq(rill_store_check(bus, NULL, NULL), 0);
    OK(rill_close(bus, 20000));
    bus = open_store("store", NULL); /* was only read */
    ck_assert_uint_eq(count_whole(bus, "A", RECORDS), RECORDS - 9);
    OK(rill_close(bus, 20000));

    FAILS(rill_store_salvage(path("store"), path("saved"), NULL, NULL, NULL), RILL_EEXIST);
    FAILS(rill_store_salvage(path("nothing"), path("other"), NULL, NULL, NULL), RILL_ENOENT);
    FAILS(rill_store_salvage(path("store"), "", NULL, NULL, NULL), RILL_EINVAL);
    seen = (care_seen){.give_up_after = 1};
    FAILS(rill_store_salvage(path("store"), path("part"), NULL, see, &seen), RILL_ECLOSED);
    teardown();
}
END_TEST

/* What `seconds` and size of each file say, summed: who has changed a byte has changed it. */
static uint64_t state_of(const char *name)
{
    uint64_t sum = 0;
    DIR *dir = opendir(path(name));
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path(name), e->d_name);
        ck_assert_int_eq(stat(file, &st), 0);
        sum += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_size * 7 +
               (uint64_t)st.st_mtim.tv_sec * 1000000007u + (uint64_t)st.st_mtim.tv_nsec;
    }
    closedir(dir);
    return sum;
}

START_TEST(a_store_is_looked_at_without_opening_it)
{
    setup();
    FAILS(rill_store_salvage(path("store"), NULL, NULL, NULL, NULL), RILL_ENOENT);
    ck_assert_int_ne(access(path("store"), F_OK), 0);
    rill_bus *bus = open_store("store", NULL);
    OK(rill_stream_ensure(bus, "A", NULL));
    fill(bus, "A", 1, RECORDS);
    FAILS(rill_store_salvage(path("store"), NULL, NULL, NULL, NULL), RILL_EBUSY);
    FAILS(rill_store_salvage(path("store"), path("saved"), NULL, NULL, NULL), RILL_EBUSY);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(rill_store_salvage(path("store"), NULL, NULL, NULL, NULL), 0);
    for (uint64_t seq = 10; seq <= RECORDS; seq += 500) damage_message("store", seq);
    uint64_t before = state_of("store");
    care_seen seen = {0};
    ck_assert_int_eq(rill_store_salvage(path("store"), NULL, NULL, see, &seen), 8);
    ck_assert_uint_eq(seen.damages, 8);
    ck_assert_uint_eq(seen.seqs[1], 510);
    ck_assert_uint_eq(state_of("store"), before);
    bus = open_store("store", NULL); /* its lock is given back */
    ck_assert_int_eq(rill_store_check(bus, NULL, NULL), 8);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

SUITE_MAIN("care", a_store_is_looked_at_without_opening_it, a_check_finds_each_damage,
           damage_at_the_opening_is_told, damage_that_a_reader_meets_is_told,
           a_lost_header_costs_no_message, a_missing_file_is_told,
           what_was_cut_off_is_not_given_again, nothing_that_can_be_read_is_not_nothing,
           a_snapshot_holds_what_was_committed, a_broker_is_copied_through_a_bus,
           what_can_be_read_is_saved)
