/* SPDX-License-Identifier: Apache-2.0 */
/* Records of groups on their way to the disk, and who waits for them.
 *
 *     write_group(), ...    append to the open commit, in place of the record before
 *     write_begin()         something shall be done when that is on disk
 *     done(), call->done()  the commit has ended, well or not
 *
 * A commit that fails is the log's end until it is opened again: what groups know is then ahead of
 * the disk, and whoever waited hears that it did not go well. */
#include "engine/groups/modern.h"

#define WRITE_SUBJECT RI_STR("g")

/* ---- Appending ---- */

/* What is in groups->record, in place of the record *seq; 0: of none. */
static int write_append(ri_groups *groups, uint64_t *seq)
{
    if (groups->record.failed) return ri_err_nomem(0);
    ri_record record = {.time_ns = groups->wall_ns, .subject = WRITE_SUBJECT,
                        .data = ri_buffer_str(&groups->record)};
    ri_groups_spend(groups, record.data.len / RI_BUDGET_BYTES + 4);
    int rc = ri_track_append(groups->track, &record);
    if (rc < 0) return rc;
    if (*seq) ri_track_remove(groups->track, *seq, false); /* if not now, when it is loaded */
    *seq = record.seq;
    return RILL_OK;
}

int ri_groups_write_classic(ri_group *group)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->magic == RI_GROUP_MAGIC && group->state != RI_CLASSIC_DEAD);
    if (!groups->track) return RILL_OK;
    ri_buffer_reset(&groups->record);
    ri_groups_record_put(group, &groups->record);
    return write_append(groups, &group->record_seq);
}

int ri_groups_write_group(ri_group *group)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->magic == RI_GROUP_MAGIC && group->state != RI_CLASSIC_DEAD);
    if (!group->modern) return ri_groups_write_classic(group);
    if (!groups->track) return RILL_OK;
    ri_buffer_reset(&groups->record);
    ri_groups_record_put_modern(group, &groups->record);
    return write_append(groups, &group->record_seq);
}

int ri_groups_write_member(ri_modern_member *member)
{
    ri_groups *groups = member->group->groups;
    if (!groups->track) return RILL_OK;
    ri_buffer_reset(&groups->record);
    ri_groups_record_put_member(member, &groups->record);
    return write_append(groups, &member->record_seq);
}

void ri_groups_write_gone_member(ri_modern_member *member)
{
    ri_groups *groups = member->group->groups;
    if (member->record_seq) ri_track_remove(groups->track, member->record_seq, false);
    member->record_seq = 0;
}

int ri_groups_write_grave(ri_group *group)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    if (!groups->track) return RILL_OK;
    if (group->noffsets == 0) {
        ri_groups_write_gone(group);
        return RILL_OK;
    }
    ri_buffer_reset(&groups->record);
    ri_groups_record_put_grave(group, &groups->record);
    return write_append(groups, &group->record_seq);
}

int ri_groups_write_offset(const ri_offset *offset, uint64_t *seq)
{
    ri_groups *groups = offset->topic->group->groups;
    if (!groups->track) return RILL_OK;
    ri_buffer_reset(&groups->record);
    ri_groups_record_put_offset(offset, &groups->record);
    return write_append(groups, seq);
}

int ri_groups_write_gone_offset(ri_offset *offset)
{
    uint64_t seq = offset->record_seq;
    int rc = seq ? ri_track_remove(offset->topic->group->groups->track, seq, false) : RILL_OK;
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    offset->record_seq = 0;
    return RILL_OK;
}

void ri_groups_write_gone(ri_group *group)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    if (group->record_seq) ri_track_remove(group->groups->track, group->record_seq, false);
    group->record_seq = 0;
}

/* ---- Waiting ---- */

static void write_free(ri_groups_write *write)
{
    ri_group *group = write->group;
    const ri_host *host = group->groups->host;
    ri_list_remove(&write->link);
    if (write->member) write->member->replacing = NULL;
    if (write->text) ri_free(host, write->text, write->text_len + 1);
    ri_delete(host, write);
    RI_ASSERT(group->writes > 0);
    group->writes--;
    ri_groups_release(group);
}

static void write_done(ri_js_waiter *waiter, int rc)
{
    ri_groups_write *write = ri_container_of(waiter, ri_groups_write, waiter);
    RI_CHECK(write->group, RI_GROUP_MAGIC);
    if (write->done) write->done(write, rc);
    ri_group_call *call = ri_groups_unpark(&write->call);
    if (call && rc < 0)
        call->error = rc == RILL_ECLOSED ? RI_GROUP_NOT_COORDINATOR : RI_GROUP_NOT_AVAILABLE;
    if (call) call->done(call);
    write_free(write);
}

int ri_groups_write_begin(ri_group *group, void (*done)(ri_groups_write *write, int rc),
                          ri_group_call *call, ri_str text)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    ri_groups_write *write = ri_new(groups->host, ri_groups_write);
    if (!write) return RILL_ENOMEM;
    if (text.len && !(write->text = ri_strdup(groups->host, text.ptr, text.len))) {
        ri_delete(groups->host, write);
        return RILL_ENOMEM;
    }
    write->text_len = text.len;
    write->group = group;
    write->done = done;
    write->generation = group->generation;
    write->waiter.done = write_done;
    ri_list_init(&write->waiter.link);
    if (call) ri_groups_park(&write->call, call);
    group->holds++;
    group->writes++;
    ri_list_push(&groups->writes, &write->link);
    ri_js_wait(groups->js, groups->log, &write->waiter);
    return RILL_OK;
}

void ri_groups_write_answer(ri_group *group, ri_group_call *call)
{
    if (group->writes == 0 || ri_groups_write_begin(group, NULL, call, RI_STR_NONE) < 0)
        call->done(call);
}

int ri_groups_write_answer_from(ri_group *group, ri_group_call *call, char *block, size_t size)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(block && size > 0);
    if (group->writes > 0) {
        int rc = ri_groups_write_begin(group, NULL, call, RI_STR_NONE);
        if (rc < 0) {
            ri_free(groups->host, block, size);
            return rc;
        }
        ri_groups_write *write = ri_container_of(groups->writes.prev, ri_groups_write, link);
        write->text = block;
        write->text_len = size - 1;
        return RILL_OK;
    }
    call->done(call);
    ri_free(groups->host, block, size);
    return RILL_OK;
}

void ri_groups_write_close(ri_groups *groups)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    while (!ri_list_empty(&groups->writes)) {
        ri_groups_write *write = ri_container_of(groups->writes.next, ri_groups_write, link);
        ri_list_remove(&write->waiter.link);
        write_done(&write->waiter, RILL_ECLOSED);
    }
}
