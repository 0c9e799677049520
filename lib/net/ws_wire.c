/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ws_wire.h"

#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "codec/web/ws_frame.h"
#include "codec/web/ws_http.h"
#include "codec/web/ws_zip.h"
#include "net/ws_shown.h"

enum {
    WS_WIRE_READS = 4,            /* of frames without payload, in one call */
    WS_WIRE_PIECES = 128,         /* of an owner, in one write below */
    WS_WIRE_MASKED = 16 * 1024,   /* bytes that are masked and written at once */
    WS_WIRE_ZIPPED = 64 * 1024,   /* bytes that are deflated and written at once */
    WS_WIRE_FRONT = RI_WS_HEAD_MAX + RI_WS_CONTROL_MAX,
};

typedef enum ws_wire_state { WS_HEAD, WS_OPEN, WS_BROKEN } ws_wire_state;

struct ri_ws_wire {
    ri_wire wire;
    ri_wire *below;
    const ri_host *host;
    ri_ws_conf *conf;        /* a server's; a reference */
    ws_wire_state state;
    bool begun;              /* `below` is on the loop */
    bool secure;
    uint8_t watched;         /* by the owner */
    bool ended;              /* a CLOSE has come */
    bool cut;                /* the wire below has ended */
    bool shut;               /* this side sends no more ... */
    bool said;               /* ... and has said so, in a CLOSE that is in `front` or gone ... */
    bool below_shut;         /* ... and the wire below knows it */
    bool mute;               /* nothing can be written below; `why` says why */
    bool ponders;            /* a PONG is to be sent: `pong` */
    uint8_t pong_len;
    uint16_t code;           /* of the CLOSE that is to be sent */
    int failed;              /* BROKEN: why, a rill code */
    int64_t timeout_ns, open_ns;
    ri_ws_reader reader;
    char *text;              /* of the handshake, or a deflated message, to be sent: [text_at,
                                text_len); NULL: nothing */
    uint32_t text_at, text_len, text_cap;
    char *in;                /* read from below and not used: [in_at, in_len); NULL: nothing */
    uint32_t in_at, in_len, in_cap;
    uint32_t sought;         /* bytes of a head that hold no end of it */
    uint8_t front_at, front_len; /* bytes that come next, before any payload */
    char front[WS_WIRE_FRONT];
    uint64_t out_len, out_at; /* the payload of the frame that is being written, and how far */
    uint8_t key[4];          /* its mask */
    char pong[RI_WS_CONTROL_MAX];
    char reason[RI_WS_CONTROL_MAX]; /* with a 0 */
    char asked[RI_WS_HTTP_KEY + 1]; /* a client's key */
    ri_ws_zip *zip, *unzip;  /* what goes, and comes, deflated; NULL: nothing has yet */
    bool deflates;           /* both sides may; of a client in its HEAD: it has offered that */
    uint32_t deflate_most;   /* bytes of the owner in one message that goes */
    bool too_big;            /* a message became more than it may */
    bool unzips;             /* there may be more of a message, though nothing has come */
    bool zipped_last;        /* what is left of a message is `zipped`, ... */
    ri_str zipped;           /* ... which stands in `in`, and was unmasked */
    uint64_t message_len, message_max; /* of the message under way */
    ri_ws_shown *shown;      /* what cookies have said; NULL: nothing */
    ri_loop_soon soon;       /* the owner can use what is inside */
    ri_loop_timer timer;     /* until it is OPEN */
    ri_failure *why;         /* BROKEN, or mute; NULL: there was no memory for it */
};

static ri_ws_wire *ws_wire_of(ri_wire *wire)
{
    return ri_container_of(wire, ri_ws_wire, wire);
}

static bool ws_wire_is_server(const ri_ws_wire *w)
{
    return w->conf != NULL;
}

/* ---- What is kept inside ---- */

static void ws_wire_drop_in(ri_ws_wire *w)
{
    if (w->in) ri_memory_refund(w->wire.loop->memory, RI_MEMORY_INPUT, w->in_cap);
    if (w->in) ri_free(w->host, w->in, w->in_cap);
    w->in = NULL;
    w->in_at = w->in_len = w->in_cap = 0;
}

/* Room for `size` bytes, of which none is used. */
static int ws_wire_room_in(ri_ws_wire *w, size_t size)
{
    RI_ASSERT(!w->in && size > 0);
    ri_memory *memory = w->wire.loop->memory;
    if (!ri_memory_take(memory, RI_MEMORY_INPUT, size))
        return ri_err(RILL_ENOMEM, "the memory budget has no room for WebSocket's input");
    if (!(w->in = ri_alloc(w->host, size))) {
        ri_memory_refund(memory, RI_MEMORY_INPUT, size);
        return RILL_ENOMEM;
    }
    w->in_cap = (uint32_t)size;
    return RILL_OK;
}

static void ws_wire_drop_text(ri_ws_wire *w)
{
    ri_free(w->host, w->text, w->text_cap);
    w->text = NULL;
    w->text_at = w->text_len = w->text_cap = 0;
}

/* Zlib's memory for one way. */
static ri_ws_zip *ws_wire_open_zip(ri_ws_wire *w, bool deflates)
{
    uint64_t bytes = deflates ? RI_WS_ZIP_OUT_BYTES : RI_WS_ZIP_IN_BYTES;
    ri_memory *memory = w->wire.loop->memory;
    if (!ri_memory_take(memory, RI_MEMORY_INTEREST, bytes)) {
        ri_err(RILL_ENOMEM, "the memory budget has no room for messages that are compressed");
        return NULL;
    }
    ri_ws_zip *zip = ri_ws_zip_open(w->host, deflates);
    if (!zip) ri_memory_refund(memory, RI_MEMORY_INTEREST, bytes);
    return zip;
}

static void ws_wire_close_zips(ri_ws_wire *w)
{
    ri_memory *memory = w->begun ? w->wire.loop->memory : NULL;
    if (w->zip) ri_memory_refund(memory, RI_MEMORY_INTEREST, RI_WS_ZIP_OUT_BYTES);
    if (w->unzip) ri_memory_refund(memory, RI_MEMORY_INTEREST, RI_WS_ZIP_IN_BYTES);
    ri_ws_zip_close(w->zip);
    ri_ws_zip_close(w->unzip);
}

/* The buffer's bytes are to be sent. */
static int ws_wire_set_text(ri_ws_wire *w, const ri_buffer *b)
{
    ri_str text = ri_buffer_str(b);
    RI_ASSERT(!w->text);
    if (b->failed || !(w->text = ri_alloc(w->host, text.len))) return RILL_ENOMEM;
    memcpy(w->text, text.ptr, text.len);
    w->text_len = w->text_cap = (uint32_t)text.len;
    return RILL_OK;
}

/* ---- The wire below ---- */

static int ws_wire_errno(int code)
{
    switch (code) {
    case RILL_EAUTH: return EACCES;
    case RILL_EPROTO: return EPROTO;
    case RILL_ENOMEM: return ENOMEM;
    case RILL_ETIMEDOUT: return ETIMEDOUT;
    default: return EIO;
    }
}

/* Has anything to be sent that is not the owner's? */
static bool ws_wire_has_words(const ri_ws_wire *w)
{
    if (w->mute || w->below_shut) return false;
    if (w->text || w->front_at < w->front_len) return true;
    return w->out_at == w->out_len && (w->ponders || (w->shut && !w->said));
}

static void ws_wire_mask_key(ri_ws_wire *w)
{
    w->host->entropy(w->host->arg, w->key, sizeof w->key);
}

/* The next control frame stands in front. */
static void ws_wire_next_word(ri_ws_wire *w)
{
    RI_ASSERT(w->front_at == w->front_len && w->out_at == w->out_len);
    char payload[RI_WS_CONTROL_MAX];
    ri_str text = {w->pong, w->pong_len};
    uint8_t opcode = w->ponders ? RI_WS_PONG : RI_WS_CLOSE;
    if (!w->ponders) {
        size_t len = w->code == RI_WS_NO_STATUS
                         ? 0 : ri_ws_frame_reason(payload, w->code, w->reason);
        text = (ri_str){payload, len};
        w->said = true;
    }
    w->ponders = false;
    if (!ws_wire_is_server(w)) ws_wire_mask_key(w);
    w->front_at = 0;
    w->front_len = (uint8_t)ri_ws_frame_control(w->front, opcode, text,
                                                ws_wire_is_server(w) ? NULL : w->key);
}

/* How many of the bytes went, or a rill code. */
static int ws_wire_put(ri_ws_wire *w, const char *bytes, size_t len)
{
    struct iovec iov = {(char *)(uintptr_t)bytes, len};
    ssize_t n = w->below->ops->writev(w->below, &iov, 1);
    if (n == -EAGAIN) return 0;
    return n < 0 ? RILL_EIO : (int)n; /* the wire below has made a sentence */
}

static void ws_wire_end_below(ri_ws_wire *w)
{
    if (!w->shut || w->below_shut || ws_wire_has_words(w)) return;
    w->below_shut = true;
    w->below->ops->shut(w->below);
}

/* What is not the owner's goes: 1: all of it is gone, 0: not now, or a rill code. */
static int ws_wire_flush(ri_ws_wire *w)
{
    while (ws_wire_has_words(w)) {
        bool text = w->text != NULL;
        if (!text && w->front_at == w->front_len) ws_wire_next_word(w);
        const char *from = text ? w->text + w->text_at : w->front + w->front_at;
        size_t len = text ? w->text_len - w->text_at : (size_t)(w->front_len - w->front_at);
        int n = ws_wire_put(w, from, len);
        if (n < 0) return n;
        if (text) w->text_at += (uint32_t)n;
        else w->front_at += (uint8_t)n;
        if (text && w->text_at == w->text_len) ws_wire_drop_text(w);
        if ((size_t)n < len) return 0;
    }
    return 1;
}

/* ---- Readiness ---- */

static int ws_wire_update(ri_ws_wire *w);

static void ws_wire_break(ri_ws_wire *w, int code)
{
    RI_ASSERT(code < 0 && w->begun);
    if (w->state == WS_BROKEN) return;
    w->state = WS_BROKEN;
    w->failed = code;
    if (!w->why) w->why = ri_calloc(w->host, sizeof *w->why);
    if (w->why && !w->why->code) ri_failure_keep(w->why, code);
    ri_loop_timer_cancel(w->wire.loop, &w->timer);
    ws_wire_drop_in(w);
    ws_wire_update(w); /* which makes the owner hear of it */
}

/* An open wire can write nothing any more, for the thread's sentence: whoever has said all and gone
 * is still heard. */
static void ws_wire_mute(ri_ws_wire *w, int code)
{
    if (w->mute || w->state == WS_BROKEN) return;
    w->mute = true;
    w->why = ri_calloc(w->host, sizeof *w->why);
    if (w->why) ri_failure_keep(w->why, code);
}

/* The thread's sentence is that of the break. */
static ssize_t ws_wire_fail(const ri_ws_wire *w)
{
    RI_ASSERT(w->state == WS_BROKEN);
    if (w->why) ri_failure_restore(w->why);
    else ri_err(RILL_ENOMEM, "no memory for WebSocket");
    return -ws_wire_errno(w->failed);
}

/* The other side has broken the protocol: a CLOSE has the thread's sentence. */
static void ws_wire_break_off(ri_ws_wire *w, int code)
{
    ri_failure why = {0};
    ri_failure_keep(&why, code);
    if (w->state == WS_OPEN && !w->said) {
        w->reason[0] = 0;
        ri_ws_wire_reason(w, w->too_big            ? RI_WS_TOO_BIG
                             : code == RILL_EPROTO ? RI_WS_PROTOCOL : RI_WS_INTERNAL, why.text);
        w->shut = true;
        w->ponders = false;
        ws_wire_flush(w);
    }
    ws_wire_break(w, ri_failure_restore(&why));
}

/* What the owner can do now without the wire below. */
static unsigned ws_wire_inside(const ri_ws_wire *w)
{
    if (w->state == WS_BROKEN) return RI_WIRE_READ | RI_WIRE_WRITE;
    if (w->state == WS_HEAD) return 0;
    return w->ended || w->cut || w->in ? RI_WIRE_READ : 0;
}

static unsigned ws_wire_want_below(const ri_ws_wire *w)
{
    unsigned want = ws_wire_has_words(w) ? RI_WIRE_WRITE : 0;
    switch (w->state) {
    case WS_HEAD: return want | RI_WIRE_READ;
    case WS_OPEN:
        if (w->watched & RI_WIRE_READ && !ws_wire_inside(w)) want |= RI_WIRE_READ;
        return want | (w->watched & RI_WIRE_WRITE);
    case WS_BROKEN: return 0;
    }
    return 0;
}

static int ws_wire_update(ri_ws_wire *w)
{
    if (!w->begun) return RILL_OK;
    if (ws_wire_inside(w) & w->watched) ri_loop_soon_put(w->wire.loop, &w->soon);
    return w->below->ops->watch(w->below, ws_wire_want_below(w));
}

/* What is watched changes from within the loop; if that fails the wire is broken. */
static void ws_wire_go_on(ri_ws_wire *w)
{
    int rc = ws_wire_update(w);
    if (rc < 0) ws_wire_break(w, rc);
}

static void ws_wire_call_owner(ri_ws_wire *w, unsigned ready)
{
    ready &= w->watched;
    if (ready) w->wire.on_ready(&w->wire, ready);
    ws_wire_go_on(w);
}

static void ws_wire_on_soon(ri_loop_soon *soon)
{
    ri_ws_wire *w = ri_container_of(soon, ri_ws_wire, soon);
    ws_wire_call_owner(w, ws_wire_inside(w));
}

/* ---- The handshake ---- */

static void ws_wire_open(ri_ws_wire *w)
{
    RI_ASSERT(w->state == WS_HEAD);
    w->state = WS_OPEN;
    w->open_ns = ri_loop_now(w->wire.loop);
    ri_loop_timer_cancel(w->wire.loop, &w->timer);
}

/* A server's last words to who is refused; the thread's sentence stays. */
static int ws_wire_refuse(ri_ws_wire *w, int code, int status)
{
    ri_failure why = {0};
    ri_buffer text;
    ri_failure_keep(&why, code);
    ri_buffer_init(&text, w->host);
    ri_ws_http_write_refusal(&text, status);
    if (ws_wire_set_text(w, &text) == RILL_OK) ws_wire_flush(w);
    ri_buffer_fini(&text);
    return ri_failure_restore(&why);
}

ri_str ri_ws_wire_cookie(const ri_ws_wire *w, ri_ws_cookie which)
{
    RI_ASSERT(which < RI_WS_COOKIES);
    return w->shown ? w->shown->cookies[which] : RI_STR_NONE;
}

void ri_ws_wire_forget_cookies(ri_ws_wire *w)
{
    ri_ws_shown_free(w->shown, w->host, w->shown ? w->wire.loop->memory : NULL);
    w->shown = NULL;
}

static int ws_wire_answer(ri_ws_wire *w, ri_str head)
{
    ri_ws_request request;
    int status = 500;
    int rc = ri_ws_http_read_request(head, &request, &status);
    if (rc < 0) return ws_wire_refuse(w, rc, status);
    rc = ri_ws_origin_check(w->conf->origins, w->conf->same_origin, &request, w->secure);
    if (rc < 0) return ws_wire_refuse(w, rc, 403);
    if (w->in_len > head.len) {
        rc = ri_err(RILL_EPROTO, "websocket handshake error: client sent data before handshake is "
                    "complete");
        return ws_wire_refuse(w, rc, 400);
    }
    rc = ri_ws_shown_new(&w->shown, w->host, w->wire.loop->memory, w->conf->cookies, head);
    if (rc < 0) return ws_wire_refuse(w, rc, rc == RILL_ENOMEM ? 503 : 431);
    ri_buffer text;
    ri_buffer_init(&text, w->host);
    w->deflates = w->conf->deflates && request.deflates;
    ri_ws_http_write_answer(&text, request.key, w->deflates);
    rc = ws_wire_set_text(w, &text);
    ri_buffer_fini(&text);
    return rc;
}

/* More of the other's head. */
static int ws_wire_read_head(ri_ws_wire *w)
{
    if (!w->in && ws_wire_room_in(w, RI_WS_HTTP_MAX) < 0) return RILL_ENOMEM;
    struct iovec iov = {w->in + w->in_len, w->in_cap - w->in_len};
    RI_ASSERT(iov.iov_len > 0);
    ssize_t n = w->below->ops->readv(w->below, &iov, 1);
    if (n == -EAGAIN) return RILL_OK;
    if (n < 0 && n != -ECONNABORTED) return RILL_EIO; /* the wire below has made a sentence */
    if (n <= 0)
        return ri_err(RILL_EPROTO, "the connection was ended within WebSocket's handshake");
    w->in_len += (uint32_t)n;
    size_t len = ri_ws_http_head((ri_str){w->in, w->in_len}, w->sought);
    w->sought = w->in_len;
    if (len == 0 && w->in_len == w->in_cap) {
        int rc = ri_err(RILL_EPROTO, "a head of HTTP has more than %d bytes", RI_WS_HTTP_MAX);
        return ws_wire_is_server(w) ? ws_wire_refuse(w, rc, 431) : rc;
    }
    if (len == 0) return RILL_OK;
    ri_str head = {w->in, len};
    int rc = ws_wire_is_server(w) ? ws_wire_answer(w, head)
                                  : ri_ws_http_read_answer(head, w->asked, &w->deflates);
    if (rc < 0) return rc;
    w->reader.deflates = w->deflates;
    w->in_at = (uint32_t)len;
    if (w->in_at == w->in_len) ws_wire_drop_in(w);
    ws_wire_open(w);
    return RILL_OK;
}

static void ws_wire_on_timer(ri_loop_timer *timer)
{
    ri_ws_wire *w = ri_container_of(timer, ri_ws_wire, timer);
    ws_wire_break(w, ri_err(RILL_ETIMEDOUT, "websocket handshake timeout: it was not done in "
                            "%lld ms", (long long)(w->timeout_ns / RI_MS)));
}

/* ---- Reading ---- */

static void ws_wire_on_closed(ri_ws_wire *w, int code)
{
    w->ended = true;
    w->ponders = false;
    w->reason[0] = 0;
    w->code = (uint16_t)code;
}

/* A control frame has come. RILL_EPROTO: it is malformed. */
static int ws_wire_on_control(ri_ws_wire *w)
{
    const ri_ws_reader *r = &w->reader;
    if (r->frame.opcode == RI_WS_CLOSE) {
        int code = ri_ws_frame_closed(r);
        if (code > 0) ws_wire_on_closed(w, code);
        return RI_MIN(code, RILL_OK);
    }
    if (r->frame.opcode != RI_WS_PING || w->shut) return RILL_OK;
    memcpy(w->pong, r->control, r->control_len);
    w->pong_len = r->control_len;
    w->ponders = true;
    return RILL_OK;
}

/* Where the bytes of an owner's pieces go. */
typedef struct ws_wire_dest {
    const struct iovec *iov;
    int n;
    size_t done;
} ws_wire_dest;

/* A deflated message has begun where the owner's bytes are to stand: what has come goes aside. */
static int ws_wire_put_aside(ri_ws_wire *w, ri_ws_io *io)
{
    int rc = ws_wire_room_in(w, RI_MAX(io->in_len, 1));
    if (rc < 0) return rc;
    if (io->in_len) memcpy(w->in, io->in, io->in_len);
    w->in_len = (uint32_t)io->in_len;
    io->in_len = 0;
    return RI_WS_MORE;
}

/* More of a deflated message, which stands in w->in. RILL_EPROTO, RILL_ENOMEM. */
static int ws_wire_unzip(ri_ws_wire *w, ri_ws_io *io, ws_wire_dest *to)
{
    if (!w->unzip && !(w->unzip = ws_wire_open_zip(w, false))) return RILL_ENOMEM;
    if (!w->zipped.len && !w->unzips)
        w->zipped = ri_ws_frame_take(&w->reader, io, &w->zipped_last);
    uint64_t most = w->message_max - w->message_len + 1; /* with which it is too much */
    size_t had = (size_t)RI_MIN(most, (uint64_t)(to->iov->iov_len - to->done)), room = had;
    RI_ASSERT(w->message_len <= w->message_max && room > 0);
    int rc = ri_ws_zip_read(w->unzip, &w->zipped, w->zipped_last,
                            (char *)to->iov->iov_base + to->done, &room);
    to->done += had - room;
    w->message_len += had - room;
    w->unzips = rc == 0 && room == 0;
    if (rc < 0) return rc;
    if (rc > 0) w->message_len = 0;
    w->too_big = w->message_len > w->message_max;
    if (!w->too_big) return RILL_OK;
    return ri_err(RILL_EPROTO, "a compressed message became more than %llu bytes",
                  (unsigned long long)w->message_max);
}

/* The next of the bytes that have come. A ri_ws_step, or a rill code. */
static int ws_wire_step(ri_ws_wire *w, ri_ws_io *io, ws_wire_dest *to)
{
    bool kept = io->in >= w->in && w->in && io->in <= w->in + w->in_len;
    int rc = RI_WS_DEFLATED;
    if (!w->zipped.len && !w->unzips) {
        io->out = (char *)to->iov->iov_base + to->done;
        size_t room = io->out_cap = to->iov->iov_len - to->done;
        rc = ri_ws_frame_read(&w->reader, io);
        to->done += room - io->out_cap;
    }
    if (ri_likely(rc != RI_WS_DEFLATED)) return rc;
    const ri_ws_reader *r = &w->reader;
    bool all = !w->zipped.len && !w->unzips && io->in_len == 0;
    if (all && r->at < r->frame.len) return RI_WS_MORE;
    if (!kept) return ws_wire_put_aside(w, io);
    return (rc = ws_wire_unzip(w, io, to)) < 0 ? rc : RI_WS_DEFLATED;
}

/* All that can be made of `in`. 1: the pieces are full; 0: not yet; RILL_EPROTO. */
static int ws_wire_decode(ri_ws_wire *w, ri_ws_io *io, ws_wire_dest *to)
{
    while (to->n > 0) {
        int rc = ws_wire_step(w, io, to);
        if (rc == RI_WS_CONTROLLED) rc = ws_wire_on_control(w);
        else if (rc == RI_WS_MORE) return 0;
        if (rc < 0) return rc;
        if (w->ended) return 0;
        if (to->done < to->iov->iov_len) continue;
        to->done = 0;
        to->iov++;
        to->n--;
    }
    return 1;
}

/* The piece with most room: what is read into it and moved to the first ones overtakes nothing. */
static struct iovec ws_wire_widest(const struct iovec *iov, int n)
{
    const struct iovec *widest = iov;
    for (int i = 1; i < n; i++)
        if (iov[i].iov_len > widest->iov_len) widest = &iov[i];
    struct iovec found = {widest->iov_base, RI_MIN(widest->iov_len, RI_LOOP_SHARED_SIZE)};
    return found;
}

/* Bytes that were kept, behind the handshake or as a deflated message. RILL_EPROTO ... */
static int ws_wire_use_kept(ri_ws_wire *w, ws_wire_dest *to)
{
    ri_ws_io io = {.in = w->in + w->in_at, .in_len = w->in_len - w->in_at};
    int rc = ws_wire_decode(w, &io, to);
    w->in_at = w->in_len - (uint32_t)io.in_len;
    bool all = io.in_len == 0 && !w->zipped.len && !w->unzips;
    if (rc == 0 || all) ws_wire_drop_in(w);
    return RI_MIN(rc, RILL_OK);
}

/* Once from below. 1: something came; 0: not now, or no more; or a rill code. */
static int ws_wire_pull(ri_ws_wire *w, ws_wire_dest *to)
{
    struct iovec wide = ws_wire_widest(to->iov, to->n);
    ssize_t n = w->below->ops->readv(w->below, &wide, 1);
    if (n == -EAGAIN) return 0;
    if (n == -ECONNABORTED || n == 0) return w->cut = true, 0;
    if (n < 0) return RILL_EIO; /* the wire below has made a sentence */
    ri_ws_io io = {.in = wide.iov_base, .in_len = (size_t)n};
    int rc = ws_wire_decode(w, &io, to);
    RI_ASSERT(rc < 0 || w->ended || io.in_len == 0);
    return rc < 0 ? rc : 1;
}

static size_t ws_wire_filled(const ws_wire_dest *to, const struct iovec *iov)
{
    size_t done = to->done;
    for (; iov < to->iov; iov++) done += iov->iov_len;
    return done;
}

/* What was said in between is answered. */
static void ws_wire_reply(ri_ws_wire *w)
{
    if (w->state != WS_OPEN || !ws_wire_has_words(w)) return;
    int rc = ws_wire_flush(w);
    if (rc < 0) ws_wire_mute(w, rc);
}

static ssize_t ws_wire_readv(ri_wire *wire, const struct iovec *iov, int n)
{
    ri_ws_wire *w = ws_wire_of(wire);
    ws_wire_dest to = {iov, n, 0};
    size_t done;
    RI_ASSERT(n > 0);
    if (w->state == WS_BROKEN) return ws_wire_fail(w);
    if (w->state == WS_HEAD) return -EAGAIN;
    int rc = 0;
    for (int i = 0; i < WS_WIRE_READS && rc >= 0 && !w->ended && (w->in || !w->cut); i++) {
        if (ws_wire_filled(&to, iov) > 0) break;
        if (w->in) rc = ws_wire_use_kept(w, &to);
        else if ((rc = ws_wire_pull(w, &to)) == 0) break;
    }
    done = ws_wire_filled(&to, iov);
    if (rc < 0) ws_wire_break_off(w, rc);
    else ws_wire_reply(w);
    if (done > 0) return (ssize_t)done;
    if (rc < 0) return ws_wire_fail(w);
    if (w->ended) return 0;
    if (!w->cut) return -EAGAIN;
    ri_err(RILL_ECONN, "the connection was cut: WebSocket was not closed before");
    return -ECONNABORTED;
}

/* ---- Writing ---- */

/* Where the pieces go on. */
typedef struct ws_wire_place {
    const struct iovec *iov;
    int n;
    size_t at; /* in the first */
} ws_wire_place;

static void ws_wire_skip(ws_wire_place *p, size_t len)
{
    for (p->at += len; p->n > 0 && p->at >= p->iov->iov_len; p->n--, p->iov++)
        p->at -= p->iov->iov_len;
}

static uint64_t ws_wire_offered(const ws_wire_place *p)
{
    uint64_t len = 0;
    for (int i = 0; i < p->n; i++) len += p->iov[i].iov_len;
    return len - p->at;
}

/* A message of what is offered, deflated, is `text`: bytes of the owner in it, or RILL_ENOMEM. */
static int ws_wire_zip(ri_ws_wire *w, ws_wire_place p)
{
    RI_ASSERT(!w->text && w->out_at == w->out_len);
    size_t len = (size_t)RI_MIN(ws_wire_offered(&p), (uint64_t)w->deflate_most), done = 0, size = 0;
    if (!w->zip && !(w->zip = ws_wire_open_zip(w, true))) return RILL_ENOMEM;
    w->text_cap = (uint32_t)(RI_WS_HEAD_MAX + ri_ws_zip_bound(w->zip, len));
    if (!(w->text = ri_alloc(w->host, w->text_cap))) return RILL_ENOMEM;
    while (done < len) {
        size_t part = RI_MIN(len - done, p.iov->iov_len - p.at);
        ri_str bytes = {(char *)p.iov->iov_base + p.at, part};
        done += part;
        ri_ws_zip_write(w->zip, bytes, done == len, w->text + RI_WS_HEAD_MAX, &size);
        ws_wire_skip(&p, part);
    }
    if (!ws_wire_is_server(w)) ws_wire_mask_key(w);
    w->text_at = (uint32_t)ri_ws_frame_wrap(w->text, size, ws_wire_is_server(w) ? NULL : w->key);
    w->text_len = (uint32_t)(RI_WS_HEAD_MAX + size);
    return (int)len;
}

/* The header of the next frame stands in front: it has all that is offered. */
static void ws_wire_begin_frame(ri_ws_wire *w, const ws_wire_place *p)
{
    RI_ASSERT(w->front_at == w->front_len && w->out_at == w->out_len);
    ri_ws_frame f = {.opcode = RI_WS_BINARY, .final = true, .masked = !ws_wire_is_server(w)};
    f.len = RI_MIN(ws_wire_offered(p), (uint64_t)RI_LOOP_SHARED_SIZE);
    if (f.masked) ws_wire_mask_key(w);
    memcpy(f.key, w->key, sizeof f.key);
    w->front_at = 0;
    w->front_len = (uint8_t)ri_ws_frame_write(w->front, &f);
    w->out_len = f.len;
    w->out_at = 0;
}

/* What goes below in one call: the front, and bytes of the frame, as they are or masked in
 * `room`. */
static int ws_wire_gather(const ri_ws_wire *w, ws_wire_place p, char *room, struct iovec *out)
{
    int n = 0;
    if (w->front_at < w->front_len)
        out[n++] = (struct iovec){(char *)(uintptr_t)w->front + w->front_at,
                                  (size_t)(w->front_len - w->front_at)};
    uint64_t left = w->out_len - w->out_at, at = w->out_at;
    if (!ws_wire_is_server(w)) left = RI_MIN(left, (uint64_t)WS_WIRE_MASKED);
    if (!ws_wire_is_server(w)) out[n++] = (struct iovec){room, (size_t)left};
    while (p.n > 0 && left > 0 && n <= WS_WIRE_PIECES) {
        char *from = (char *)p.iov->iov_base + p.at;
        size_t len = (size_t)RI_MIN(left, (uint64_t)(p.iov->iov_len - p.at));
        if (ws_wire_is_server(w)) out[n++] = (struct iovec){from, len};
        else ri_ws_frame_mask(room, from, len, w->key, at);
        room += ws_wire_is_server(w) ? 0 : len;
        at += len;
        left -= len;
        ws_wire_skip(&p, len);
    }
    return n;
}

/* Once below: bytes of the owner that went; *full: not all did. Or a rill code. */
static int ws_wire_push(ri_ws_wire *w, const ws_wire_place *p, bool *full)
{
    char room[WS_WIRE_MASKED];
    struct iovec iov[WS_WIRE_PIECES + 2];
    int n = ws_wire_gather(w, *p, room, iov);
    size_t len = 0, front = (size_t)(w->front_len - w->front_at);
    for (int i = 0; i < n; i++) len += iov[i].iov_len;
    ssize_t put = w->below->ops->writev(w->below, iov, n);
    if (put == -EAGAIN) put = 0;
    if (put < 0) return RILL_EIO; /* the wire below has made a sentence */
    RI_ASSERT((size_t)put <= len);
    *full = (size_t)put < len;
    size_t head = RI_MIN((size_t)put, front);
    w->front_at += (uint8_t)head;
    w->out_at += (size_t)put - head;
    return (int)((size_t)put - head);
}

static ssize_t ws_wire_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    ri_ws_wire *w = ws_wire_of(wire);
    size_t done = 0;
    RI_ASSERT(n > 0);
    if (w->state == WS_BROKEN) return ws_wire_fail(w); /* maybe shut by what a peer has sent */
    RI_ASSERT(!w->shut);
    if (w->state == WS_HEAD) return -EAGAIN;
    if (w->mute) {
        ws_wire_break(w, RILL_EIO);
        return ws_wire_fail(w);
    }
    ws_wire_place p = {iov, n, 0};
    int rc = w->out_at < w->out_len ? 1 : ws_wire_flush(w);
    bool full = rc == 0;
    while (rc >= 0 && !full && p.n > 0 && done < RI_LOOP_SHARED_SIZE) {
        bool zips = w->deflates && w->deflate_most > RI_WS_ZIP_LEAST && w->out_at == w->out_len;
        if (ri_unlikely(zips && ws_wire_offered(&p) > RI_WS_ZIP_LEAST)) {
            rc = ws_wire_zip(w, p);
        } else {
            if (w->out_at == w->out_len) ws_wire_begin_frame(w, &p);
            rc = ws_wire_push(w, &p, &full);
        }
        if (rc < 0) break;
        done += (size_t)rc;
        if (rc > 0) ws_wire_skip(&p, (size_t)rc);
        if (w->text && (rc = ws_wire_flush(w)) == 0) full = true;
    }
    if (rc < 0) {
        ws_wire_break(w, rc);
        return ws_wire_fail(w);
    }
    ws_wire_go_on(w);
    return done > 0 ? (ssize_t)done : -EAGAIN;
}

/* ---- The rest of the table ---- */

static void ws_wire_on_below(ri_wire *below, unsigned what)
{
    ri_ws_wire *w = below->owner;
    if (what & RI_WIRE_WRITE) {
        int rc = ws_wire_flush(w);
        if (rc < 0 && w->state == WS_OPEN) ws_wire_mute(w, rc);
        else if (rc < 0) ws_wire_break(w, rc);
        ws_wire_end_below(w);
        if (rc <= 0) what &= ~(unsigned)RI_WIRE_WRITE;
    }
    if (w->state == WS_HEAD && what & RI_WIRE_READ) {
        int rc = ws_wire_read_head(w);
        if (rc < 0) ws_wire_break(w, rc);
        else ws_wire_reply(w);
        ws_wire_go_on(w);
        return;
    }
    ws_wire_call_owner(w, w->state == WS_OPEN ? what : 0);
}

/* On its loop: the handshake begins. */
static int ws_wire_begin(ri_ws_wire *w)
{
    ri_loop *loop = w->wire.loop;
    RI_ASSERT(!w->begun && w->below->ops != w->wire.ops);
    int rc = ri_loop_timer_set(loop, &w->timer, ri_ns_add(ri_loop_now(loop), w->timeout_ns));
    if (rc < 0) return rc;
    ri_wire_attach(w->below, loop, ws_wire_on_below, w);
    if ((rc = w->below->ops->watch(w->below, ws_wire_want_below(w))) < 0) {
        ri_wire_detach(w->below);
        ri_loop_timer_cancel(loop, &w->timer);
        return rc;
    }
    w->begun = true;
    return RILL_OK;
}

static int ws_wire_watch(ri_wire *wire, unsigned what)
{
    ri_ws_wire *w = ws_wire_of(wire);
    RI_ASSERT(wire->loop);
    int rc = w->begun ? RILL_OK : ws_wire_begin(w);
    if (rc < 0) return rc;
    w->watched = (uint8_t)what;
    return ws_wire_update(w);
}

static void ws_wire_shut(ri_wire *wire)
{
    ri_ws_wire *w = ws_wire_of(wire);
    if (w->shut || !w->begun) return;
    w->shut = true;
    w->ponders = false;
    bool amid = w->out_at < w->out_len; /* of a frame, which has no place for it */
    if (w->state != WS_OPEN || amid) w->said = true;
    if (w->state == WS_OPEN) ws_wire_reply(w);
    ws_wire_end_below(w);
    ws_wire_go_on(w);
}

static void ws_wire_close(ri_wire *wire)
{
    ri_ws_wire *w = ws_wire_of(wire);
    const ri_host host = *w->host; /* it may be the configuration's */
    ri_list_remove(&w->soon.link);
    if (w->begun) ri_loop_timer_cancel(wire->loop, &w->timer);
    if (w->in) ws_wire_drop_in(w);
    ri_ws_wire_forget_cookies(w);
    if (w->text) ws_wire_drop_text(w);
    ws_wire_close_zips(w);
    w->below->ops->close(w->below);
    if (w->why) ri_delete(&host, w->why);
    ri_ws_conf_unref(w->conf);
    ri_delete(&host, w);
}

/* Of a message that is deflated the owner's bytes count as taken when they stand in `text`. */
static bool ws_wire_holds(const ri_wire *wire)
{
    const ri_ws_wire *w = ri_container_of(wire, ri_ws_wire, wire);
    return w->state == WS_OPEN && !w->mute && (w->text || ri_wire_holds(w->below));
}

static const ri_wire_ops ws_wire_ops = {"websocket", ws_wire_readv, ws_wire_writev, ws_wire_watch,
                                        ws_wire_shut, ws_wire_close, ws_wire_holds};

static int ws_wire_ask(ri_ws_wire *w, const ri_ws_wire_opts *opts)
{
    unsigned char bytes[16];
    ri_buffer text;
    w->host->entropy(w->host->arg, bytes, sizeof bytes);
    ri_ws_http_key(bytes, w->asked);
    ri_buffer_init(&text, w->host);
    ri_ws_http_write_request(&text, opts->host, opts->path, w->asked, opts->deflates);
    w->deflates = opts->deflates;
    int rc = ws_wire_set_text(w, &text);
    ri_buffer_fini(&text);
    return rc;
}

int ri_ws_wire_new(ri_wire **wire, const ri_host *host, ri_wire *below,
                   const ri_ws_wire_opts *opts)
{
    RI_ASSERT(below && opts->timeout_ns > 0 && (opts->conf || (opts->host && opts->path)));
    int rc = ri_ws_http_there();
    if (rc < 0) return rc;
    ri_ws_wire *w = ri_new(host, ri_ws_wire);
    if (!w) return RILL_ENOMEM;
    w->wire.ops = &ws_wire_ops;
    w->below = below;
    w->host = opts->conf ? &opts->conf->host : host;
    w->secure = opts->secure;
    w->timeout_ns = opts->timeout_ns;
    w->message_max = opts->message_max;
    w->deflate_most = WS_WIRE_ZIPPED;
    w->code = RI_WS_NORMAL;
    w->reader.masked = opts->conf != NULL;
    w->soon.fn = ws_wire_on_soon;
    w->timer.fn = ws_wire_on_timer;
    ri_list_init(&w->soon.link);
    if (!opts->conf && ws_wire_ask(w, opts) < 0) {
        ri_delete(host, w);
        return RILL_ENOMEM;
    }
    if (opts->conf) w->conf = ri_ws_conf_ref(opts->conf);
    *wire = &w->wire;
    return RILL_OK;
}

ri_ws_wire *ri_ws_wire_of(ri_wire *wire)
{
    return wire->ops == &ws_wire_ops ? ws_wire_of(wire) : NULL;
}

ri_wire *ri_ws_wire_below(const ri_ws_wire *w)
{
    return w->below;
}

int ri_ws_wire_code(const ri_ws_wire *w)
{
    return w->failed;
}

int64_t ri_ws_wire_open_ns(const ri_ws_wire *w)
{
    return w->open_ns;
}

void ri_ws_wire_deflate_most(ri_ws_wire *w, uint32_t bytes)
{
    w->deflate_most = bytes ? RI_MIN(bytes, (uint32_t)WS_WIRE_ZIPPED) : (uint32_t)WS_WIRE_ZIPPED;
}

void ri_ws_wire_reason(ri_ws_wire *w, uint16_t code, const char *text)
{
    RI_ASSERT(code >= RI_WS_NORMAL && code != RI_WS_NO_STATUS);
    if (w->said || w->ended) return;
    w->code = code;
    size_t len = RI_MIN(strlen(text), sizeof w->reason - 1);
    memcpy(w->reason, text, len);
    w->reason[len] = 0;
}
