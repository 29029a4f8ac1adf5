/* Rows to the nearest of some centres, and exact sums by centre: the twin of mapreduce/methods/clusters.py. */

#ifndef CLUSTERS_H
#define CLUSTERS_H

#include "rows.h"

#if HAVE_ROWS

enum { CLUSTER_LIMBS = 70, LOWEST_CLUSTER = -1074 };

typedef struct {
    rows rows;
    int32_t *used; /* column and kind of each value */
    int32_t dimensions, centres;
    double *centre, *scale, *values; /* centres by dimension; what values are multiplied with; those of a row */
    int64_t *counts, *limbs, missing; /* of each centre its rows; the sums of values, then of squared distances */
    buffer out;
} clusters;

static int take_cluster(rows *r)
{
    clusters *c = (clusters *)(void *)r;
    int missing = 0;
    for (int32_t i = 0; i < c->dimensions; i++) {
        int is_missing;
        if (read_number(r, (uint32_t)c->used[2 * i], c->used[2 * i + 1], &c->values[i], &is_missing))
            return ODD;
        missing |= is_missing;
    }
    if (missing) {
        c->missing++;
        return 0;
    }
    double best = 0;
    int32_t nearest = 0;
    for (int32_t i = 0; i < c->dimensions; i++)
        c->values[i] *= c->scale[i];
    for (int32_t j = 0; j < c->centres; j++) {
        const double *centre = c->centre + (size_t)j * (size_t)c->dimensions;
        double distance = 0;
        for (int32_t i = 0; i < c->dimensions; i++) {
            double apart = c->values[i] - centre[i];
            distance += apart * apart;
        }
        if (!j || distance < best) {
            best = distance;
            nearest = j;
        }
    }
    if (!(best <= 1e300))
        return ODD;
    c->counts[nearest]++;
    int64_t *limbs = c->limbs + (size_t)nearest * (size_t)(c->dimensions + 1) * CLUSTER_LIMBS;
    for (int32_t i = 0; i <= c->dimensions; i++, limbs += CLUSTER_LIMBS) {
        int64_t mantissa;
        int exponent;
        parts_of(i < c->dimensions ? c->values[i] : best, &mantissa, &exponent);
        add_to_limbs(limbs, LOWEST_CLUSTER, (unsigned_wide)(uint64_t)(mantissa < 0 ? -mantissa : mantissa), mantissa < 0,
                     exponent);
    }
    return 0;
}

API void fm_clusters_free(clusters *c)
{
    rows_free(&c->rows);
    free(c->used);
    free(c->centre);
    free(c->scale);
    free(c->values);
    free(c->counts);
    free(c->limbs);
    free(c->out.data);
    free(c);
}

/* `shape`: delimiter, quotes, escapes, columns, dimensions and centres; `used`: column and kind of each dimension;
 * `numbers`: the scales, then the centres, a dimension after the other. */
API clusters *fm_clusters_new(const int32_t *shape, int64_t longest, const int32_t *used, const double *numbers,
                              const uint8_t *nulls, uint64_t null_size, const uint8_t *header, uint64_t header_size)
{
    clusters *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    size_t d = (size_t)shape[4], k = (size_t)shape[5];
    c->dimensions = shape[4];
    c->centres = shape[5];
    c->used = malloc((2 * d + 1) * sizeof *c->used);
    c->centre = malloc((d * k + 1) * sizeof *c->centre);
    c->scale = malloc((d + 1) * sizeof *c->scale);
    c->values = calloc(d + 1, sizeof *c->values);
    c->counts = calloc(k + 1, sizeof *c->counts);
    c->limbs = calloc(k * (d + 1) * CLUSTER_LIMBS + 1, sizeof *c->limbs);
    if (rows_init(&c->rows, shape[0], shape[1], shape[2], (uint32_t)shape[3], longest) || !c->used || !c->centre ||
        !c->scale || !c->values || !c->counts || !c->limbs || append(&c->rows.nulls, nulls, null_size) ||
        append(&c->rows.header, header, header_size)) {
        fm_clusters_free(c);
        return NULL;
    }
    memcpy(c->used, used, 2 * d * sizeof *used);
    memcpy(c->scale, numbers, d * sizeof *numbers);
    memcpy(c->centre, numbers + d, d * k * sizeof *numbers);
    c->rows.take = take_cluster;
    return c;
}

/* Of each centre, a line for the sum of each dimension and one for the distances; `counts`: the rows of each centre, and
 * at last those left out. */
API int64_t fm_clusters_sums(clusters *c, int64_t *counts, const uint8_t **place)
{
    const int64_t *limbs = c->limbs;
    c->out.size = 0;
    for (int32_t i = 0; i < c->centres * (c->dimensions + 1); i++, limbs += CLUSTER_LIMBS)
        if (append(&c->out, "0", 1) || put_limbs(&c->out, limbs, CLUSTER_LIMBS, LOWEST_CLUSTER) ||
            append(&c->out, "\n", 1))
            return NO_MEMORY;
    memcpy(counts, c->counts, (size_t)c->centres * sizeof *counts);
    counts[c->centres] = c->missing;
    *place = c->out.data;
    return (int64_t)c->out.size;
}

#endif
#endif
