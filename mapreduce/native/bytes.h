/* What all parts stand on: growing buffers, numbers as text, line ends and UTF-8.
 *
 * Functions return a negative number on failure: NO_MEMORY, UNSUPPORTED (the Python twin has to do it), or minus an
 * errno.
 */

#ifndef BYTES_H
#define BYTES_H

#if defined(__linux__)
#define _DEFAULT_SOURCE /* madvise */
#include <sys/mman.h>
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define HAVE_SSE2 1
#endif
#if HAVE_SSE2 && defined(__GNUC__) && defined(__x86_64__)
#include <tmmintrin.h>
#define HAVE_SSSE3 1
#endif
#if defined(_WIN32)
#define API __declspec(dllexport)
#elif defined(__GNUC__)
#define API __attribute__((visibility("default")))
#else
#define API
#endif
#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define PREFETCH(p) ((void)(p))
#define LIKELY(x) (x)
#endif

enum { VERSION = 4, NO_MEMORY = -100001, UNSUPPORTED = -100002 };
enum { PAD = 64, CHUNK = 1 << 14, BATCH = 64, INLINE_KEY = 16, PIECE = 1 << 20, COLUMNS = 8 };
#define LONGEST_DOCUMENT ((uint64_t)1 << 30)

static int use_simd = 1;

/* ---- buffers: growing bytes with PAD bytes behind them that may be read and overwritten ---- */

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} buffer;

static int reserve(buffer *b, size_t more)
{
    size_t need = b->size + more + PAD;
    if (LIKELY(need <= b->capacity))
        return 0;
    size_t capacity = b->capacity + b->capacity / 2 < need ? need : b->capacity + b->capacity / 2;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return NO_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

static int append(buffer *b, const void *data, size_t size)
{
    if (reserve(b, size))
        return NO_MEMORY;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

/* Space for 21 bytes is there. */
static size_t put_number(uint8_t *to, int64_t value)
{
    uint8_t digits[20];
    size_t n = 0, size = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        to[size++] = '-';
    do
        digits[n++] = (uint8_t)('0' + left % 10);
    while (left /= 10);
    while (n)
        to[size++] = digits[--n];
    return size;
}

/* ---- looking at bytes: line ends, UTF-8 ---- */

/* The size of the character that n >= 1 bytes begin with, 0 if it is none (Unicode 15, table 3-7). */
static size_t character(const uint8_t *p, size_t n)
{
    uint8_t first = p[0], least = 0x80, most = 0xBF;
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size < 2 || size > n)
        return size > n ? 0 : size;
    if (first == 0xE0)
        least = 0xA0; /* shorter forms are no characters, */
    else if (first == 0xED)
        most = 0x9F; /* nor are surrogates, */
    else if (first == 0xF0)
        least = 0x90;
    else if (first == 0xF4)
        most = 0x8F; /* nor what is above U+10FFFF */
    if (p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (p[i] >> 6 != 2)
            return 0;
    return size;
}

/* The number of line ends, or where the bytes are not UTF-8 its complement. */
API int64_t fm_scan(const uint8_t *data, uint64_t n)
{
    int64_t lines = 0;
    for (uint64_t i = 0; i < n;) { /* in pieces, whose sum of up to 255 fits a byte: compilers know how to do that */
        uint64_t end = n - i < 255 ? n : i + 255;
        uint8_t found = 0;
        for (; i < end; i++)
            found = (uint8_t)(found + (data[i] == '\n'));
        lines += found;
    }
    for (uint64_t i = 0; i < n;) {
        uint64_t eight = 0;
        if (n - i >= 8)
            memcpy(&eight, data + i, 8);
        if (n - i >= 8 && !(eight & 0x8080808080808080u)) {
            i += 8;
            continue;
        }
        size_t size = character(data + i, (size_t)(n - i));
        if (!size)
            return ~lines;
        i += size;
    }
    return lines;
}

#endif
