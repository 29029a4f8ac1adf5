/* Rows of a delimited file: their fields, and values of a type in them.
 *
 * It takes what is plain. A row that it is not sure of (a wrong number of fields, something behind a closing quote, a
 * value that is none of its type or is written in an unusual way) is `odd`, and is left to the Python twin, which decides
 * and says why. So what is done here has to be right, and need not be all.
 */

#ifndef ROWS_H
#define ROWS_H

#include <math.h>

#include "bytes.h"

/* It needs numbers of 128 bits, and the low byte of a number first. */
#if defined(__SIZEOF_INT128__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HAVE_ROWS 1
__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

enum { OF_TEXT = 0, OF_INT = 1, OF_LONG = 2, OF_DOUBLE = 3, OF_DATE = 4, OF_TIME = 5, OF_BOOLEAN = 6, OF_ANY = 7 };
enum { ODD = 1, MOST_ODD = 1 << 12 };

typedef struct {
    const uint8_t *at;
    uint32_t size;
    uint8_t is_escaped; /* holds doubled quotes */
} field;

typedef struct {
    int64_t begin, end, rows, lines; /* of a row that is odd; how many rows were taken, and lines, before it */
} odd_row;

typedef struct rows rows;
typedef int (*on_row)(rows *); /* 0, ODD, or an error */

struct rows {
    int delimiter, quotes, escapes; /* escapes: a backslash is no plain character */
    uint32_t columns;
    int64_t longest;
    field *fields; /* one more than there are columns */
    on_row take;
    buffer nulls; /* sizes in a byte each, and what is a missing value beside the empty one */
    buffer header; /* the name of the first column: the header has it */
    buffer scratch;
    odd_row *odd;
    int64_t odds, used, lines;
    const uint8_t *data; /* what is read, and where it ends */
    size_t size;
    size_t base; /* of the mask */
    uint64_t mask;
    int is_full;
};

static int rows_init(rows *r, int delimiter, int quotes, int escapes, uint32_t columns, int64_t longest)
{
    r->delimiter = delimiter;
    r->quotes = quotes;
    r->escapes = escapes;
    r->columns = columns;
    r->longest = longest;
    r->fields = calloc((size_t)columns + 1, sizeof *r->fields);
    r->odd = malloc(MOST_ODD * sizeof *r->odd);
    return r->fields && r->odd && !reserve(&r->scratch, 64) ? 0 : NO_MEMORY;
}

static void rows_free(rows *r)
{
    free(r->fields);
    free(r->odd);
    free(r->nulls.data);
    free(r->header.data);
    free(r->scratch.data);
}

/* ---- where fields end ---- */

static uint64_t ends_at(const rows *r, size_t base)
{
    const uint8_t *p = r->data + base;
    uint8_t copy[64] = {0};
    if (r->size - base < 64) {
        memcpy(copy, p, r->size - base);
        p = copy;
    }
    uint64_t mask = 0;
#if HAVE_SSE2
    const __m128i delimiters = _mm_set1_epi8((char)r->delimiter), lines = _mm_set1_epi8('\n');
    for (int i = 0; i < 4; i++) {
        __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(some, delimiters), _mm_cmpeq_epi8(some, lines));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(found) << 16 * i;
    }
#else
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(p[i] == r->delimiter || p[i] == '\n') << i;
#endif
    return r->size - base < 64 ? mask & (((uint64_t)1 << (r->size - base)) - 1) : mask;
}

/* Where the next delimiter or line end stands, from a place on; the size of the data where there is none. */
static inline size_t next_end(rows *r, size_t at)
{
    if (at >= r->size)
        return r->size;
    if (at - r->base >= 64) { /* also where it lies before the base */
        r->base = at;
        r->mask = ends_at(r, at);
    }
    uint64_t mask = r->mask >> (at - r->base);
    if (LIKELY(mask))
        return at + (size_t)__builtin_ctzll(mask);
    for (;;) {
        r->base += 64;
        if (r->base >= r->size)
            return r->size;
        r->mask = ends_at(r, r->base);
        if (r->mask)
            return r->base + (size_t)__builtin_ctzll(r->mask);
    }
}

/* Reads the row that begins at `at`. Returns where it ends, behind its line end; 0 where it does not end in the data.
 * `ok` is whether it is plain, `lines` how many it has. */
static size_t read_row(rows *r, size_t at, int *ok, int64_t *lines)
{
    uint32_t column = 0;
    *ok = 1;
    *lines = 1;
    for (;;) {
        field *f = &r->fields[column < r->columns ? column : r->columns];
        size_t end;
        if (r->quotes && at < r->size && r->data[at] == '"') {
            size_t from = at + 1;
            f->is_escaped = 0;
            for (;;) {
                const uint8_t *quote = memchr(r->data + from, '"', r->size - from);
                if (!quote || quote + 1 == r->data + r->size)
                    return 0;
                from = (size_t)(quote - r->data) + 1;
                if (r->data[from] != '"')
                    break;
                f->is_escaped = 1;
                from++;
            }
            f->at = r->data + at + 1;
            f->size = (uint32_t)(from - at - 2);
            for (const uint8_t *p = f->at; (p = memchr(p, '\n', (size_t)(f->at + f->size - p))); p++)
                ++*lines;
            end = next_end(r, from);
            if (end != from && !(end == from + 1 && end < r->size && r->data[from] == '\r' && r->data[end] == '\n'))
                *ok = 0;
        } else {
            end = next_end(r, at);
            f->at = r->data + at;
            f->size = (uint32_t)(end - at);
            f->is_escaped = 0;
            if (end < r->size && r->data[end] == '\n' && f->size && r->data[end - 1] == '\r')
                f->size--;
        }
        if (end >= r->size)
            return 0;
        column++;
        at = end + 1;
        if (r->data[end] == '\n') {
            *ok &= column == r->columns;
            return at;
        }
    }
}

/* Whether a row of one column is empty, or spaces alone: the twin takes it for none. */
static int is_blank(const field *f)
{
    for (uint32_t i = 0; i < f->size; i++)
        if (f->at[i] != ' ')
            return 0;
    return 1;
}

static int is_blank_row(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && (p[i] < '\t' || p[i] > '\r'))
            return 0;
    return 1;
}

static int is_header(const rows *r)
{
    const field *f = r->fields;
    return f->size == r->header.size && r->header.size && !memcmp(f->at, r->header.data, f->size);
}

/* Takes the rows that end in the data; returns how many bytes it has taken: fewer where it is full, where there are many
 * odd rows, or where the last row has not ended. */
static int64_t take_rows(rows *r, const uint8_t *data, size_t size, int skip)
{
    size_t at = 0;
    r->data = data;
    r->size = size;
    r->base = 0;
    r->mask = size ? ends_at(r, 0) : 0;
    r->odds = r->used = r->lines = 0;
    while (at < size && !r->is_full && r->odds < MOST_ODD) {
        int ok;
        int64_t lines;
        size_t end = read_row(r, at, &ok, &lines);
        if (!end)
            break;
        if (ok)
            ok = !skip && (int64_t)(end - at) <= r->longest && !is_header(r) &&
                 !(r->columns == 1 && is_blank(r->fields)) && !(r->escapes && memchr(data + at, '\\', end - at));
        skip = skip && is_blank_row(data + at, end - at); /* what a header may stand behind */
        r->scratch.size = 0;
        if (reserve(&r->scratch, 2 * (end - at))) /* each field, and a value of it that is written anew */
            return NO_MEMORY;
        int done = ok ? r->take(r) : ODD;
        if (done < 0)
            return done;
        if (done == ODD)
            r->odd[r->odds++] = (odd_row){(int64_t)at, (int64_t)end, r->used, r->lines};
        else {
            r->used++;
            r->lines += lines;
        }
        at = end;
    }
    return (int64_t)at;
}

/* Takes rows into what is counted of them, of which `rows` is the first part; returns the bytes taken. `counts`: rows
 * and lines that were taken, and how many rows are odd, which stand in `odd`; whether it is full. */
API int64_t fm_rows_take(rows *r, const uint8_t *data, uint64_t size, int skip, int64_t *counts, const odd_row **odd)
{
    int64_t taken = take_rows(r, data, (size_t)size, skip);
    counts[0] = r->used;
    counts[1] = r->lines;
    counts[2] = r->odds;
    counts[3] = r->is_full;
    *odd = r->odd;
    return taken;
}

/* ---- values ---- */

/* A copy in the scratch, which has room for it (`take_rows`): bytes before stay where they are. */
static uint8_t *scratch(rows *r, size_t size)
{
    uint8_t *to = r->scratch.data + r->scratch.size;
    r->scratch.size += size;
    return to;
}

static field unquoted(rows *r, const field *f)
{
    if (LIKELY(!f->is_escaped))
        return *f;
    field g = {0};
    uint8_t *to = scratch(r, f->size);
    g.at = to;
    for (uint32_t i = 0; i < f->size; i++) {
        to[g.size++] = f->at[i];
        i += f->at[i] == '"';
    }
    return g;
}

static int is_null(const rows *r, const field *f)
{
    if (!f->size)
        return 1;
    for (size_t i = 0; i < r->nulls.size; i += 1 + (size_t)r->nulls.data[i])
        if (r->nulls.data[i] == f->size && !memcmp(r->nulls.data + i + 1, f->at, f->size))
            return 1;
    return 0;
}

/* A whole number of at most 18 digits. */
static int read_whole(const field *f, int64_t *value)
{
    uint32_t i = f->at[0] == '-' || f->at[0] == '+';
    int64_t n = 0;
    if (i == f->size || f->size - i > 18)
        return 0;
    for (uint32_t j = i; j < f->size; j++) {
        unsigned digit = (unsigned)f->at[j] - '0';
        if (digit > 9)
            return 0;
        n = n * 10 + (int64_t)digit;
    }
    *value = f->at[0] == '-' ? -n : n;
    return 1;
}

/* The same of a type: OF_INT, of 32 bits, or OF_LONG. */
static int read_int(const field *f, int kind, int64_t *value)
{
    return read_whole(f, value) && (kind != OF_INT || (*value <= INT32_MAX && *value >= INT32_MIN));
}

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits * 10**-places, rounded once to the nearest double, to an even one between two; places from 1 to 19. */
static double divided(uint64_t digits, int places)
{
    uint64_t divisor = 1;
    int zeros = 0, length = 64;
    for (int i = 0; i < places; i++)
        divisor *= 10;
    for (; !(digits >> 63); zeros++)
        digits <<= 1;
    unsigned_wide number = (unsigned_wide)digits << 64, quotient = number / divisor, rest = number % divisor;
    while (length < 128 && quotient >> length)
        length++;
    int shift = length - 53;
    uint64_t mantissa = (uint64_t)(quotient >> shift);
    unsigned_wide below = quotient & (((unsigned_wide)1 << shift) - 1), half = (unsigned_wide)1 << (shift - 1);
    mantissa += below > half || (below == half && (rest || mantissa & 1));
    return ldexp((double)mantissa, shift - 64 - zeros);
}

/* A number as it is mostly written, of at most 19 digits, as the double that is nearest to it (Clinger 1990). */
static int read_double(const field *f, double *value)
{
    const uint8_t *p = f->at, *end = f->at + f->size;
    int negative = *p == '-', seen = 0, places = 0, power = 0, digits = 0;
    uint64_t n = 0;
    p += *p == '-' || *p == '+';
    for (; p < end && (unsigned)(*p - '0') <= 9; p++, seen = 1) {
        digits += n || *p != '0';
        n = n * 10 + (unsigned)(*p - '0');
    }
    if (p < end && *p == '.')
        for (p++; p < end && (unsigned)(*p - '0') <= 9; p++, seen = 1, places++) {
            digits += n || *p != '0';
            n = n * 10 + (unsigned)(*p - '0');
        }
    if (!seen || digits > 19 || places > 1000)
        return 0;
    if (p < end && (*p == 'e' || *p == 'E')) {
        int minus = ++p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (p == end || end - p > 3)
            return 0;
        for (; p < end && (unsigned)(*p - '0') <= 9; p++)
            power = power * 10 + (*p - '0');
        power = minus ? -power : power;
    }
    if (p != end)
        return 0;
    power -= places;
    double found;
    if (!n)
        found = 0;
    else if (n <= (uint64_t)1 << 53 && power >= -22 && power <= 22)
        found = power < 0 ? (double)n / POWERS[-power] : (double)n * POWERS[power];
    else if (power < 0 && power >= -19)
        found = divided(n, -power);
    else
        return 0;
    *value = negative ? -found : found;
    return 1;
}

/* A value that has to be a number, as a double: OF_INT, OF_LONG or OF_DOUBLE; 0, or ODD. */
static int read_number(rows *r, uint32_t at, int kind, double *value, int *is_missing)
{
    field f = unquoted(r, &r->fields[at]);
    int64_t whole;
    *is_missing = is_null(r, &f);
    if (*is_missing)
        return 0;
    if (kind == OF_DOUBLE)
        return read_double(&f, value) ? 0 : ODD;
    if (!read_int(&f, kind, &whole))
        return ODD;
    *value = (double)whole;
    return 0;
}

static int two_digits(const uint8_t *p, int *value)
{
    unsigned a = (unsigned)p[0] - '0', b = (unsigned)p[1] - '0';
    *value = (int)(a * 10 + b);
    return a <= 9 && b <= 9;
}

/* Days since 1970 of a date `YYYY-MM-DD` (Hinnant's days_from_civil). */
static int read_date(const uint8_t *p, int64_t *days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century, years, month, day;
    if (!two_digits(p, &century) || !two_digits(p + 2, &years) || !two_digits(p + 5, &month) || !two_digits(p + 8, &day) ||
        p[4] != '-' || p[7] != '-')
        return 0;
    int year = century * 100 + years, leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (!year || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && leap))
        return 0;
    int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 1;
}

/* `YYYY-MM-DD HH:MM:SS`, or with a T between, and a Z behind: its seconds since 1970. */
static int read_time(const field *f, int64_t *seconds)
{
    int hour, minute, second;
    int64_t days;
    const uint8_t *p = f->at;
    if (f->size != 19 && !(f->size == 20 && p[19] == 'Z'))
        return 0;
    if (!read_date(p, &days) || (p[10] != ' ' && p[10] != 'T') || p[13] != ':' || p[16] != ':' ||
        !two_digits(p + 11, &hour) || !two_digits(p + 14, &minute) || !two_digits(p + 17, &second) || hour > 23 ||
        minute > 59 || second > 59)
        return 0;
    *seconds = days * 86400 + hour * 3600 + minute * 60 + second;
    return 1;
}

/* 1 for true, 0 for false, in letters of any case; else -1. */
static int read_boolean(const field *f)
{
    static const char *words[] = {"false", "true"};
    for (int i = 0; i < 2; i++) {
        uint32_t n = 0;
        while (n < f->size && words[i][n] && (f->at[n] | 0x20) == words[i][n])
            n++;
        if (n == f->size && !words[i][n])
            return i;
    }
    return -1;
}

/* ---- sums without an error: a double is an integer times a power of two ---- */

static void parts_of(double value, int64_t *mantissa, int *exponent)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    int power = bits >> 52 & 0x7FF;
    int64_t m = (int64_t)(bits & (((uint64_t)1 << 52) - 1));
    if (power)
        m |= (int64_t)1 << 52;
    *exponent = (power ? power : 1) - 1075;
    *mantissa = bits >> 63 ? -m : m;
}

/* Adds a number at a power of two to limbs of 32 bits each, that hold 64: the lowest stands for 2**lowest. */
static void add_to_limbs(int64_t *limbs, int lowest, unsigned_wide number, int negative, int exponent)
{
    int at = exponent - lowest, shift = at & 31;
    int64_t sign = negative ? -1 : 1;
    limbs += at >> 5;
    uint64_t first = (uint64_t)(number & 0xFFFFFFFFu) << shift; /* in two steps: number << shift may have 137 bits */
    limbs[0] += sign * (int64_t)(first & 0xFFFFFFFFu);
    number = (number >> 32 << shift) + (first >> 32);
    for (int i = 1; number; i++, number >>= 32)
        limbs[i] += sign * (int64_t)(uint64_t)(number & 0xFFFFFFFFu);
}

static size_t put_wide(uint8_t *to, wide value)
{
    uint8_t digits[40];
    size_t n = 0, size = 0;
    unsigned_wide left = value < 0 ? 0 - (unsigned_wide)value : (unsigned_wide)value;
    if (value < 0)
        to[size++] = '-';
    do
        digits[n++] = (uint8_t)('0' + (int)(left % 10));
    while (left /= 10);
    while (n)
        to[size++] = digits[--n];
    return size;
}

/* `number:exponent`, the place for 64 bytes being there. */
static size_t put_term(uint8_t *to, wide number, int exponent)
{
    size_t size = put_wide(to, number);
    to[size++] = ':';
    return size + put_number(to + size, exponent);
}

/* The limbs that are not 0, each behind a `+`. */
static int put_limbs(buffer *out, const int64_t *limbs, int count, int lowest)
{
    for (int i = 0; i < count; i++)
        if (limbs[i]) {
            if (reserve(out, 64))
                return NO_MEMORY;
            out->data[out->size++] = '+';
            out->size += put_term(out->data + out->size, limbs[i], lowest + 32 * i);
        }
    return 0;
}
#endif

#endif
