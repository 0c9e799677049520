/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

size_t ri_number_write(char out[RI_NUMBER_MAX], uint64_t n)
{
    char back[RI_NUMBER_MAX];
    size_t len = 0;
    do back[len++] = (char)('0' + n % 10);
    while (n /= 10);
    for (size_t i = 0; i < len; i++) out[i] = back[len - 1 - i];
    return len;
}

bool ri_number_read(ri_str s, uint64_t *n)
{
    uint64_t value = 0;
    if (s.len == 0) return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
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
