/* SPDX-License-Identifier: Apache-2.0 */
/* rill - the command line of messaging: of NATS servers, of stores on disk and of Kafka clusters,
 * through rill.h alone.
 *
 *     args (argv by the table of commands.c) -> a function of run.h -> out (lines, tables or JSON)
 *
 * rill/args.h    how the command line is read     rill/out.h     what goes to standard output
 * rill/link.c    the way to a broker              rill/stop.c    signals
 * rill/text.h    bytes of strangers               rill/tool.h    what all of these share
 * and a file for each group of commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill/args.h"
#include "rill/help.h"
#include "rill/tool.h"

static void rill_put_version(void)
{
    uint32_t v = rill_version();
    printf("rill %u.%u.%u\n", v >> 16, v >> 8 & 255, v & 255);
}

static int rill_run(tool *t)
{
    const args *a = &t->args;
    if (a->text[OPT_VERSION]) return rill_put_version(), TOOL_OK;
    if (a->text[OPT_HELP] && a->command) return help_command(&t->out, a->command), TOOL_OK;
    if (a->text[OPT_HELP] && a->group) return help_group(&t->out, a->group), TOOL_OK;
    if (a->text[OPT_HELP] || !a->command) {
        help_all(&t->out);
        return a->text[OPT_HELP] ? TOOL_OK : TOOL_USAGE;
    }
    return a->command->run(t);
}

/* The command line is wrong; for who asks `check`, nothing is known then. */
static int rill_usage(tool *t)
{
    bool checks = t->args.group && strcmp(t->args.group, "check") == 0;
    tool_error(t, TOOL_USAGE, "%s", t->args.error);
    return checks ? CHECK_UNKNOWN : TOOL_USAGE;
}

/* Standard output was not written: by a reader that has gone, or for want of room. */
static int rill_unwritten(tool *t, int code)
{
    int why = errno;
    if (code != TOOL_OK && code != TOOL_PIPE) return code;
    if (code == TOOL_PIPE || why == EPIPE) return TOOL_PIPE;
    return tool_error(t, TOOL_FAILED, "standard output: %s", strerror(why));
}

int main(int argc, char **argv)
{
    static tool t;
    stop_install();
    bool good = args_parse(&t.args, argc, argv);
    const char *colour = t.args.text[OPT_COLOUR];
    out_init(&t.out, t.args.text[OPT_JSON] != NULL, colour ? colour : "auto");
    int code = good ? rill_run(&t) : rill_usage(&t);
    out_end(&t.out);
    if (!out_flush()) code = rill_unwritten(&t, code);
    link_close(&t);
    out_free(&t.out);
    args_free(&t.args);
    return code;
}
