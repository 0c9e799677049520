/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/number.h"

/* 00 to 99: a division yields two digits. */
static const char number_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static unsigned number_bits(uint64_t n)
{
#ifdef __GNUC__
    return 64 - (unsigned)__builtin_clzll(n | 1);
#else
    unsigned bits = 1;
    while (bits < 64 && n >> bits) bits++;
    return bits;
#endif
}

/* A bit is 1233/4096 of a digit: so the count of digits is right, or one too few. */
static size_t number_digits(uint64_t n)
{
    static const uint64_t powers[20] = {
        0, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
        10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
        1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
        10000000000000000000u};
    unsigned least = number_bits(n) * 1233 >> 12;
    return least + (n >= powers[least]);
}

size_t ri_number_write(char out[RI_NUMBER_MAX], uint64_t n)
{
    size_t len = number_digits(n), at = len;
    for (; n >= 100; n /= 100) {
        at -= 2;
        memcpy(out + at, number_pairs + n % 100 * 2, 2);
    }
    RI_ASSERT(at == (n >= 10 ? 2u : 1u));
    if (n >= 10) memcpy(out, number_pairs + n * 2, 2);
    else out[0] = (char)('0' + n);
    return len;
}

bool ri_number_read(ri_str s, uint64_t *n)
{
    uint64_t value = 0;
    if (s.len == 0) return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        /* As many digits as all numbers may have need no division. */
        if (i + 1 >= RI_NUMBER_MAX && value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *n = value;
    return true;
}

bool ri_number_read_i64(ri_str s, int64_t *n)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) s = ri_str_from(s, 1);
    uint64_t size;
    if (!ri_number_read(s, &size) || size > (uint64_t)INT64_MAX + negative) return false;
    *n = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}
