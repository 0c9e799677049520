/* SPDX-License-Identifier: Apache-2.0 */
/* What runs each command: its exit code. The bus is opened by who needs one. */
#ifndef RILL_TOOL_RUN_H
#define RILL_TOOL_RUN_H

struct tool;

/* live.c */
int run_pub(struct tool *t);
int run_sub(struct tool *t);
int run_req(struct tool *t);
/* answer.c */
int run_reply(struct tool *t);
int run_serve(struct tool *t);
/* stream.c, stream_conf.c */
int run_stream_ls(struct tool *t);
int run_stream_info(struct tool *t);
int run_stream_add(struct tool *t);
int run_stream_edit(struct tool *t);
int run_stream_purge(struct tool *t);
int run_stream_rm(struct tool *t);
int run_stream_erase(struct tool *t);
int run_stream_get(struct tool *t);
int run_stream_tail(struct tool *t);
int run_stream_find(struct tool *t);
/* kv.c */
int run_kv_ls(struct tool *t);
int run_kv_info(struct tool *t);
int run_kv_add(struct tool *t);
int run_kv_rm(struct tool *t);
int run_kv_get(struct tool *t);
int run_kv_put(struct tool *t);
int run_kv_create(struct tool *t);
int run_kv_update(struct tool *t);
int run_kv_del(struct tool *t);
int run_kv_purge(struct tool *t);
int run_kv_keys(struct tool *t);
int run_kv_history(struct tool *t);
int run_kv_watch(struct tool *t);
/* group.c */
int run_group_ls(struct tool *t);
int run_group_info(struct tool *t);
int run_group_add(struct tool *t);
int run_group_rm(struct tool *t);
int run_group_next(struct tool *t);
int run_group_lag(struct tool *t);
int run_group_reset(struct tool *t);
int run_group_seek(struct tool *t);
int run_group_pause(struct tool *t);
int run_group_resume(struct tool *t);
/* obj.c */
int run_obj_ls(struct tool *t);
int run_obj_info(struct tool *t);
int run_obj_add(struct tool *t);
int run_obj_rm(struct tool *t);
int run_obj_seal(struct tool *t);
int run_obj_put(struct tool *t);
int run_obj_get(struct tool *t);
int run_obj_watch(struct tool *t);
/* care.c, forward.c */
int run_backup(struct tool *t);
int run_restore(struct tool *t);
int run_salvage(struct tool *t);
int run_scrub(struct tool *t);
int run_forward(struct tool *t);
/* bench.c */
int run_bench_pub(struct tool *t);
int run_bench_sub(struct tool *t);
int run_bench_request(struct tool *t);
int run_bench_append(struct tool *t);
int run_bench_consume(struct tool *t);
/* check.c */
int run_check_connection(struct tool *t);
int run_check_stream(struct tool *t);
int run_check_group(struct tool *t);
int run_check_kv(struct tool *t);
/* top.c */
int run_top(struct tool *t);
/* context.c */
int run_context_ls(struct tool *t);
int run_context_add(struct tool *t);
int run_context_select(struct tool *t);
int run_context_rm(struct tool *t);
int run_context_show(struct tool *t);
/* help.c, completion.c */
int run_help(struct tool *t);
int run_man(struct tool *t);
int run_completion(struct tool *t);

#endif
