/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of HTTP: however the bytes are cut into pieces the head ends at the same place, and what
 * is read of it lies within it. The first byte says whether the input is words of such requests,
 * chosen by its bytes, or the bytes themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/web/http_read.h"
#include "support/fuzz.h"

static size_t words(char *out, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const all[] = {
        "GET ", "HEAD ", "POST ", "/", "/connz", "?a=b", "http://h/", " HTTP/1.1", " HTTP/1.0",
        "\r\n", "\r\n", "\r\n", "\n", "Host: h\r\n", "Connection: close\r\n", "Content-Length: ",
        "0", "5", "Transfer-Encoding: chunked\r\n", "Accept-Encoding: gzip;q=0.5, br\r\n",
        "Accept: application/openmetrics-text;version=1\r\n", " ", "\t", ":", ",", "X: y\r\n"};
    size_t len = 0;
    for (size_t i = 0; i < size; i++) {
        const char *word = all[data[i] % (sizeof all / sizeof all[0])];
        size_t n = strlen(word);
        if (len + n > cap) break;
        memcpy(out + len, word, n);
        len += n;
    }
    return len;
}

static bool within(ri_str part, ri_str whole)
{
    return part.len == 0 ||
           (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    char *text = malloc(RI_HTTP_HEAD_MAX);
    fuzz_require(text != NULL, "memory");
    size_t len = size - 1 < RI_HTTP_HEAD_MAX ? size - 1 : RI_HTTP_HEAD_MAX, skip, again;
    if (data[0] & 1) len = words(text, RI_HTTP_HEAD_MAX, data + 1, size - 1);
    else memcpy(text, data + 1, len);
    size_t head = ri_http_read_head((ri_str){text, len}, 0, &skip);
    fuzz_require(skip + head <= len, "the head is longer than the input");
    for (size_t cut = 0; cut < skip + head; cut += 1 + data[1] % 7)
        fuzz_require(ri_http_read_head((ri_str){text, cut}, 0, &again) == 0 &&
                     ri_http_read_head((ri_str){text, len}, cut, &again) == head && again == skip,
                     "the end of a head depends on its pieces");
    if (head) {
        ri_http_request request;
        int status;
        char *copy = malloc(head);
        fuzz_require(copy != NULL, "memory");
        memcpy(copy, text + skip, head);
        int rc = ri_http_read((ri_str){copy, head}, &request, &status);
        fuzz_require((rc == RILL_OK) == (status == 200), "code and status differ");
        fuzz_require(within(request.path, (ri_str){copy, head}) &&
                     within(request.query, (ri_str){copy, head}), "a part is not of the head");
        free(copy);
    }
    free(text);
    return 0;
}
