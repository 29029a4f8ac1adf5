/* What is known of the columns of a table: the twin of mapreduce/tables/columns.py, which says what the figures mean.
 *
 * A column is a table of its values, or where these are many a sketch. A value that it is not sure of is put aside for
 * the Python twin.
 */

#ifndef COLUMNS_H
#define COLUMNS_H

#include "rows.h"
#include "table.h"

#if HAVE_ROWS

enum { MOST_VALUES = 16384, MOST_VALUE_BYTES = 1 << 20, REGISTER_BITS = 14, REGISTERS = 1 << REGISTER_BITS };
enum { BUCKET_SHIFT = 45, NUMBER_BUCKETS = 1 << 19, FIRST_DAY = -719162, DAYS = 3652060 };
enum { SUM_LIMBS = 70, SQUARE_LIMBS = 140, LOWEST_SUM = -1074, LOWEST_SQUARE = -2148 };
/* In the order in which the twin joins them. */
enum { IS_NOTHING, IS_BOOLEAN, IS_INT, IS_LONG, IS_DECIMAL, IS_DOUBLE, IS_DATE, IS_TIME, IS_TEXT };
enum { UNSURE = -1, AS_TEXT = 0, AS_NUMBER = 1, AS_TIME = 2 };

typedef struct {
    int32_t forced, type, is_sketch, has_wholes, has_reals;
    table values;
    size_t value_bytes;
    int64_t missing, count, lengths[3], wholes[2];
    double reals[2];
    buffer least, largest;
    uint8_t *registers; /* as texts, then as numbers or times */
    int64_t *sums;      /* limbs of the sum, then of the squares */
    uint64_t *buckets;
} column;

typedef struct {
    rows rows;
    column *columns;
    buffer aside, out; /* of the values put aside: the column, how often, the size, the bytes */
    buffer copy;
} columns;

typedef struct {
    int kind;
    int64_t whole; /* also of dates and times: seconds since 1970 */
    double real;
} read_as;

static uint64_t mixed(const uint8_t *p, size_t n, int tag)
{
    uint64_t h = ((uint64_t)n + (tag >= 0)) * 0x9E3779B97F4A7C15u, word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8); /* a little-endian machine; others have no library of this part */
        h = (h ^ word) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 32;
    }
    if (n || tag >= 0) {
        word = 0;
        memcpy(&word, p, n);
        if (tag >= 0)
            word |= (uint64_t)tag << 8 * n;
        h = (h ^ word) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 32;
    }
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9u;
    h = (h ^ h >> 27) * 0x94D049BB133111EBu;
    return h ^ h >> 31;
}

static void note(uint8_t *registers, uint64_t hashed)
{
    uint64_t low = hashed & (((uint64_t)1 << (64 - REGISTER_BITS)) - 1);
    uint8_t rank = (uint8_t)(low ? __builtin_clzll(low) - REGISTER_BITS + 1 : 64 - REGISTER_BITS + 1);
    uint8_t *at = registers + (hashed >> (64 - REGISTER_BITS));
    if (rank > *at)
        *at = rank;
}

static int view_of(int type)
{
    return type >= IS_INT && type <= IS_DOUBLE ? AS_NUMBER : type == IS_DATE || type == IS_TIME ? AS_TIME : AS_TEXT;
}

/* Whether a value that no reader took may yet be a number or a time to the twin. */
static int may_be_more(const field *f)
{
    const uint8_t *p = f->at, *end = f->at + f->size;
    int64_t days;
    if (f->size >= 10 && read_date(p, &days))
        return 1;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    p += p < end && (*p == '+' || *p == '-');
    if (p == end)
        return 0;
    if (*p == 'N' || *p == 'I')
        return 1;
    while (p < end && (unsigned)(*p - '0') <= 9)
        p++;
    if (p < end && *p == '.')
        p++;
    while (p < end && (unsigned)(*p - '0') <= 9)
        p++;
    return p == end || *p == 'e' || *p == 'E';
}

static read_as classify(const field *f)
{
    read_as found = {IS_TEXT, 0, 0};
    uint8_t first = f->at[0];
    if ((unsigned)(first - '0') > 9 && !memchr("+-. \tNI", first, 7)) {
        if (f->size <= 5 && read_boolean(f) >= 0)
            found.kind = IS_BOOLEAN;
        return found;
    }
    if (read_whole(f, &found.whole)) {
        found.kind = found.whole <= INT32_MAX && found.whole >= INT32_MIN ? IS_INT : IS_LONG;
        return found;
    }
    if (read_double(f, &found.real)) {
        int digits = 1; /* a whole number of 19 digits is none of the doubles */
        for (uint32_t i = f->at[0] == '-' || f->at[0] == '+'; i < f->size; i++)
            digits &= (unsigned)(f->at[i] - '0') <= 9;
        found.kind = digits ? UNSURE : IS_DOUBLE;
        return found;
    }
    if (f->size == 10 && read_date(f->at, &found.whole)) {
        found.whole *= 86400;
        found.kind = IS_DATE;
    } else if (read_time(f, &found.whole))
        found.kind = IS_TIME;
    else if (may_be_more(f))
        found.kind = UNSURE;
    return found;
}

static read_as forced_to(const field *f, int type)
{
    read_as found = {type, 0, 0};
    int fits = 1;
    switch (type) {
    case IS_BOOLEAN:
        fits = read_boolean(f) >= 0;
        break;
    case IS_INT:
        fits = read_int(f, OF_INT, &found.whole);
        break;
    case IS_LONG:
    case IS_DECIMAL:
        fits = read_whole(f, &found.whole);
        break;
    case IS_DOUBLE:
        fits = read_double(f, &found.real);
        break;
    case IS_DATE:
        fits = f->size == 10 && read_date(f->at, &found.whole);
        found.whole *= 86400;
        break;
    case IS_TIME:
        fits = read_time(f, &found.whole);
        break;
    default:
        break;
    }
    found.kind = fits ? type : UNSURE;
    return found;
}

static int join_types(int one, int other)
{
    if (one == other || other == IS_NOTHING)
        return one;
    if (one == IS_NOTHING)
        return other;
    return view_of(one) == view_of(other) && view_of(one) != AS_TEXT ? (one > other ? one : other) : IS_TEXT;
}

static int put_aside(columns *c, uint32_t place, const field *f, int64_t times)
{
    uint32_t numbers[2] = {place, f->size};
    return append(&c->aside, numbers, sizeof numbers) || append(&c->aside, &times, sizeof times) ||
                   append(&c->aside, f->at, f->size)
               ? NO_MEMORY
               : 0;
}

static void forget(column *k)
{
    k->has_wholes = k->has_reals = 0;
    memset(k->registers + REGISTERS, 0, REGISTERS);
    memset(k->sums, 0, (SUM_LIMBS + SQUARE_LIMBS) * sizeof *k->sums);
    free(k->buckets);
    k->buckets = NULL;
}

static int keep_text(buffer *b, const field *f)
{
    b->size = 0;
    return append(b, f->at, f->size);
}

static int add_number(column *k, const read_as *v, int64_t times)
{
    double real = v->kind == IS_DOUBLE ? v->real : (double)v->whole;
    int64_t mantissa = v->whole, bits;
    int exponent = 0;
    if (v->kind == IS_DOUBLE)
        parts_of(real, &mantissa, &exponent);
    unsigned_wide size = (unsigned_wide)(uint64_t)(mantissa < 0 ? -mantissa : mantissa);
    for (int64_t i = 0; i < times; i++) { /* more than one only where a table of values becomes a sketch */
        add_to_limbs(k->sums, LOWEST_SUM, size, mantissa < 0, exponent);
        add_to_limbs(k->sums + SUM_LIMBS, LOWEST_SQUARE, size * size, 0, 2 * exponent);
    }
    real += 0.0;
    memcpy(&bits, &real, 8);
    if (!k->buckets && !(k->buckets = calloc(NUMBER_BUCKETS, sizeof *k->buckets)))
        return NO_MEMORY;
    k->buckets[(bits >> BUCKET_SHIFT) + NUMBER_BUCKETS / 2] += (uint64_t)times;
    return 0;
}

static int add_value(column *k, const read_as *v, int64_t times)
{
    uint64_t hashed;
    int64_t whole = v->whole;
    int is_whole = v->kind != IS_DOUBLE;
    if (view_of(v->kind) == AS_TIME)
        whole *= 1000000;
    if (!is_whole && v->real >= -9223372036854775808.0 && v->real < 9223372036854775808.0) {
        whole = (int64_t)v->real;
        is_whole = (double)whole == v->real;
    }
    if (is_whole)
        hashed = mixed((const uint8_t *)&whole, 8, 'i');
    else
        hashed = mixed((const uint8_t *)&v->real, 8, 'd');
    note(k->registers + REGISTERS, hashed);
    if (v->kind == IS_DOUBLE) {
        k->reals[0] = k->has_reals && k->reals[0] <= v->real ? k->reals[0] : v->real;
        k->reals[1] = k->has_reals && k->reals[1] >= v->real ? k->reals[1] : v->real;
        k->has_reals = 1;
    } else {
        k->wholes[0] = k->has_wholes && k->wholes[0] <= v->whole ? k->wholes[0] : v->whole;
        k->wholes[1] = k->has_wholes && k->wholes[1] >= v->whole ? k->wholes[1] : v->whole;
        k->has_wholes = 1;
    }
    if (view_of(v->kind) == AS_NUMBER)
        return add_number(k, v, times);
    if (!k->buckets && !(k->buckets = calloc(DAYS, sizeof *k->buckets)))
        return NO_MEMORY;
    int64_t day = v->whole / 86400 - (v->whole % 86400 < 0);
    k->buckets[day - FIRST_DAY] += (uint64_t)times;
    return 0;
}

static int into_sketch(columns *c, uint32_t place, const field *f, int64_t times)
{
    column *k = &c->columns[place];
    read_as v = {IS_TEXT, 0, 0};
    if (k->forced)
        v = forced_to(f, k->forced);
    else if (k->type != IS_TEXT)
        v = classify(f);
    if (v.kind == UNSURE)
        return put_aside(c, place, f, times);
    int type = join_types(k->type, v.kind);
    if (view_of(type) != view_of(k->type))
        forget(k);
    k->type = type;
    note(k->registers, mixed(f->at, f->size, -1));
    int64_t length = 0;
    for (uint32_t i = 0; i < f->size; i++)
        length += (f->at[i] & 0xC0) != 0x80;
    int is_first = !k->count;
    if ((is_first || compare_bytes(f->at, f->size, k->least.data, k->least.size) < 0) && keep_text(&k->least, f))
        return NO_MEMORY;
    if ((is_first || compare_bytes(f->at, f->size, k->largest.data, k->largest.size) > 0) && keep_text(&k->largest, f))
        return NO_MEMORY;
    k->lengths[0] = is_first || length < k->lengths[0] ? length : k->lengths[0];
    k->lengths[1] += length * times;
    k->lengths[2] = length > k->lengths[2] ? length : k->lengths[2];
    k->count += times;
    return view_of(type) == AS_TEXT ? 0 : add_value(k, &v, times);
}

static int begin_sketch(columns *c, uint32_t place)
{
    column *k = &c->columns[place];
    k->registers = calloc(2, REGISTERS);
    k->sums = calloc(SUM_LIMBS + SQUARE_LIMBS, sizeof *k->sums);
    if (!k->registers || !k->sums)
        return NO_MEMORY;
    k->is_sketch = 1;
    for (size_t i = 0; i < k->values.capacity; i++) {
        const slot *s = slot_at(&k->values, i);
        if (!s->length)
            continue;
        field f = {key_bytes(&k->values, s), s->length - 1, 0};
        int done = into_sketch(c, place, &f, (int64_t)s->tf);
        if (done)
            return done;
    }
    table_free(&k->values);
    memset(&k->values, 0, sizeof k->values);
    return 0;
}

static int take_column(columns *c, uint32_t place, const field *f)
{
    column *k = &c->columns[place];
    const rows *r = &c->rows;
    if (is_null(r, f)) {
        k->missing++;
        return 0;
    }
    if (k->is_sketch)
        return into_sketch(c, place, f, 1);
    const uint8_t *key = f->at;
    if (key < r->data || key + f->size + PAD > r->data + r->size) { /* what stands behind it may not be read */
        c->copy.size = 0;
        if (append(&c->copy, key, f->size))
            return NO_MEMORY;
        key = c->copy.data;
    }
    item it;
    make_item(&it, key, f->size, 0);
    slot *s = find(&k->values, &it, 0, 0);
    if (LIKELY(s->length)) {
        s->tf++;
        return 0;
    }
    s->tf = 1;
    k->value_bytes += f->size;
    if (insert(&k->values, s, &it))
        return NO_MEMORY;
    return k->values.used > MOST_VALUES || k->value_bytes > MOST_VALUE_BYTES ? begin_sketch(c, place) : 0;
}

static int take_columns(rows *r)
{
    columns *c = (columns *)(void *)r;
    for (uint32_t i = 0; i < r->columns; i++) {
        field f = unquoted(r, &r->fields[i]);
        int done = take_column(c, i, &f);
        if (done)
            return done;
    }
    return 0;
}

/* ---- the library's face ---- */

API void fm_columns_free(columns *c)
{
    for (uint32_t i = 0; c->columns && i < c->rows.columns; i++) {
        column *k = &c->columns[i];
        table_free(&k->values);
        free(k->least.data);
        free(k->largest.data);
        free(k->registers);
        free(k->sums);
        free(k->buckets);
    }
    free(c->columns);
    free(c->aside.data);
    free(c->out.data);
    free(c->copy.data);
    rows_free(&c->rows);
    free(c);
}

/* `shape`: delimiter, quotes, escapes, columns; `types`: of each column, IS_NOTHING where it is to be found. */
API columns *fm_columns_new(const int32_t *shape, int64_t longest, const int32_t *types, const uint8_t *nulls,
                            uint64_t null_size, const uint8_t *header, uint64_t header_size)
{
    columns *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    int failed = rows_init(&c->rows, shape[0], shape[1], shape[2], (uint32_t)shape[3], longest) ||
                 append(&c->rows.nulls, nulls, null_size) || append(&c->rows.header, header, header_size) ||
                 !(c->columns = calloc((size_t)shape[3] + 1, sizeof *c->columns));
    for (int32_t i = 0; !failed && i < shape[3]; i++) {
        c->columns[i].forced = types[i];
        failed = table_init(&c->columns[i].values, sizeof(slot), (size_t)1 << 40);
    }
    if (failed) {
        fm_columns_free(c);
        return NULL;
    }
    c->rows.take = take_columns;
    return c;
}

/* The values that were put aside: of each its column and its size in 4 bytes, how often in 8, and its bytes. */
API int64_t fm_columns_aside(columns *c, const uint8_t **place)
{
    *place = c->aside.data;
    return (int64_t)c->aside.size;
}

/* The state of a column: where it is exact, its values as those put aside are; else the two sums between `;`, then
 * buckets `number:count` behind a space each. `numbers`: whether it is a sketch, the missing, type, count, three lengths,
 * whether there are whole numbers, the least and largest of them, whether there are doubles, and these as bits. */
API int64_t fm_columns_state(columns *c, uint32_t at, int64_t *numbers, const uint8_t **place,
                             const uint8_t **registers, const uint8_t **texts, int64_t *text_sizes)
{
    column *k = &c->columns[at];
    buffer *out = &c->out;
    out->size = 0;
    numbers[0] = k->is_sketch;
    numbers[1] = k->missing;
    if (!k->is_sketch) {
        for (size_t i = 0; i < k->values.capacity; i++) {
            const slot *s = slot_at(&k->values, i);
            uint32_t head[2] = {at, s->length - 1};
            if (s->length && (append(out, head, sizeof head) || append(out, &s->tf, sizeof s->tf) ||
                              append(out, key_bytes(&k->values, s), s->length - 1)))
                return NO_MEMORY;
        }
    } else {
        int64_t found[] = {k->type, k->count, k->lengths[0], k->lengths[1], k->lengths[2], k->has_wholes, k->wholes[0],
                           k->wholes[1], k->has_reals};
        memcpy(numbers + 2, found, sizeof found);
        memcpy(numbers + 11, k->reals, sizeof k->reals);
        if (append(out, "0", 1) || put_limbs(out, k->sums, SUM_LIMBS, LOWEST_SUM) || append(out, ";0", 2) ||
            put_limbs(out, k->sums + SUM_LIMBS, SQUARE_LIMBS, LOWEST_SQUARE) || append(out, ";", 1))
            return NO_MEMORY;
        int is_time = view_of(k->type) == AS_TIME;
        for (int64_t i = 0; k->buckets && i < (is_time ? DAYS : NUMBER_BUCKETS); i++)
            if (k->buckets[i]) {
                if (reserve(out, 64))
                    return NO_MEMORY;
                out->data[out->size++] = ' ';
                out->size += put_number(out->data + out->size, is_time ? i + FIRST_DAY : i - NUMBER_BUCKETS / 2);
                out->data[out->size++] = ':';
                out->size += put_number(out->data + out->size, (int64_t)k->buckets[i]);
            }
    }
    *place = out->data;
    *registers = k->registers;
    texts[0] = k->least.data;
    texts[1] = k->largest.data;
    text_sizes[0] = (int64_t)k->least.size;
    text_sizes[1] = (int64_t)k->largest.size;
    return (int64_t)out->size;
}

#endif
#endif
