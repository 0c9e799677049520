/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store: its memory is laid out, the heads of all blocks are read, the newest block is
 * found that is whole, and the records of the log are walked once. What may be torn is settled
 * before the mount has ended. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

/* What is known of the block that is to be the head of the log. */
typedef struct flash_mount_look {
    ri_flash_head head;
    ri_flash_record last; /* the last record that holds */
    uint32_t records;     /* that hold */
    uint32_t tail;        /* what the last TAIL says that counts, or else its head */
    uint32_t state_len;   /* of the first record, if it is a STATE; else 0 */
    uint32_t end;         /* of `last` */
    bool clean;           /* behind that all is erased, and it was the last call */
} flash_mount_look;

/* ---- Memory ---- */

static int flash_mount_device(const rill_flash *dev)
{
    if (!dev || !dev->read || !dev->program || !dev->erase)
        return ri_err(RILL_EINVAL, "rill_flash has no read, program or erase");
    if (dev->program_bytes == 0 || dev->program_bytes > 256 ||
        (dev->program_bytes & (dev->program_bytes - 1)) != 0)
        return ri_err(RILL_EINVAL, "program_bytes of the flash is %u; 1, 2, 4 .. 256 are known",
                      (unsigned)dev->program_bytes);
    if (dev->blocks < RI_FLASH_LEAST || dev->blocks > RI_FLASH_BLOCKS)
        return ri_err(RILL_EINVAL, "the flash has %u blocks; a store takes %d to %d",
                      (unsigned)dev->blocks, RI_FLASH_LEAST, RI_FLASH_BLOCKS);
    if (dev->block_bytes % RI_MAX(dev->program_bytes, (uint32_t)RI_FLASH_CHUNK) != 0 ||
        dev->block_bytes > UINT32_MAX / dev->blocks)
        return ri_err(RILL_EINVAL, "block_bytes of the flash is %u: no multiple of a program, or "
                      "too much", (unsigned)dev->block_bytes);
    return RILL_OK;
}

/* What follows from the options. */
static int flash_mount_conf(ri_flash *f, const ri_flash_conf *conf)
{
    int rc = flash_mount_device(conf->dev);
    if (rc < 0) return rc;
    memset(f, 0, sizeof *f);
    f->magic = RI_FLASH_MAGIC;
    f->conf = *conf;
    f->dev = conf->dev;
    f->align = RI_MAX(f->dev->program_bytes, 4u);
    f->chunk = RI_MAX(f->dev->program_bytes, (uint32_t)RI_FLASH_CHUNK);
    f->keep = f->dev->blocks >= 6 ? 2 : 1;
    f->foretold = f->dev->blocks;
    if (conf->reserve == 0) f->conf.reserve = (uint16_t)(f->dev->blocks / 8);
    if (conf->max_streams == 0 || conf->max_streams > RI_FLASH_STREAMS ||
        conf->max_groups > RI_FLASH_GROUPS || conf->max_ids > RI_FLASH_IDS)
        return ri_err(RILL_EINVAL, "a store on flash has 1 to %d streams, and up to %d groups and "
                      "%d ids", RI_FLASH_STREAMS, RI_FLASH_GROUPS, RI_FLASH_IDS);
    uint32_t own = 2 * f->chunk + ri_flash_round(f, ri_flash_state_max(f)) +
                   3 * ri_flash_round(f, RI_FLASH_RECORD);
    f->room = f->dev->block_bytes > own ? f->dev->block_bytes - own : 0;
    if (conf->max_record < 2 * RI_FLASH_RECORD || conf->max_record > UINT16_MAX ||
        ri_flash_round(f, conf->max_record) > f->room / 2)
        return ri_err(RILL_EINVAL, "max_record of the flash is %u; 64 to %u fit into its blocks, "
                      "which have %u bytes for records", (unsigned)conf->max_record,
                      (unsigned)(f->room / 2), (unsigned)f->room);
    if (ri_flash_capacity(f) == 0)
        return ri_err(RILL_EINVAL, "all %u blocks of the flash are held in reserve",
                      (unsigned)f->dev->blocks);
    return RILL_OK;
}

/* Lay it out from `memory` on, or, if that is NULL, say how much it takes. */
static size_t flash_mount_lay(ri_flash *f, char *memory)
{
    size_t used = RI_ALIGN(sizeof *f, 8), n = f->dev->blocks, streams = f->conf.max_streams;
    struct {
        void **to;
        size_t bytes;
    } parts[] = {
        {(void **)&f->blocks, n * sizeof *f->blocks},
        {(void **)&f->streams, streams * sizeof *f->streams},
        {(void **)&f->groups, f->conf.max_groups * sizeof *f->groups},
        {(void **)&f->ranges, n * streams * sizeof *f->ranges},
        {(void **)&f->keys, f->conf.max_keys * sizeof *f->keys},
        {(void **)&f->ids, f->conf.max_ids * sizeof *f->ids},
        {(void **)&f->pen, f->chunk},
    };
    for (size_t i = 0; i < RI_LEN(parts); i++) {
        if (memory) *parts[i].to = memory + used;
        if (memory) memset(memory + used, 0, parts[i].bytes);
        used += RI_ALIGN(parts[i].bytes, 8);
        RI_ASSERT(used % 8 == 0);
    }
    return used;
}

size_t ri_flash_need(const ri_flash_conf *conf)
{
    ri_flash f;
    return flash_mount_conf(&f, conf) < 0 ? 0 : flash_mount_lay(&f, NULL);
}

static int flash_mount_begin(ri_flash **out, const ri_flash_conf *conf, void *memory, size_t bytes)
{
    size_t need = ri_flash_need(conf);
    if (need == 0) return RILL_EINVAL;
    if (!memory || need > bytes || (uintptr_t)memory % 8 != 0)
        return ri_err(RILL_ENOMEM, "the store takes %zu bytes, aligned to 8; it was given %zu",
                      need, bytes);
    *out = memory;
    int rc = flash_mount_conf(*out, conf);
    flash_mount_lay(*out, memory);
    return rc;
}

/* ---- Heads ---- */

/* RILL_ENOENT: neither of the two holds. */
static int flash_mount_head(ri_flash *f, uint32_t block, ri_flash_head *head)
{
    uint8_t in[RI_FLASH_HEAD];
    int rc = RILL_ENOENT;
    for (uint32_t copy = 0; copy < 2 && rc == RILL_ENOENT; copy++) {
        rc = ri_flash_read(f, ri_flash_at(f, block, copy * f->chunk), in, sizeof in);
        if (rc == RILL_OK) rc = ri_flash_get_head(in, head);
    }
    return rc;
}

static int flash_mount_same(const ri_flash *f, const ri_flash_head *head, uint32_t known)
{
    if (known && head->log_id != f->conf.log_id)
        return ri_err(RILL_ECORRUPT, "the flash has blocks of two stores");
    if (head->block_bytes != f->dev->block_bytes || head->blocks != f->dev->blocks ||
        head->program_bytes != f->dev->program_bytes)
        return ri_err(RILL_ENOTSUP, "the flash was formatted as %u blocks of %u bytes, "
                      "programmed by %u", (unsigned)head->blocks, (unsigned)head->block_bytes,
                      head->program_bytes);
    if (head->max_streams != f->conf.max_streams || head->max_groups != f->conf.max_groups ||
        head->max_ids != f->conf.max_ids)
        return ri_err(RILL_ENOTSUP, "the flash was formatted for %d streams, %d groups and %d ids",
                      head->max_streams, head->max_groups, head->max_ids);
    if (head->prev_end > f->dev->block_bytes || head->tail > head->seq)
        return ri_err(RILL_ECORRUPT, "the head of a block on flash is not sound");
    return RILL_OK;
}

/* All blocks: their numbers and wear; until flash_mount_chain() `end` is where
 * the block before it ends. A block
 * whose wear is not known is taken for one as worn as any. */
static int flash_mount_heads(ri_flash *f)
{
    ri_flash_head head;
    uint32_t known = 0, most = 0;
    for (uint32_t i = 0; i < f->dev->blocks; i++) {
        int rc = flash_mount_head(f, i, &head);
        f->blocks[i].wear = UINT32_MAX;
        if (rc == RILL_ENOENT) continue;
        if (rc == RILL_OK) rc = flash_mount_same(f, &head, known);
        if (rc < 0) return rc;
        known++;
        f->conf.log_id = head.log_id;
        f->blocks[i] = (ri_flash_block){head.seq, head.wear, head.prev_end};
        most = RI_MAX(most, head.wear);
    }
    for (uint32_t i = 0; i < f->dev->blocks; i++)
        if (f->blocks[i].wear == UINT32_MAX) f->blocks[i].wear = most;
    return known ? RILL_OK : ri_err(RILL_ENOENT, "no store is on the flash");
}

/* ---- The head of the log ---- */

/* Walk the records of `block`, of which those up to `end` may count. */
static int flash_mount_look_at(ri_flash *f, uint32_t block, uint32_t end, flash_mount_look *look)
{
    ri_flash_scan scan;
    ri_flash_record r, before = {0};
    uint32_t said = 0, other = f->dev->block_bytes;
    memset(look, 0, sizeof *look);
    int rc = flash_mount_head(f, block, &look->head);
    if (rc < 0) return rc;
    look->tail = look->head.tail;
    look->end = 2 * f->chunk;
    f->head = block;
    f->pos = end;
    ri_flash_scan_start(f, &scan, block);
    while (ri_flash_scan_next(&scan, &r)) {
        if (said) look->tail = RI_MAX(look->tail, said);
        said = r.kind == RI_FLASH_KIND_TAIL ? r.seq : 0;
        before = look->last;
        look->last = r;
        if (look->records++ == 0 && r.kind == RI_FLASH_KIND_STATE) look->state_len = r.len;
        look->end = scan.off;
    }
    if (scan.err < 0) return scan.err;
    if (look->records > 0) {
        rc = ri_flash_record_holds(f, &look->last);
        if (rc < 0 && rc != RILL_ECORRUPT) return rc;
        if (rc == RILL_ECORRUPT) { /* torn: what is before it had ended */
            look->records--;
            look->end = look->last.at % f->dev->block_bytes;
            look->last = before;
        }
        other = rc == RILL_ECORRUPT ? 0 : other;
    }
    uint32_t found = ri_flash_at(f, block, look->end);
    if (other && end == f->dev->block_bytes)
        rc = ri_flash_blank(f, found, ri_flash_at(f, block, 0) + end, &found);
    look->clean = other && end == f->dev->block_bytes &&
                  found == ri_flash_at(f, block, 0) + end;
    return rc == RILL_ECORRUPT ? RILL_OK : rc;
}

/* Is it one that was begun, and not to its end? */
static bool flash_mount_is_none(const flash_mount_look *look)
{
    return look->records < 2 ||
           (look->head.flags & RI_FLASH_COLLECTS && look->tail == look->head.tail);
}

/* The newest block that is whole. Those that were begun behind it are free again. */
static int flash_mount_newest(ri_flash *f, flash_mount_look *look)
{
    uint32_t newest = 0, end = f->dev->block_bytes;
    for (uint32_t i = 0; i < f->dev->blocks; i++) newest = RI_MAX(newest, f->blocks[i].seq);
    if (newest == 0) return ri_err(RILL_ENOENT, "the flash was not formatted to its end");
    for (uint32_t seq = newest; seq + 1 >= newest && seq > 0;) {
        uint32_t block = ri_flash_block_of(f, seq);
        if (block == f->dev->blocks) {
            seq--;
            continue;
        }
        int rc = flash_mount_look_at(f, block, seq == newest ? f->dev->block_bytes : end, look);
        if (rc < 0) return rc;
        if (!flash_mount_is_none(look)) {
            f->head_seq = seq;
            f->tail = look->tail;
            return RILL_OK;
        }
        if (seq < newest) break; /* it was whole once */
        end = f->blocks[block].end;
        f->blocks[block].seq = 0;
    }
    if (newest == 1) return ri_err(RILL_ENOENT, "the flash was not formatted to its end");
    return ri_err(RILL_ECORRUPT, "the newest block on flash does not hold");
}

/* ---- The log ---- */

/* Which blocks are the log, and where each ends: the one behind it says so. There may be two of one
 * place, one of which was given up. */
static int flash_mount_chain(ri_flash *f)
{
    uint32_t blocks = f->dev->blocks, end = f->pos;
    if (f->tail == 0 || f->tail > f->head_seq || f->head_seq - f->tail >= blocks)
        return ri_err(RILL_ECORRUPT, "the flash has no place for its oldest block");
    for (uint32_t i = 0; i < blocks; i++)
        if (f->blocks[i].seq < f->tail || f->blocks[i].seq > f->head_seq ||
            (f->blocks[i].seq == f->head_seq && i != f->head))
            f->blocks[i].seq = 0;
    for (uint32_t seq = f->head_seq; seq >= f->tail; seq--) {
        uint32_t before = f->dev->block_bytes, found = 0;
        for (uint32_t i = 0; i < blocks; i++) {
            if (f->blocks[i].seq != seq) continue;
            before = f->blocks[i].end;
            f->blocks[i].end = end;
            found++;
        }
        end = before;
        f->stats.lost_blocks += found == 0;
    }
    if (f->stats.lost_blocks == 0 || f->conf.accept_loss) return RILL_OK;
    return ri_err(RILL_ECORRUPT, "%u blocks of the store are missing",
                  (unsigned)f->stats.lost_blocks);
}

/* Of two blocks in one place, the one that is bad was given up. */
static void flash_mount_choose(ri_flash *f)
{
    for (uint32_t i = 0; i < f->dev->blocks; i++) {
        uint32_t first = f->blocks[i].seq ? ri_flash_block_of(f, f->blocks[i].seq) : i;
        if (first != i) f->blocks[ri_flash_is_bad(f, first) ? first : i].seq = 0;
    }
}

/* The newest STATE that holds: of the head, or of a block before it. *from: its place. */
static int flash_mount_state(ri_flash *f, uint32_t *from)
{
    for (uint32_t seq = f->head_seq; seq >= f->tail && seq > 0; seq--) {
        ri_flash_scan scan;
        ri_flash_record r;
        uint32_t block = ri_flash_block_of(f, seq);
        if (block == f->dev->blocks) continue;
        ri_flash_scan_start(f, &scan, block);
        if (ri_flash_scan_next(&scan, &r) && r.kind == RI_FLASH_KIND_STATE) {
            int rc = ri_flash_record_holds(f, &r);
            if (rc == RILL_OK) {
                *from = seq;
                return ri_flash_state_get(f, &r);
            }
            if (rc != RILL_ECORRUPT) return rc;
        }
        if (scan.err < 0) return scan.err;
        f->stats.damaged++;
    }
    return ri_err(RILL_ECORRUPT, "no block on flash says what streams there are");
}

static int flash_mount_message(ri_flash *f, const ri_flash_record *r, bool counts)
{
    ri_flash_stream *s = &f->streams[r->stream];
    bool bucket = s->limits.flags & RI_FLASH_BUCKET;
    if (r->seq == UINT32_MAX) return RILL_OK;
    if (counts && r->seq > s->last) {
        s->last = r->seq;
        if (!bucket) s->sum = r->mark + ri_flash_round(f, r->len);
        int rc = bucket ? RILL_OK : ri_flash_ids_seen(f, r);
        if (rc < 0) return rc;
    }
    if (r->seq < s->first || r->seq > s->last) return RILL_OK;
    if (!bucket) ri_flash_seen(f, r);
    return bucket && s->name_len > 0 ? ri_flash_key_seen(f, r) : RILL_OK;
}

/* The wear of a block that was erased and has no head yet is what was said before. */
static void flash_mount_foretold(ri_flash *f, const ri_flash_record *r)
{
    ri_flash_head head;
    if (r->mark == UINT32_MAX) return;
    f->foretold = RI_MIN(r->mark, f->dev->blocks);
    if (r->mark < f->dev->blocks && flash_mount_head(f, r->mark, &head) == RILL_ENOENT)
        f->blocks[r->mark].wear = (uint32_t)r->time;
}

static int flash_mount_walk(ri_flash *f, uint32_t seq, uint32_t from)
{
    ri_flash_scan scan;
    ri_flash_record r;
    uint32_t block = ri_flash_block_of(f, seq);
    if (block == f->dev->blocks) return RILL_OK;
    ri_flash_scan_start(f, &scan, block);
    while (ri_flash_scan_next(&scan, &r)) {
        int rc = RILL_OK;
        if (r.kind == RI_FLASH_KIND_MESSAGE) rc = flash_mount_message(f, &r, seq >= from);
        else if (r.kind == RI_FLASH_KIND_STATE || r.kind == RI_FLASH_KIND_TAIL) {
            if (seq == f->head_seq) flash_mount_foretold(f, &r);
        } else if (seq >= from) rc = ri_flash_state_apply(f, &r);
        if (rc < 0) return rc;
    }
    return scan.err;
}

static int flash_mount_replay(ri_flash *f)
{
    uint32_t from = 0;
    int rc = flash_mount_state(f, &from);
    if (rc == RILL_OK) flash_mount_choose(f);
    for (uint32_t seq = f->tail; seq <= f->head_seq && rc == RILL_OK; seq++)
        rc = flash_mount_walk(f, seq, from);
    for (uint32_t i = 0; i < f->conf.max_streams && rc == RILL_OK; i++) {
        rc = ri_flash_stream_settle(f, i);
        if (rc == RILL_OK) rc = ri_flash_stream_trim(f, i);
    }
    return rc;
}

/* What may be torn is written once more; see flash_form.c. A new block says it all in its STATE,
 * but for a message. The store is mounted even if this fails: what is written next will say so. */
static void flash_mount_confirm(ri_flash *f, const flash_mount_look *look)
{
    uint32_t begins = 2 * f->chunk + ri_flash_round(f, look->state_len) +
                      ri_flash_round(f, RI_FLASH_RECORD);
    uint32_t len = ri_flash_round(f, look->last.len), block = f->head, seq = f->head_seq;
    f->limit = look->state_len && look->clean ? begins + f->room : look->end;
    if (!look->clean) { /* what is torn must not come to life when somebody has seen it was not */
        (void)ri_flash_room(f, ri_flash_round(f, RI_FLASH_RECORD));
        return;
    }
    f->pos = RI_MIN((look->end / f->chunk + 1) * f->chunk, f->dev->block_bytes);
    if (look->last.kind == RI_FLASH_KIND_TAIL) {
        f->first_write = true;
        return;
    }
    if (ri_flash_room(f, len + ri_flash_round(f, RI_FLASH_RECORD)) < 0) return;
    bool here = f->blocks[block].seq == seq; /* or it was collected */
    if (here && (look->last.kind == RI_FLASH_KIND_MESSAGE || block == f->head) &&
        ri_flash_copy(f, &look->last) < 0)
        f->limit = f->pos;
    else if (ri_flash_put_tail(f, f->tail) < 0)
        f->limit = f->pos;
}

int ri_flash_mount(ri_flash **out, const ri_flash_conf *conf, void *memory, size_t bytes)
{
    ri_flash *f;
    flash_mount_look look;
    int rc = flash_mount_begin(&f, conf, memory, bytes);
    if (rc == RILL_OK) rc = flash_mount_heads(f);
    if (rc == RILL_OK) rc = flash_mount_newest(f, &look);
    if (rc < 0) return rc;
    RI_ASSERT(look.records >= 2 && look.end <= f->dev->block_bytes);
    f->pos = look.end;
    RI_ASSERT(f->blocks[f->head].seq == f->head_seq);
    rc = flash_mount_chain(f);
    if (rc == RILL_OK) rc = flash_mount_replay(f);
    if (rc < 0) return rc;
    flash_mount_confirm(f, &look);
    RI_ASSERT(ri_flash_is_sound(f));
    *out = f;
    return RILL_OK;
}

/* ---- Formatting ---- */

/* A head that says that the block is free, and how worn it is. */
static int flash_mount_spare(ri_flash *f, uint32_t block)
{
    uint8_t out[RI_FLASH_HEAD];
    ri_flash_head head = {
        .log_id = f->conf.log_id, .wear = f->blocks[block].wear,
        .block_bytes = f->dev->block_bytes, .blocks = f->dev->blocks,
        .program_bytes = (uint16_t)f->dev->program_bytes,
        .max_streams = f->conf.max_streams, .max_groups = f->conf.max_groups,
        .max_ids = f->conf.max_ids,
    };
    ri_flash_put_head(out, &head);
    ri_flash_pen_at(f, ri_flash_at(f, block, 0));
    int rc = ri_flash_pen_put(f, out, sizeof out);
    return rc < 0 ? rc : ri_flash_pen_end(f);
}

int ri_flash_format(const ri_flash_conf *conf, void *memory, size_t bytes)
{
    ri_flash *f;
    ri_flash_head head;
    int rc = flash_mount_begin(&f, conf, memory, bytes);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < f->dev->blocks; i++) {
        if (flash_mount_head(f, i, &head) == RILL_OK) f->blocks[i].wear = head.wear;
        rc = ri_flash_erase(f, i);
        if (rc == RILL_OK) rc = flash_mount_spare(f, i);
        if (rc == RILL_OK) continue;
        if (f->nbad == RI_FLASH_BAD || rc != RILL_EIO) return rc;
        f->bad[f->nbad++] = (uint16_t)i;
    }
    return ri_flash_begin_first(f);
}

/* ---- Statistics ---- */

uint32_t ri_flash_id(const ri_flash *f)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    return f->conf.log_id;
}

void ri_flash_stats_of(const ri_flash *f, ri_flash_stats *out)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    *out = f->stats;
    out->wear_min = UINT32_MAX;
    for (uint32_t i = 0; i < f->dev->blocks; i++) {
        out->wear_min = RI_MIN(out->wear_min, f->blocks[i].wear);
        out->wear_max = RI_MAX(out->wear_max, f->blocks[i].wear);
    }
    out->free_blocks = ri_flash_free_blocks(f);
    out->bad_blocks = f->nbad;
    out->capacity_bytes = ri_flash_capacity(f);
    for (uint32_t i = 0; i < f->conf.max_streams; i++)
        if (f->streams[i].name_len > 0) out->kept_bytes += f->streams[i].limits.max_bytes;
}

#endif
