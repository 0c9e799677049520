/* SPDX-License-Identifier: Apache-2.0 */
/* The format of a log on disk, version 2.
 *
 * A log is a directory. Files named by eight hexadecimal digits and ".seg" are its *segments*,
 * and spares, in no order of names; LOCK is locked by who has the log open, and holds a note of
 * how far the log had come, or nothing. All integers are little-endian,
 * all checksums CRC-32C (polynomial 0x82f63b78 reflected, start and end inverted). "seeded" means:
 * the checksum continues from seed(segment) = crc32c(log id u64, segment number u64), so that
 * bytes left in a reused file, or come from another log, never look alive.
 *
 *   0        64                                                    file size - 128   file size
 *   +--------+--------+---------+--------+---------+ - - - - +--------+------+---------+
 *   | header | commit | entries | commit | entries | unused  | footer | copy | trailer |
 *   +--------+--------+---------+--------+---------+ - - - - +--------+------+---------+
 *                                                   ^ end     footer and trailer: sealed ones only
 *
 * Segment header, 64 bytes; the copy is the same again.
 *
 *    0  8  "rillseg\n"                       32  8  segment number, from 1 on; the order of the log
 *    8  4  format version: 2                 40  4  file size
 *   12  4  required feature bits: 0          44  4  this number less that of the segment before it
 *   16  4  optional feature bits             48  8  number of its first commit
 *   20  4  epoch when it was begun           56  4  check of the commit before that one, or 0
 *   24  8  log id                            60  4  crc32c of bytes 0..59
 *
 * A spare says so:   0  8  "rillfree"   8  4  2   24  8  log id   40  4  file size   60  4  crc
 * The note in LOCK:   0  8  "rillnote"    8  4  2    24  8  log id    32  8  number of the newest
 * segment    40  8  number of a commit that was durable    60  4  crc of bytes 0..59, as all here
 *
 * A reader refuses a newer version and any required bit that it does not know. In version 1 the
 * file size has eight bytes and no segment before is named; there is no copy and no note, the
 * footer ends at the trailer; a spare is a file with zeros for a header.
 *
 * Commit header, 64 bytes, then its body of entries. Commits follow one another without a gap.
 *
 *    0  4  "rcmt"                            36  4  bytes of the body
 *    4  4  flags; 1: MORE, see below         40  4  entries in the body
 *    8  8  segment number                    44  4  epoch: counts the openings of the log
 *   16  8  commit number, one more each      48  4  crc32c of the entries' crc words, in order
 *   24  8  durable: all commits up to        52  4  check of the commit before (the chain)
 *          this were on disk                 56  4  0
 *   32  4  position of this header           60  4  check: seeded crc32c of bytes 0..59
 *
 * The log ends before the first commit that is not the next one: number, chain, sums. A commit
 * with MORE goes on in the first commit of the next segment; without its last part none of its
 * parts counts. A commit without entries only moves `durable` on.
 *
 * Entry: begins at a multiple of 8 within the file, padded with zeros.
 *
 *    0  4  seeded crc32c of bytes 4..length-1          8  1  kind     9  1  bits    10  2  0
 *    4  4  length, without the padding                12  4  track number, 0: of no track
 *
 *   1 RECORD    16 seq u64, 24 time i64 in ns, 32 subject id u32, 36 the owner's flags u32, then
 *               if bits & 1: headers length u32 and headers; then data to the end
 *   2 BATCH     16 first seq u64, 24 last seq u64, 32 a Kafka RecordBatch v2; its base offset is
 *               first seq - 1, its leader epoch 0
 *   3 SUBJECT   16 subject id u32, 20 name: ids hold within the segment
 *   4 TRACK     16 next seq u64, 24 floor u64, 32 track id u64, 40 options u32 (1: subject
 *               index, 2: only the newest record is live, 4: takes batches), 44 0. Comes before the
 *               track's other entries in each segment. Track numbers are never used twice.
 *   5 SKIP      16 next seq u64: those below are used up
 *   6 PURGE     16 floor u64: all records below are dead
 *   7 REMOVE    16 first seq, 24 last seq, 32 home, 40 also: records first..last are dead; the
 *               numbers of the segments that hold them (`also` may be 0) say how long the entry
 *               is needed
 *   8 DROP      16 u64: the track and all its records are dead; number of the segment that
 *               declared it first
 *   9 GONE      16 u64, 24 u64: of two numbers of segments, all between them were given up, and the
 *               second follows on the first; that is 0 if the second is the first that there is,
 *               2^64-1 if version 1 does not say it. Of no track
 *
 * Which segments there are: the newest GONE of a number, or else its header, names the one before
 * it. One that is named and is not there is *missing*. So is the next one after the last, if that
 * has a trailer, or if the note names a later one. A segment between the two of a GONE, or between
 * one and the one that its header names, is none any more: it was not wiped when the power went,
 * or its file came back from elsewhere; nothing in it counts. A file that begins as neither
 * segment nor spare is damaged; the copy, or the trailer, may say what it is. Only a file that was
 * never synced as a segment may be without header, or too short: the trailer of the one before, a
 * commit in it that says that an earlier one of it was durable, or the note says that it was. The
 * first of a log, and one behind a damaged segment, for which no trailer speaks, is synced as a
 * spare first.
 *
 * A segment in which opening finds damage takes no more commits and no footer, and is never used
 * again. Two things are still written to it: zeros over records that are erased, if they are whole,
 * and over what is left of a commit that was cut off. One of which only the footer is damaged gets
 * a new one. A segment in which damage is met later is emptied by the cleaner of what is whole, and
 * stays if it holds a damaged record that lives.
 *
 * Zeros say nothing: files are made of them ahead, and a disk may give them for a sector that it
 * has lost. So where no commit stands, it is never the bytes there that divide an end from damage,
 * but what speaks of them: `durable` of a commit further on, the first commit of the segment
 * behind, a trailer, the note. What nothing speaks of is what was committed last before the power
 * went: it goes without trace if all its bytes do.
 *
 * Reading a log: take the segments by number, their entries in order, and keep for each track the
 * newest place of each sequence. The cleaner copies live records into later segments under their
 * old sequences, so a record may occur twice: the later one counts. A record that fails its own
 * checksum in a commit that holds was erased, if something says that it is dead; else damaged. A
 * batch of which one record is erased is written anew without it, and erased as a whole: each of
 * its records is said to be dead, or stands elsewhere.
 *
 * Footer of a sealed segment, written after all its commits are durable; trailer last, 64 bytes
 * at the end of the file. Everything in it follows from the entries. It lists what was live when
 * the segment was sealed, so removals in later segments still count.
 *
 *    0  8  "rillend\n"                       32  4  seeded crc32c of the directory
 *    8  8  segment number                    36  4  end of the commits
 *   16  8  number of the last commit         40  4  check of the last commit
 *   24  4  position of the directory         44  4  position of the names
 *   28  4  bytes of the directory            48  12 0        60  4  seeded crc32c of bytes 0..59
 *
 *   directory   ntracks, nruns, nremovals, nsums, then names: position, bytes, seeded crc32c;
 *               nsubjects; eight u32. Then the tables:
 *   track, 40   number u32, options u32, id u64, next seq u64, floor u64, first sum u32, sums u32
 *   run, 72     track u32, slots u32, first seq u64, live u32, position of the slots u32, bits
 *               u32 (1: times not in order, 2: subject ids follow), seeded crc32c of slots and
 *               ids, bytes u64, bytes as stored u64, least and greatest time i64, 0 u64
 *   removal, 40 track u32, kind u32 (0: of records, 1: DROP, 2: GONE), first u64, last u64,
 *               home u64, also u64: those that other segments' dead need; of this one's the runs
 *               say what lived
 *   sum, 24     subject id u32, live records u32, first seq u64, last seq u64: of one track
 *   slots       u32 each: position of the entry of first seq + i, 0: dead; then as many subject
 *               ids u32
 *   names       count u32, offsets from here u32 (one more than count), then the bytes
 *
 * Why a crash cannot hurt: nothing is overwritten but spares, erased data, footers that are
 * damaged, what is left of a commit that was cut off, and the note. A segment is written to only
 * when the one before it is synced, a trailer only when its footer is, and the first commit of the
 * segment behind it; a file is reused only after it was made a spare and synced, and that only when
 * what was copied out of it, and the GONE that says so, is durable. Before a spare is named by a
 * trailer it is a segment with a durable commit, so a crash on the way from one to the other leaves
 * a spare, or a segment that nobody was informed of. The note is written behind the sync of what it
 * names. A write may reach the disk in any order and in part; 64 aligned bytes, such as the header
 * and the trailer, must arrive whole or not at all, and disks promise 512. */
#include "store/log/segment.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "codec/kafka/kafka_batch.h"

static const char segment_magic[8] = {'r', 'i', 'l', 'l', 's', 'e', 'g', '\n'};
static const char segment_end_magic[8] = {'r', 'i', 'l', 'l', 'e', 'n', 'd', '\n'};
static const char segment_spare_magic[8] = {'r', 'i', 'l', 'l', 'f', 'r', 'e', 'e'};
static const char segment_note_magic[8] = {'r', 'i', 'l', 'l', 'n', 'o', 't', 'e'};

uint32_t ri_segment_seed(uint64_t log_id, uint64_t number)
{
    char bytes[16];
    ri_segment_set64(bytes, log_id);
    ri_segment_set64(bytes + 8, number);
    return ri_crc32c(0, bytes, sizeof bytes);
}

void ri_segment_put_head(char *out, const ri_segment_head *head)
{
    memcpy(out, segment_magic, 8);
    ri_segment_set32(out + 8, RI_SEGMENT_VERSION);
    ri_segment_set32(out + 12, head->required);
    ri_segment_set32(out + 16, head->optional);
    ri_segment_set32(out + 20, head->epoch);
    ri_segment_set64(out + 24, head->log_id);
    ri_segment_set64(out + 32, head->number);
    ri_segment_set32(out + 40, (uint32_t)head->size);
    ri_segment_set32(out + 44, (uint32_t)(head->number - head->prev));
    ri_segment_set64(out + 48, head->first_commit);
    ri_segment_set32(out + 56, head->chain);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
}

/* Half of them are above what is written, so that what is counted on from one does not go round. */
static bool segment_is_number(uint64_t number)
{
    return number < 2 * RI_SEGMENT_NUMBERS;
}

int ri_segment_get_head(const char *in, ri_segment_head *head)
{
    if (memcmp(in, segment_magic, 8) != 0 || ri_segment_u32(in + 60) != ri_crc32c(0, in, 60))
        return ri_err(RILL_ECORRUPT, "no segment header");
    *head = (ri_segment_head){
        .required = ri_segment_u32(in + 12), .optional = ri_segment_u32(in + 16),
        .epoch = ri_segment_u32(in + 20), .log_id = ri_segment_u64(in + 24),
        .number = ri_segment_u64(in + 32), .size = ri_segment_u64(in + 40),
        .first_commit = ri_segment_u64(in + 48), .chain = ri_segment_u32(in + 56),
        .version = ri_segment_u32(in + 8), .prev = RI_SEGMENT_UNNAMED,
    };
    if (head->version < 1 || head->version > RI_SEGMENT_VERSION)
        return ri_err(RILL_ENOTSUP, "written in format version %u; this build reads 1 to %d",
                      head->version, RI_SEGMENT_VERSION);
    if (head->version > 1) {
        head->size = ri_segment_u32(in + 40);
        head->prev = head->number - ri_segment_u32(in + 44);
    }
    if (head->number == 0 || !segment_is_number(head->number) ||
        !segment_is_number(head->first_commit) ||
        (head->version > 1 && head->prev >= head->number))
        return ri_err(RILL_ECORRUPT, "a segment header without a number");
    if (head->required)
        return ri_err(RILL_ENOTSUP, "needs features 0x%x that this build does not have",
                      head->required);
    return RILL_OK;
}

void ri_segment_put_spare(char *out, uint64_t log_id, uint32_t size)
{
    memset(out, 0, RI_SEGMENT_HEAD);
    memcpy(out, segment_spare_magic, 8);
    ri_segment_set32(out + 8, RI_SEGMENT_VERSION);
    ri_segment_set64(out + 24, log_id);
    ri_segment_set32(out + 40, size);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
}

bool ri_segment_is_spare(const char *in)
{
    return memcmp(in, segment_spare_magic, 8) == 0 &&
           ri_segment_u32(in + 60) == ri_crc32c(0, in, 60);
}

void ri_segment_put_note(char *out, const ri_segment_note *note)
{
    memset(out, 0, RI_SEGMENT_NOTE);
    memcpy(out, segment_note_magic, 8);
    ri_segment_set32(out + 8, RI_SEGMENT_VERSION);
    ri_segment_set64(out + 24, note->log_id);
    ri_segment_set64(out + 32, note->number);
    ri_segment_set64(out + 40, note->commit);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
}

int ri_segment_get_note(const char *in, ri_segment_note *note)
{
    if (memcmp(in, segment_note_magic, 8) != 0 || ri_segment_u32(in + 60) != ri_crc32c(0, in, 60))
        return RILL_ECORRUPT;
    *note = (ri_segment_note){ri_segment_u64(in + 24), ri_segment_u64(in + 32),
                              ri_segment_u64(in + 40)};
    bool sound = note->number && note->number < RI_SEGMENT_NUMBERS &&
                 note->commit < RI_SEGMENT_NUMBERS;
    return sound ? RILL_OK : RILL_ECORRUPT;
}

void ri_segment_put_commit(char *out, uint32_t seed, ri_segment_commit *commit)
{
    ri_segment_set32(out, RI_SEGMENT_COMMIT_MAGIC);
    ri_segment_set32(out + 4, commit->flags);
    ri_segment_set64(out + 8, commit->segment);
    ri_segment_set64(out + 16, commit->number);
    ri_segment_set64(out + 24, commit->durable);
    ri_segment_set32(out + 32, commit->position);
    ri_segment_set32(out + 36, commit->bytes);
    ri_segment_set32(out + 40, commit->entries);
    ri_segment_set32(out + 44, commit->epoch);
    ri_segment_set32(out + 48, commit->body);
    ri_segment_set32(out + 52, commit->prev);
    ri_segment_set32(out + 56, 0);
    commit->check = ri_crc32c(seed, out, 60);
    ri_segment_set32(out + 60, commit->check);
}

int ri_segment_get_commit(const char *in, uint32_t seed, ri_segment_commit *commit)
{
    if (ri_segment_u32(in) != RI_SEGMENT_COMMIT_MAGIC ||
        ri_segment_u32(in + 60) != ri_crc32c(seed, in, 60))
        return ri_err(RILL_ECORRUPT, "no commit header");
    *commit = (ri_segment_commit){
        .flags = ri_segment_u32(in + 4), .segment = ri_segment_u64(in + 8),
        .number = ri_segment_u64(in + 16), .durable = ri_segment_u64(in + 24),
        .position = ri_segment_u32(in + 32), .bytes = ri_segment_u32(in + 36),
        .entries = ri_segment_u32(in + 40), .epoch = ri_segment_u32(in + 44),
        .body = ri_segment_u32(in + 48), .prev = ri_segment_u32(in + 52),
        .check = ri_segment_u32(in + 60),
    };
    if (!segment_is_number(commit->number) || !segment_is_number(commit->durable))
        return ri_err(RILL_ECORRUPT, "a commit header without a number");
    return RILL_OK;
}

bool ri_segment_fits_commit(const char *in, uint64_t segment, uint32_t position, uint32_t size)
{
    RI_ASSERT(size >= RI_SEGMENT_COMMIT);
    return ri_segment_u32(in) == RI_SEGMENT_COMMIT_MAGIC && ri_segment_u64(in + 8) == segment &&
           ri_segment_u32(in + 32) == position && position <= size - RI_SEGMENT_COMMIT &&
           ri_segment_u32(in + 36) <= size - RI_SEGMENT_COMMIT - position;
}

void ri_segment_put_trailer(char *out, uint32_t seed, const ri_segment_trailer *trailer)
{
    memcpy(out, segment_end_magic, 8);
    ri_segment_set64(out + 8, trailer->number);
    ri_segment_set64(out + 16, trailer->last_commit);
    ri_segment_set32(out + 24, trailer->position);
    ri_segment_set32(out + 28, trailer->head_bytes);
    ri_segment_set32(out + 32, trailer->head_crc);
    ri_segment_set32(out + 36, trailer->end);
    ri_segment_set32(out + 40, trailer->chain);
    ri_segment_set32(out + 44, trailer->names);
    ri_segment_set32(out + 48, 0);
    ri_segment_set32(out + 52, 0);
    ri_segment_set32(out + 56, 0);
    ri_segment_set32(out + 60, ri_crc32c(seed, out, 60));
}

int ri_segment_get_trailer(const char *in, uint64_t log_id, ri_segment_trailer *trailer)
{
    uint64_t number = ri_segment_u64(in + 8);
    if (memcmp(in, segment_end_magic, 8) != 0 ||
        ri_segment_u32(in + 60) != ri_crc32c(ri_segment_seed(log_id, number), in, 60))
        return ri_err(RILL_ECORRUPT, "no segment trailer");
    *trailer = (ri_segment_trailer){
        .number = number, .last_commit = ri_segment_u64(in + 16),
        .position = ri_segment_u32(in + 24), .head_bytes = ri_segment_u32(in + 28),
        .head_crc = ri_segment_u32(in + 32), .end = ri_segment_u32(in + 36),
        .chain = ri_segment_u32(in + 40), .names = ri_segment_u32(in + 44),
    };
    if (!segment_is_number(trailer->last_commit))
        return ri_err(RILL_ECORRUPT, "a segment trailer without a commit");
    return RILL_OK;
}

static uint32_t segment_length(const ri_segment_entry *e)
{
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD:
        return RI_SEGMENT_RECORD + (e->headers.len ? 4 : 0) +
               (uint32_t)(e->headers.len + e->data.len);
    case RI_SEGMENT_KIND_BATCH: return RI_SEGMENT_BATCH + (uint32_t)e->data.len;
    case RI_SEGMENT_KIND_SUBJECT: return RI_SEGMENT_SUBJECT + (uint32_t)e->data.len;
    case RI_SEGMENT_KIND_TRACK: return RI_SEGMENT_TRACK;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP: return RI_SEGMENT_SKIP;
    case RI_SEGMENT_KIND_REMOVE: return RI_SEGMENT_REMOVE;
    case RI_SEGMENT_KIND_GONE: return RI_SEGMENT_GONE;
    }
    return 0;
}

uint32_t ri_segment_entry_size(const ri_segment_entry *e)
{
    return (uint32_t)RI_ALIGN(segment_length(e), 8);
}

/* Base offset and leader epoch of a Kafka batch are the broker's, and outside its checksum. */
static void segment_put_batch(char *out, const ri_segment_entry *e)
{
    RI_ASSERT(e->data.len >= RI_SEGMENT_BATCH && e->seq <= e->last);
    ri_segment_set64(out + 16, e->seq);
    ri_segment_set64(out + 24, e->last);
    out += RI_SEGMENT_BATCH;
    memcpy(out, e->data.ptr, e->data.len);
    ri_kafka_batch_patch(out, (int64_t)e->seq - 1, 0);
}

/* The sum of what follows the sum in a record's fixed part, by words as it will be read. */
static inline uint32_t segment_sum_record(uint32_t seed, const ri_segment_entry *e)
{
    uint64_t time_ns = (uint64_t)e->time_ns, kind = (uint32_t)e->kind | e->bits << 8;
    char sum[RI_SEGMENT_RECORD];
    ri_segment_set64(sum, e->length | kind << 32);
    ri_segment_set64(sum + 8, e->track | e->seq << 32);
    ri_segment_set64(sum + 16, e->seq >> 32 | time_ns << 32);
    ri_segment_set64(sum + 24, time_ns >> 32 | (uint64_t)e->subject << 32);
    ri_segment_set32(sum + 32, e->flags);
    return ri_crc32c(seed, sum, RI_SEGMENT_RECORD - 4);
}

static inline void segment_put_fixed(char *out, const ri_segment_entry *e)
{
    uint64_t kind = (uint32_t)e->kind | e->bits << 8;
    ri_segment_set64(out, e->crc | (uint64_t)e->length << 32);
    ri_segment_set64(out + 8, kind | (uint64_t)e->track << 32);
    ri_segment_set64(out + 16, e->seq);
    ri_segment_set64(out + 24, (uint64_t)e->time_ns);
    ri_segment_set64(out + 32, e->subject | (uint64_t)e->flags << 32);
}

/* What most writes of a log consist of has its sum made of the parts before they are stored: what
 * was just written, to memory that is in no cache, would have to be waited for. */
static uint32_t segment_put_record(char *out, uint32_t seed, ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_RECORD && e->seq > 0);
    e->bits = e->headers.len ? RI_SEGMENT_BIT_HEADERS : 0;
    uint32_t size = ri_segment_record_size(e->headers.len, e->data.len);
    uint32_t crc = segment_sum_record(seed, e);
    ri_segment_set64(out + size - 8, 0); /* the padding */
    char *to = out + RI_SEGMENT_RECORD;
    if (e->headers.len) {
        crc = ri_crc32c_word(crc, (uint32_t)e->headers.len);
        crc = ri_crc32c(crc, e->headers.ptr, e->headers.len);
        ri_segment_set32(to, (uint32_t)e->headers.len);
        memcpy(to + 4, e->headers.ptr, e->headers.len);
        to += 4 + e->headers.len;
    }
    if (e->data.len) {
        crc = ri_crc32c(crc, e->data.ptr, e->data.len);
        memcpy(to, e->data.ptr, e->data.len);
    }
    e->crc = crc;
    segment_put_fixed(out, e);
    return size;
}

uint32_t ri_segment_lent_sum(ri_str headers, ri_str data, uint32_t *power)
{
    uint32_t sum = 0;
    if (headers.len) {
        sum = ri_crc32c_word(sum, (uint32_t)headers.len);
        sum = ri_crc32c(sum, headers.ptr, headers.len);
    }
    *power = ri_crc32c_power((headers.len ? 4 + headers.len : 0) + data.len);
    return data.len ? ri_crc32c(sum, data.ptr, data.len) : sum;
}

uint32_t ri_segment_put_lent(char *out, uint32_t seed, ri_segment_entry *e, uint32_t sum,
                             uint32_t power, uint32_t *at)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_RECORD && e->seq > 0);
    e->length = segment_length(e);
    e->bits = e->headers.len ? RI_SEGMENT_BIT_HEADERS : 0;
    uint32_t size = ri_segment_record_size(e->headers.len, e->data.len);
    e->crc = ri_crc32c_join(segment_sum_record(seed, e), sum, power);
    ri_segment_set64(out + size - 8, 0); /* the padding */
    *at = RI_SEGMENT_RECORD;
    if (e->headers.len) {
        ri_segment_set32(out + RI_SEGMENT_RECORD, (uint32_t)e->headers.len);
        *at += 4;
    }
    segment_put_fixed(out, e);
    return size;
}

static uint32_t segment_put_subject(char *out, uint32_t seed, ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_SUBJECT && e->length >= RI_SEGMENT_SUBJECT);
    uint32_t size = (uint32_t)RI_ALIGN(e->length, 8);
    char sum[RI_SEGMENT_SUBJECT - 4];
    ri_segment_set64(sum, e->length | (uint64_t)e->kind << 32);
    ri_segment_set64(sum + 8, e->track | (uint64_t)e->subject << 32);
    e->bits = 0;
    e->crc = ri_crc32c(ri_crc32c(seed, sum, sizeof sum), e->data.ptr, e->data.len);
    ri_segment_set64(out + size - 8, 0);
    ri_segment_set32(out, e->crc);
    memcpy(out + 4, sum, sizeof sum);
    if (e->data.len) memcpy(out + RI_SEGMENT_SUBJECT, e->data.ptr, e->data.len);
    return size;
}

uint32_t ri_segment_put_entry(char *out, uint32_t seed, ri_segment_entry *e)
{
    e->length = segment_length(e);
    if (ri_likely(e->kind == RI_SEGMENT_KIND_RECORD)) return segment_put_record(out, seed, e);
    if (e->kind == RI_SEGMENT_KIND_SUBJECT) return segment_put_subject(out, seed, e);
    uint32_t size = (uint32_t)RI_ALIGN(e->length, 8);
    ri_segment_set64(out + size - 8, 0); /* the padding */
    ri_segment_set32(out + 4, e->length);
    e->bits = 0;
    ri_segment_set32(out + 8, (uint32_t)e->kind);
    ri_segment_set32(out + 12, e->track);
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD:
    case RI_SEGMENT_KIND_SUBJECT: break;
    case RI_SEGMENT_KIND_BATCH: segment_put_batch(out, e); break;
    case RI_SEGMENT_KIND_TRACK:
        ri_segment_set64(out + 16, e->seq);
        ri_segment_set64(out + 24, e->last);
        ri_segment_set64(out + 32, e->id);
        ri_segment_set32(out + 40, e->flags);
        ri_segment_set32(out + 44, 0);
        break;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP: ri_segment_set64(out + 16, e->seq); break;
    case RI_SEGMENT_KIND_REMOVE:
        ri_segment_set64(out + 16, e->seq);
        ri_segment_set64(out + 24, e->last);
        ri_segment_set64(out + 32, e->id);
        ri_segment_set64(out + 40, e->also);
        break;
    case RI_SEGMENT_KIND_GONE:
        ri_segment_set64(out + 16, e->seq);
        ri_segment_set64(out + 24, e->last);
        break;
    }
    e->crc = ri_crc32c(seed, out + 4, e->length - 4);
    ri_segment_set32(out, e->crc);
    return size;
}

static int segment_bad(const char *what)
{
    return ri_err(RILL_ECORRUPT, "%s", what);
}

static int segment_get_record(const char *in, ri_segment_entry *e)
{
    RI_ASSERT(e->kind == RI_SEGMENT_KIND_RECORD);
    if (e->length < RI_SEGMENT_RECORD) return segment_bad("record too short");
    e->seq = ri_segment_u64(in + 16);
    if (e->seq - 1 >= UINT64_MAX - 1) return segment_bad("record without a sequence");
    e->last = e->seq;
    e->time_ns = (int64_t)ri_segment_u64(in + 24);
    e->subject = ri_segment_u32(in + 32);
    e->flags = ri_segment_u32(in + 36);
    uint32_t at = RI_SEGMENT_RECORD;
    if (e->bits & RI_SEGMENT_BIT_HEADERS) {
        if (e->length < at + 4) return segment_bad("record too short");
        uint32_t len = ri_segment_u32(in + at);
        if (len > e->length - at - 4) return segment_bad("headers run past the record");
        e->headers = (ri_str){in + at + 4, len};
        at += 4 + len;
    }
    e->data = (ri_str){in + at, e->length - at};
    return RILL_OK;
}

/* Take apart what follows the common part; the bytes are all there. */
static int segment_get_rest(const char *in, ri_segment_entry *e)
{
    RI_ASSERT(e->length >= RI_SEGMENT_ENTRY);
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD: return segment_get_record(in, e);
    case RI_SEGMENT_KIND_BATCH:
        if (e->length < RI_SEGMENT_BATCH) return segment_bad("batch too short");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        if (e->seq == 0 || e->last < e->seq || e->last - e->seq >= e->length ||
            e->last == UINT64_MAX)
            return segment_bad("batch without records");
        e->data = (ri_str){in + RI_SEGMENT_BATCH, e->length - RI_SEGMENT_BATCH};
        return RILL_OK;
    case RI_SEGMENT_KIND_SUBJECT:
        if (e->length < RI_SEGMENT_SUBJECT) return segment_bad("subject too short");
        e->subject = ri_segment_u32(in + 16);
        e->data = (ri_str){in + RI_SEGMENT_SUBJECT, e->length - RI_SEGMENT_SUBJECT};
        return RILL_OK;
    case RI_SEGMENT_KIND_TRACK:
        if (e->length != RI_SEGMENT_TRACK) return segment_bad("track of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        e->id = ri_segment_u64(in + 32);
        e->flags = ri_segment_u32(in + 40);
        return ri_segment_is_track(e->track, e->id) ? RILL_OK : segment_bad("track without an id");
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP:
        if (e->length != RI_SEGMENT_SKIP) return segment_bad("entry of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        return RILL_OK;
    case RI_SEGMENT_KIND_REMOVE:
        if (e->length != RI_SEGMENT_REMOVE) return segment_bad("removal of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        e->id = ri_segment_u64(in + 32);
        e->also = ri_segment_u64(in + 40);
        return e->last < e->seq ? segment_bad("removal of nothing") : RILL_OK;
    case RI_SEGMENT_KIND_GONE:
        if (e->length != RI_SEGMENT_GONE) return segment_bad("entry of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        return RILL_OK;
    }
    return segment_bad("entry of an unknown kind");
}

static int segment_entry_start(const char *in, size_t len, ri_segment_entry *e)
{
    *e = (ri_segment_entry){.length = RI_SEGMENT_ENTRY};
    if (len < RI_SEGMENT_ENTRY) return RILL_EAGAIN;
    e->length = ri_segment_u32(in + 4);
    if (e->length < RI_SEGMENT_SUBJECT || e->length > INT32_MAX)
        return segment_bad("no entry");
    return e->length > len ? RILL_EAGAIN : RILL_OK;
}

static int segment_entry_parts(const char *in, ri_segment_entry *e)
{
    uint32_t kind = ri_segment_u32(in + 8);
    e->crc = ri_segment_u32(in);
    e->kind = (ri_segment_kind)(kind & 255);
    e->bits = kind >> 8;
    e->track = ri_segment_u32(in + 12);
    return segment_get_rest(in, e);
}

int ri_segment_get_entry(const char *in, size_t len, uint32_t seed, ri_segment_entry *e)
{
    int rc = segment_entry_start(in, len, e);
    if (rc < 0) return rc;
    if (ri_segment_u32(in) != ri_crc32c(seed, in + 4, e->length - 4))
        return segment_bad("an entry fails its checksum");
    return segment_entry_parts(in, e);
}

int ri_segment_read_entry(const char *in, size_t len, ri_segment_entry *e)
{
    int rc = segment_entry_start(in, len, e);
    return rc < 0 ? rc : segment_entry_parts(in, e);
}

/* Where in an erased batch its number of records stands, which goes on to say what share of the
 * bytes each of them has. */
enum { SEGMENT_COUNT = RI_SEGMENT_BATCH + 57, SEGMENT_COUNT_END = SEGMENT_COUNT + 4 };

static bool segment_keeps_count(const char *entry, uint32_t length)
{
    return (entry[8] & 255) == RI_SEGMENT_KIND_BATCH && length >= SEGMENT_COUNT_END;
}

void ri_segment_erase_entry(char *entry)
{
    uint32_t length = ri_segment_u32(entry + 4), at = RI_SEGMENT_RECORD;
    RI_ASSERT(length >= RI_SEGMENT_RECORD);
    if (segment_keeps_count(entry, length)) {
        memset(entry + at, 0, SEGMENT_COUNT - at);
        at = SEGMENT_COUNT_END;
    }
    memset(entry + at, 0, length - at);
}

bool ri_segment_is_erased(const char *entry, uint32_t length)
{
    int kind = entry[8] & 255;
    if (kind != RI_SEGMENT_KIND_RECORD && kind != RI_SEGMENT_KIND_BATCH) return false;
    bool counts = segment_keeps_count(entry, length);
    for (uint32_t at = RI_SEGMENT_RECORD; at < length; at++) {
        if (counts && at == SEGMENT_COUNT) at = SEGMENT_COUNT_END;
        if (at < length && entry[at]) return false;
    }
    return true;
}

uint32_t ri_segment_chain(uint32_t body, uint32_t crc)
{
    return ri_crc32c_word(body, crc);
}

int ri_segment_check_body(const char *body, const ri_segment_commit *commit)
{
    uint32_t sum = 0, at = 0;
    for (uint32_t i = 0; i < commit->entries; i++) {
        ri_segment_entry e;
        if (at >= commit->bytes || segment_entry_start(body + at, commit->bytes - at, &e) < 0)
            return segment_bad("a commit has fewer entries than it says");
        sum = ri_segment_chain(sum, ri_segment_u32(body + at));
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    if (at != commit->bytes || sum != commit->body)
        return segment_bad("a commit's entries fail its checksum");
    return RILL_OK;
}
