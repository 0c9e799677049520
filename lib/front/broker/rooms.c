/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/rooms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/os.h"
#include "front/broker/durable_private.h"

enum {
    ROOMS_NAME_MAX = 255, /* of a directory */
    ROOMS_PATH = 4096,
};

#define ROOMS_ROOM(item) ri_container_of(item, ri_durable, room_link)

void ri_rooms_init(ri_rooms *rooms, const ri_host *host)
{
    RI_ASSERT(host);
    ri_list_init(&rooms->all);
    ri_list_init(&rooms->stirred);
    ri_heap_init(&rooms->timers, host);
}

void ri_rooms_fini(ri_rooms *rooms)
{
    if (!rooms->all.next) return; /* it was not begun */
    RI_ASSERT(ri_list_empty(&rooms->all) && ri_list_empty(&rooms->stirred));
    ri_heap_fini(&rooms->timers);
}

/* ---- Where they are ---- */

static bool rooms_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

/* DIR/accounts/NAME; its length without its 0, or 0: the name is too long for a directory. */
static size_t rooms_path(ri_buffer *path, const char *dir, const char *name)
{
    ri_buffer_reset(path);
    ri_buffer_printf(path, "%s/accounts/", dir);
    size_t before = path->len;
    for (const char *c = name; *c; c++)
        if (rooms_is_plain(*c)) ri_buffer_put(path, c, 1);
        else ri_buffer_printf(path, "%%%02X", (unsigned char)*c);
    size_t len = path->len - before;
    ri_buffer_put(path, "", 1);
    return len <= ROOMS_NAME_MAX ? path->len - 1 : 0;
}

static int rooms_all_path(char path[static ROOMS_PATH], const char *dir)
{
    int n = snprintf(path, ROOMS_PATH, "%s/accounts", dir);
    return n > 0 && n < ROOMS_PATH ? RILL_OK : ri_err(RILL_EINVAL, "%s: too long a path", dir);
}

static int rooms_mkdir(const char *dir)
{
    const ri_os *os = ri_os_posix();
    char path[ROOMS_PATH];
    int rc = rooms_all_path(path, dir);
    if (rc < 0) return rc;
    rc = os->mkdir(os->arg, path, 0700);
    return rc == 0 || rc == -EROFS ? RILL_OK : ri_err_os(RILL_EIO, -rc, "mkdir %s", path);
}

static int rooms_sync_dir(const char *path)
{
    const ri_os *os = ri_os_posix();
    int rc = os->fsync_dir(os->arg, path);
    return rc >= 0 || rc == -EROFS ? RILL_OK : ri_err_os(RILL_EIO, -rc, "sync %s", path);
}

/* A log makes durable what is in its directory. The directory's own name is not, until this is
 * over: a power cut would take all of an account. Outside the gate. */
static int rooms_sync(const char *dir)
{
    char path[ROOMS_PATH];
    int rc = rooms_all_path(path, dir);
    if (rc == RILL_OK) rc = rooms_sync_dir(path);
    return rc < 0 ? rc : rooms_sync_dir(dir);
}

static int rooms_dir(ri_buffer *path, const char *dir, const char *name)
{
    size_t len = rooms_path(path, dir, name);
    if (path->failed) return RILL_ENOMEM;
    if (len == 0)
        return ri_err(RILL_EINVAL, "account \"%.100s\": its name is too long for a directory",
                      name);
    return rooms_mkdir(dir);
}

/* ---- Opening ---- */

/* The bound of an account's log. Who may store nothing gets one byte: 0 bounds no log. */
static uint64_t rooms_bound(int64_t most)
{
    return most > 0 ? (uint64_t)most : 1;
}

/* What the account's streams may take, of what those of the broker may. */
static ri_durable_opts rooms_opts(const ri_durable *house, const ri_account *account)
{
    ri_durable_opts opts = house->opts;
    if (account->streams.max_storage >= 0)
        opts.max_file_bytes = rooms_bound(account->streams.max_storage);
    if (account->streams.max_memory > 0) /* at 0 ri_js makes no stream in memory */
        opts.max_memory_bytes = (uint64_t)account->streams.max_memory;
    return opts;
}

static int rooms_open_one(ri_durable *house, ri_account *account)
{
    ri_durable_opts opts = rooms_opts(house, account);
    ri_durable *room;
    ri_buffer path;
    ri_buffer_init(&path, &house->broker->host);
    int rc = house->dir ? rooms_dir(&path, house->dir, account->name) : RILL_OK;
    opts.dir = house->dir ? path.ptr : NULL;
    opts.domain = house->domain;
    if (rc == RILL_OK)
        rc = ri_durable_open_account(&room, house->broker, account, house, &opts);
    ri_buffer_fini(&path);
    if (rc < 0) return ri_err_wrap(rc, "account \"%.100s\"", account->name);
    ri_broker_enter(house->broker);
    ri_list_push(&house->rooms.all, &room->room_link);
    account->stirs = &house->rooms.stirred;
    account->keeper = room;
    ri_account_stir(account); /* what is due is seen by its first step */
    ri_broker_leave(house->broker);
    return RILL_OK;
}

/* The i-th account of the broker, with a reference; NULL: there are not so many. */
static ri_account *rooms_account(ri_broker *b, size_t i)
{
    ri_broker_enter(b);
    bool is_there = i < ri_accounts_count(b->conf.accounts);
    ri_account *account = is_there ? ri_account_ref(ri_accounts_at(b->conf.accounts, i)) : NULL;
    ri_broker_leave(b);
    return account;
}

/* Where what is stored of one account cannot be opened, that account has no streams until the next
 * start, and all others have theirs. An error with its name is logged, its clients are answered
 * that JetStream is not enabled, and the store counts as failing. A wrong configuration, or a want
 * of memory or of room, is no fault of the account and ends the start. */
static int rooms_open_first(ri_durable *house, ri_account *account)
{
    int rc = rooms_open_one(house, account);
    if (rc != RILL_ECORRUPT && rc != RILL_EIO) return rc;
    ri_host_log(&house->broker->host, RILL_ERROR, "streams: %s; it has none until the next start",
                ri_err_text());
    ri_broker_enter(house->broker);
    account->locked_out = true;
    house->rooms_failing++;
    house->service->ops->accounts(house->service);
    ri_broker_leave(house->broker);
    return RILL_OK;
}

int ri_rooms_open(ri_durable *house)
{
    RI_ASSERT(!house->house && house->service);
    ri_broker *b = house->broker;
    int rc = RILL_OK;
    ri_account *account;
    for (size_t i = 0; rc == RILL_OK && (account = rooms_account(b, i)) != NULL; i++) {
        if (account->jetstream) rc = rooms_open_first(house, account);
        ri_broker_enter(b);
        ri_account_unref(account);
        ri_broker_leave(b);
    }
    bool on_disk = house->dir && !ri_list_empty(&house->rooms.all);
    return rc == RILL_OK && on_disk ? rooms_sync(house->dir) : rc;
}

/* Clients of an account are heard as soon as its room is open, so that its directory has to be
 * durable before. */
static int rooms_make(ri_durable *house, const ri_account *account)
{
    const ri_os *os = ri_os_posix();
    ri_buffer path;
    ri_buffer_init(&path, &house->broker->host);
    int rc = rooms_dir(&path, house->dir, account->name);
    int made = rc == RILL_OK ? os->mkdir(os->arg, path.ptr, 0700) : 0;
    if (made < 0 && made != -EROFS)
        rc = ri_err_os(RILL_EIO, -made, "mkdir %s", path.ptr);
    ri_buffer_fini(&path);
    if (rc == RILL_OK) rc = rooms_sync(house->dir);
    return rc == RILL_OK ? rc : ri_err_wrap(rc, "account \"%.100s\"", account->name);
}

/* One that cannot be opened has no streams until the next reload, as its clients hear. */
static bool rooms_open_late(ri_durable *house, ri_account *account)
{
    int rc = house->dir ? rooms_make(house, account) : RILL_OK;
    if (rc == RILL_OK) rc = rooms_open_one(house, account);
    if (rc == RILL_OK) return true;
    ri_host_log(&house->broker->host, RILL_ERROR, "streams: %s", ri_err_text());
    return false;
}

/* Has one that may have streams no room yet? */
static bool rooms_lack(const ri_broker *b)
{
    const ri_accounts *accounts = b->conf.accounts;
    for (size_t i = 0; i < ri_accounts_count(accounts); i++) {
        const ri_account *account = ri_accounts_at(accounts, i);
        if (account->jetstream && !account->keeper && !account->locked_out) return true;
    }
    return false;
}

static void rooms_open_more(ri_durable *house)
{
    RI_ASSERT(!house->house);
    ri_broker *b = house->broker;
    ri_account *account;
    for (size_t i = 0; (account = rooms_account(b, i)) != NULL; i++) {
        bool has = !account->jetstream || account->keeper || account->locked_out;
        bool good = has || rooms_open_late(house, account);
        ri_broker_enter(b);
        if (!good) {
            account->jetstream = false;
            house->service->ops->accounts(house->service);
        }
        ri_account_unref(account);
        ri_broker_leave(b);
    }
}

/* Who closes the broker, or opens rooms as well, waits meanwhile. */
void ri_rooms_open_more(ri_broker *b)
{
    ri_broker_enter(b);
    while (b->durable_opening || b->rooms_opening) {
        uint32_t seen = ri_park_count(&b->drained);
        ri_broker_leave(b);
        ri_park_wait(&b->drained, seen, -1);
        ri_broker_enter(b);
    }
    ri_durable *house = b->closed ? NULL : b->durable;
    b->rooms_opening = house && ri_durable_service(house) && rooms_lack(b);
    bool opens = b->rooms_opening;
    ri_broker_leave(b);
    if (!opens) return;
    rooms_open_more(house);
    ri_broker_enter(b);
    b->rooms_opening = false;
    ri_park_signal(&b->drained);
    ri_broker_leave(b);
}

void ri_rooms_readmit(const ri_durable *house, ri_accounts *accounts)
{
    ri_list_each (link, &house->rooms.all) {
        ri_account *account = ROOMS_ROOM(link)->account;
        if (ri_accounts_find(house->broker->conf.accounts, account->name) != account)
            ri_accounts_readmit(accounts, account);
    }
}

void ri_rooms_limit(ri_durable *house)
{
    ri_list_each (link, &house->rooms.all) {
        ri_durable *room = ROOMS_ROOM(link);
        ri_durable_opts opts = rooms_opts(house, room->account);
        room->opts.max_file_bytes = opts.max_file_bytes;
        room->opts.max_memory_bytes = opts.max_memory_bytes;
        bool none = room->account->streams.max_memory == 0;
        ri_log_set_budget(room->memory_log, none ? 1 : opts.max_memory_bytes);
        if (room->file_log) ri_log_set_budget(room->file_log, opts.max_file_bytes);
        ri_js_limit(room->js, &room->account->streams, opts.max_file_bytes, opts.max_memory_bytes);
        ri_account_stir(room->account);
    }
}

/* ---- Turns ---- */

/* What is due is as if something had come. */
static void rooms_stir_due(ri_durable *house)
{
    ri_timer *timer;
    if (ri_heap_next(&house->rooms.timers) == INT64_MAX) return;
    int64_t now_ns = ri_mono_ns(&house->broker->host);
    while ((timer = ri_heap_due(&house->rooms.timers, now_ns)) != NULL)
        ri_account_stir(ri_container_of(timer, ri_durable, timer)->account);
}

static void rooms_step(ri_durable *room)
{
    bool stopped = ri_account_is_stopped(room->account);
    if (!stopped) ri_durable_step(room);
    if (ri_durable_is_dirty(room)) {
        ri_durable_commit(room);
        if (!stopped) ri_durable_step(room);
    }
    if (room->closing) return; /* it is in no row any more, and gets no timer */
    if (stopped) {
        ri_heap_cancel(&room->house->rooms.timers, &room->timer);
        return;
    }
    if (ri_durable_waits_alone(room)) ri_account_stir(room->account);
    int64_t due_ns = ri_durable_next_due_ns(room);
    if (due_ns == INT64_MAX) ri_heap_cancel(&room->house->rooms.timers, &room->timer);
    else if (ri_heap_set(&room->house->rooms.timers, &room->timer, due_ns) < 0)
        ri_account_stir(room->account); /* without a timer it is looked at in each turn */
}

void ri_rooms_turn(ri_durable *house)
{
    ri_list *link;
    if (ri_likely(ri_list_empty(&house->rooms.all)) || house->closing) return;
    rooms_stir_due(house);
    for (int i = 0; i < RI_ROOMS_A_TURN && !house->closing &&
                    (link = ri_list_pop(&house->rooms.stirred)) != NULL; i++)
        rooms_step(ri_container_of(link, ri_account, stir_link)->keeper);
}

/* ---- The rest ---- */

int ri_rooms_copy(ri_durable *house, const char *dir)
{
    int rc = RILL_OK;
    ri_buffer path;
    if (house->closing) return ri_err(RILL_ECLOSED, "the store was closed"); /* rooms may be gone */
    ri_buffer_init(&path, &house->broker->host);
    house->copying++;
    ri_list_each (link, &house->rooms.all) {
        ri_durable *room = ROOMS_ROOM(link);
        rc = rooms_dir(&path, dir, room->account->name);
        if (rc == RILL_OK) rc = ri_durable_copy_alone(room, path.ptr);
        if (rc == RILL_OK && house->closing) rc = ri_err(RILL_ECLOSED, "the store was closed");
        if (rc < 0) break;
    }
    ri_broker_leave(house->broker);
    if (rc == RILL_OK) rc = rooms_sync(dir);
    ri_broker_enter(house->broker);
    house->copying--;
    if (house->closing) ri_park_signal(&house->park);
    ri_buffer_fini(&path);
    return rc;
}

struct ri_durable *ri_rooms_after(ri_durable *house, const ri_durable *room)
{
    RI_ASSERT(house && !house->house);
    RI_ASSERT(!room || room == house || room->house == house);
    if (!room) return house;
    ri_list *next = room == house ? house->rooms.all.next : room->room_link.next;
    return next == &house->rooms.all ? NULL : ROOMS_ROOM(next);
}

const char *ri_rooms_account(const ri_durable *room)
{
    return room->house ? room->account->name : RI_ACCOUNT_GLOBAL;
}

void ri_rooms_stats(const ri_rooms *rooms, rill_stats *add)
{
    ri_list_each (link, &rooms->all) ri_durable_stats_alone(ROOMS_ROOM(link), add, NULL);
}

void ri_rooms_shutdown(const ri_rooms *rooms)
{
    ri_list_each (link, &rooms->all) ri_js_shutdown(ROOMS_ROOM(link)->js);
}

void ri_rooms_close(ri_durable *house)
{
    for (ri_list *link; (link = ri_list_pop(&house->rooms.all)) != NULL;) {
        ri_durable *room = ROOMS_ROOM(link);
        room->account->stirs = NULL;
        room->account->keeper = NULL;
        ri_list_remove(&room->account->stir_link);
        ri_heap_cancel(&house->rooms.timers, &room->timer);
        ri_broker_leave(house->broker);
        ri_durable_close(room);
        ri_broker_enter(house->broker);
    }
}
