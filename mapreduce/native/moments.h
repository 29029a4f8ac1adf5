/* Sums of products of a table's numbers without an error: the twin of mapreduce/methods/moments.py. */

#ifndef MOMENTS_H
#define MOMENTS_H

#include "rows.h"

#if HAVE_ROWS

enum { MOMENT_LIMBS = 140, LOWEST_MOMENT = -2148, MOST_FACTORS = 8 };

typedef struct {
    int32_t count, columns[MOST_FACTORS]; /* numbers of used values, whose product it is */
} term;

typedef struct {
    rows rows;
    int32_t *used; /* column and kind of each */
    int32_t used_count, terms;
    term *term;
    double *values, *reals; /* of the terms, the first of which is 1; of the used values */
    int64_t *limbs, count, missing;
    buffer out;
} moments;

static int take_moments(rows *r)
{
    moments *m = (moments *)(void *)r;
    const double largest = 9007199254740992.0, least = 1e-140, most = 1e140;
    int missing = 0;
    for (int32_t i = 0; i < m->used_count; i++) {
        int kind = m->used[2 * i + 1], is_missing;
        if (read_number(r, (uint32_t)m->used[2 * i], kind, &m->reals[i], &is_missing))
            return ODD;
        if (!is_missing && kind != OF_DOUBLE && (m->reals[i] >= largest || m->reals[i] <= -largest))
            return ODD;
        missing |= is_missing; /* and go on: a value that is none of its type makes the row odd all the same */
    }
    if (missing) {
        m->missing++;
        return 0;
    }
    m->values[0] = 1;
    for (int32_t i = 0; i < m->terms; i++) {
        const term *t = &m->term[i];
        double product = m->reals[t->columns[0]];
        int is_whole = m->used[2 * t->columns[0] + 1] != OF_DOUBLE;
        for (int32_t j = 1; j < t->count; j++) {
            product *= m->reals[t->columns[j]];
            is_whole &= m->used[2 * t->columns[j] + 1] != OF_DOUBLE;
            if (is_whole && (product >= largest || product <= -largest))
                return ODD;
        }
        double size = product < 0 ? -product : product;
        if (size && (size < least || size > most))
            return ODD;
        m->values[i + 1] = product;
    }
    m->count++;
    int64_t *limbs = m->limbs;
    for (int32_t i = 0; i <= m->terms; i++) {
        int64_t first, second;
        int exponent, other;
        parts_of(m->values[i], &first, &exponent);
        for (int32_t j = i; j <= m->terms; j++, limbs += MOMENT_LIMBS) {
            if (!first || !m->values[j])
                continue;
            parts_of(m->values[j], &second, &other);
            unsigned_wide product = (unsigned_wide)(uint64_t)(first < 0 ? -first : first) *
                                    (unsigned_wide)(uint64_t)(second < 0 ? -second : second);
            add_to_limbs(limbs, LOWEST_MOMENT, product, (first < 0) != (second < 0), exponent + other);
        }
    }
    return 0;
}

API void fm_moments_free(moments *m)
{
    rows_free(&m->rows);
    free(m->used);
    free(m->term);
    free(m->values);
    free(m->reals);
    free(m->limbs);
    free(m->out.data);
    free(m);
}

/* `shape`: delimiter, quotes, escapes, columns, how many used values and terms there are; `used`: column and kind of each
 * value; `terms`: of each how many values it multiplies, and which, MOST_FACTORS of them. */
API moments *fm_moments_new(const int32_t *shape, int64_t longest, const int32_t *used, const int32_t *terms,
                            const uint8_t *nulls, uint64_t null_size, const uint8_t *header, uint64_t header_size)
{
    moments *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    size_t count = (size_t)shape[5] + 1;
    m->used_count = shape[4];
    m->terms = shape[5];
    m->used = malloc((2 * (size_t)shape[4] + 1) * sizeof *m->used);
    m->term = malloc(count * sizeof *m->term);
    m->values = calloc(count, sizeof *m->values);
    m->reals = calloc((size_t)shape[4] + 1, sizeof *m->reals);
    m->limbs = calloc(count * (count + 1) / 2 * MOMENT_LIMBS, sizeof *m->limbs);
    if (rows_init(&m->rows, shape[0], shape[1], shape[2], (uint32_t)shape[3], longest) || !m->used || !m->term ||
        !m->values || !m->reals || !m->limbs || append(&m->rows.nulls, nulls, null_size) ||
        append(&m->rows.header, header, header_size)) {
        fm_moments_free(m);
        return NULL;
    }
    memcpy(m->used, used, 2 * (size_t)shape[4] * sizeof *used);
    memcpy(m->term, terms, (size_t)shape[5] * sizeof *m->term);
    m->rows.take = take_moments;
    return m;
}

/* The sums of the products of terms i and j, j from i on, a line each; `counts`: rows summed, and rows left out. */
API int64_t fm_moments_sums(moments *m, int64_t *counts, const uint8_t **place)
{
    const int64_t *limbs = m->limbs;
    m->out.size = 0;
    for (int32_t i = 0; i <= m->terms; i++)
        for (int32_t j = i; j <= m->terms; j++, limbs += MOMENT_LIMBS)
            if (append(&m->out, "0", 1) || put_limbs(&m->out, limbs, MOMENT_LIMBS, LOWEST_MOMENT) ||
                append(&m->out, "\n", 1))
                return NO_MEMORY;
    counts[0] = m->count;
    counts[1] = m->missing;
    *place = m->out.data;
    return (int64_t)m->out.size;
}

#endif
#endif
