/* SPDX-License-Identifier: Apache-2.0
 *
 * A file goes into a bucket of objects and comes out again, a piece at a time, however large it
 * is: here, this program itself. NATS clients see the object, too. Prints
 *
 *     the object has the length of the file
 *     the copy is the same
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

/* Called until it returns 0: there is no more. */
static int64_t from_file(void *buf, size_t cap, void *file)
{
    size_t n = fread(buf, 1, cap, file);
    return ferror((FILE *)file) ? RILL_EIO : (int64_t)n;
}

static int to_file(const void *buf, size_t len, void *file)
{
    return fwrite(buf, 1, len, file) == len ? 0 : RILL_EIO;
}

int main(int argc, char **argv)
{
    rill_bus *bus;
    rill_objs *objs;
    rill_obj_info info = {.size = sizeof info};
    FILE *file = argc ? fopen(argv[0], "rb") : NULL, *copy = tmpfile();
    if (!file || !copy) return 1;
    check(rill_open(&bus, "mem:", NULL)); /* or "file:DIR" */
    check(rill_objs_open(bus, &objs, "programs", NULL));

    check(rill_obj_put(objs, "me", from_file, file)); /* all of it, or nothing */
    check(rill_obj_status(objs, "me", &info));
    if (info.bytes == (uint64_t)ftell(file)) puts("the object has the length of the file");

    check(rill_obj_get(objs, "me", to_file, copy)); /* length and SHA-256 are right */
    rewind(file), rewind(copy);
    int a, b;
    do a = getc(file), b = getc(copy);
    while (a == b && a != EOF);
    if (a == b) puts("the copy is the same");
    fclose(file), fclose(copy);
    rill_objs_close(objs);
    return rill_close(bus, 1000) < 0;
}
