/* SPDX-License-Identifier: Apache-2.0 */
/* In place of http_read.c where http_parser was not there when rill was built: the one question
 * that is asked has this answer, and none of the others is asked then. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/web/http_read.h"

int ri_http_read_there(void)
{
    return ri_err(RILL_ENOTSUP, "this rill was built without HTTP: libhttp-parser-dev was missing, "
                  "or -Dwebsocket=disabled was given");
}

size_t ri_http_read_head(ri_str bytes, size_t sought, size_t *skip)
{
    RI_ASSERT(!bytes.len && !sought);
    (void)bytes;
    (void)sought;
    *skip = 0;
    return 0;
}

int ri_http_read(ri_str head, ri_http_request *request, int *status)
{
    (void)head;
    *request = (ri_http_request){.keep = false};
    *status = 501;
    return ri_http_read_there();
}
