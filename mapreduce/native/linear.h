/* Linear models: shard lines to bags of features, and documents one by one through a linear model.
 *
 * Twin of models/counts/bags.py and models/training/fit_linear.py. Every loop over labels is one of independent sums,
 * and documents are taken one after the other, so that the same bits come out on any machine.
 */

#ifndef LINEAR_H
#define LINEAR_H

#include "bytes.h"
#include <math.h>

/* What a digit of base64 stands for, web-safe alphabet; -1 for any other byte. */
static int digit(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

static int8_t values_of[256]; /* of digits; fm_start fills them */

static void make_values(void)
{
    for (int c = 0; c < 256; c++)
        values_of[c] = (int8_t)digit((uint8_t)c);
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whole shard lines, `hash TAB label TAB base64` of ids, as bags: the ids of a document in the order of their first
 * appearance, how often each one is in it, and behind the last id of each document its end. Ids below `first` are no
 * features and are left out; `place`, int64 [features], is any memory. Labels are told by where they stand in `lines`.
 * `hash` is that of the last 16 digits, `held_ids` how many ids it has. Returns the number of lines; UNSUPPORTED where
 * a line is none. */
API int64_t fm_bags(const uint8_t *lines, uint64_t size, int64_t first, int64_t features, int64_t *place, int32_t *ids,
                    int32_t *counts, int64_t *ends, int64_t *label_at, int64_t *label_size, uint64_t *hash,
                    int64_t *held_ids)
{
    int64_t at = 0, number = 0;
    for (uint64_t i = 0; i < size; number++) {
        const uint8_t *line = lines + i, *stop = memchr(line, '\n', (size_t)(size - i));
        const uint8_t *label = stop ? memchr(line, '\t', (size_t)(stop - line)) : NULL;
        const uint8_t *p = label ? memchr(label + 1, '\t', (size_t)(stop - label - 1)) : NULL;
        if (!p)
            return UNSUPPORTED;
        hash[number] = 0;
        for (const uint8_t *h = label - line > 16 ? label - 16 : line; h < label; h++) {
            if (hex_digit(*h) < 0)
                return UNSUPPORTED;
            hash[number] = hash[number] << 4 | (uint64_t)hex_digit(*h);
        }
        held_ids[number] = 0;
        label_at[number] = label + 1 - lines;
        label_size[number] = p - label - 1;
        int64_t begin = at;
        uint64_t held = 0; /* bits that are read and not yet taken */
        int bits = 0;
        for (p++; p < stop && *p != '='; p++) {
            int value = values_of[*p];
            if (value < 0)
                return UNSUPPORTED;
            held = held << 6 | (uint64_t)value;
            bits += 6;
            if (bits < 32)
                continue;
            bits -= 32;
            uint32_t raw = (uint32_t)(held >> bits);
            held_ids[number]++;
            int64_t id = (int32_t)(raw >> 24 | (raw >> 8 & 0xFF00) | (raw << 8 & 0xFF0000) | raw << 24);
            if (id < first)
                continue;
            if (id >= features)
                return UNSUPPORTED;
            int64_t there = place[id];
            if (there >= begin && there < at && ids[there] == id) {
                counts[there]++;
                continue;
            }
            place[id] = at;
            ids[at] = (int32_t)id;
            counts[at++] = 1;
        }
        if (bits >= 6)
            return UNSUPPORTED;
        ends[number] = at;
        i = (uint64_t)(stop - lines) + 1;
    }
    return number;
}

/* Some documents of bags, with the features that `to` has a new id for, from 0 on; it has -1 for others, which are left
 * out. Returns the number of values. */
API int64_t fm_select(const int64_t *ends, const int32_t *ids, const int32_t *counts, const int64_t *documents,
                      int64_t number, const int32_t *to, int64_t *new_ends, int32_t *new_ids, int32_t *new_counts)
{
    int64_t at = 0;
    for (int64_t k = 0; k < number; k++) {
        int64_t i = documents[k];
        for (int64_t p = i ? ends[i - 1] : 0; p < ends[i]; p++) {
            int32_t id = to[ids[p]];
            if (id < 0)
                continue;
            new_ids[at] = id;
            new_counts[at++] = counts[p];
        }
        new_ends[k] = at;
    }
    return at;
}

/* Term and document frequencies of each feature by label: the pairs of a feature and a label that occur, in the order
 * of the features and then of the labels. `documents` are in the order of their labels. `begins`, int64 [features + 1],
 * and `last`, int32 [features], are any memory; the first of two calls, with `feature` NULL, leaves in `begins` where
 * each feature's pairs begin and returns how many there are. */
API int64_t fm_label_counts(const int64_t *ends, const int32_t *ids, const int32_t *counts, const int32_t *y,
                            const int64_t *documents, int64_t number, int64_t features, int64_t *begins, int32_t *last,
                            int64_t *feature, int64_t *label, int64_t *tf, int64_t *df)
{
    if (!feature)
        memset(begins, 0, (size_t)(features + 1) * sizeof *begins);
    memset(last, 0xFF, (size_t)features * sizeof *last);
    for (int64_t k = 0; k < number; k++) {
        int64_t i = documents[k];
        for (int64_t p = i ? ends[i - 1] : 0; p < ends[i]; p++) {
            int32_t id = ids[p];
            int is_new = last[id] != y[i];
            last[id] = y[i];
            if (!feature) {
                begins[id + 1] += is_new;
                continue;
            }
            int64_t at = is_new ? begins[id]++ : begins[id] - 1;
            if (is_new) {
                feature[at] = id;
                label[at] = y[i];
                tf[at] = df[at] = 0;
            }
            tf[at] += counts[p];
            df[at]++;
        }
    }
    if (!feature)
        for (int64_t id = 0; id < features; id++)
            begins[id + 1] += begins[id];
    return begins[features];
}

/* Divides the values of each document by their L2 norm; one below 1e-6 counts as that. */
API void fm_normalize(const int64_t *ends, int64_t documents, float *values)
{
    for (int64_t i = 0, p = 0; i < documents; i++) {
        double squares = 0;
        for (int64_t q = p; q < ends[i]; q++)
            squares += (double)values[q] * values[q];
        float factor = (float)(1 / sqrt(squares > 1e-12 ? squares : 1e-12));
        for (; p < ends[i]; p++)
            values[p] *= factor;
    }
}

/* A shuffle of numbers that depends on the seed alone (Fisher and Yates; the draws are SplitMix64's). */
API void fm_shuffle(int64_t *numbers, int64_t count, uint64_t seed)
{
    for (int64_t i = count - 1; i > 0; i--) {
        uint64_t x = seed += 0x9E3779B97F4A7C15u;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
        x = (x ^ x >> 27) * 0x94D049BB133111EBu;
        x ^= x >> 31;
        int64_t j = (int64_t)(x % (uint64_t)(i + 1)), held = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = held;
    }
}

static void fetch(const float *row, int64_t labels)
{
    for (int64_t l = 0; l < labels && l < 64; l += 16)
        PREFETCH(row + l);
}

/* The logits of a document; meanwhile the rows of the `next` one are fetched, one for one: all at once are more than a
 * processor waits for. -1 is none. */
static void sum_rows(const int64_t *ends, const int32_t *ids, const float *values, int64_t document, int64_t next,
                     const float *rows, const float *bias, float bias_scale, int64_t labels, float *restrict logits)
{
    int64_t ahead = next > 0 ? ends[next - 1] : 0, last = next < 0 ? 0 : ends[next];
    for (int64_t l = 0; l < labels; l++)
        logits[l] = bias_scale * bias[l];
    for (int64_t p = document ? ends[document - 1] : 0; p < ends[document]; p++) {
        const float *restrict row = rows + ids[p] * labels;
        float value = values[p];
        if (ahead < last)
            fetch(rows + ids[ahead++] * labels, labels);
        for (int64_t l = 0; l < labels; l++)
            logits[l] += value * row[l];
    }
    for (; ahead < last; ahead++)
        fetch(rows + ids[ahead] * labels, labels);
}

/* The logits [documents, labels] of bags. */
API void fm_linear_logits(const int64_t *ends, const int32_t *ids, const float *values, int64_t documents,
                          const float *rows, const float *bias, float bias_scale, int64_t labels, float *logits)
{
    for (int64_t i = 0; i < documents; i++) {
        int64_t next = i + 1 < documents ? i + 1 : -1;
        sum_rows(ends, ids, values, i, next, rows, bias, bias_scale, labels, logits + i * labels);
    }
}

/* One epoch of stochastic gradient descent, a document a step: one against the rest, squared hinge. The rate falls from
 * `rate` to 0 in `steps` steps, of which `done` were done before. `weights`, one for each label, multiply the loss of
 * its documents; NULL is 1. `room` holds labels floats twice. Writes the
 * sum of the losses, and behind it how many documents there were. */
API void fm_linear_epoch(const int64_t *ends, const int32_t *ids, const float *values, const int32_t *y,
                         const float *weights, const int64_t *order, int64_t documents, float *rows, float *bias,
                         float bias_scale, int64_t labels, double rate, int64_t done, int64_t steps, float *room,
                         double *loss)
{
    float *restrict logits = room, *restrict change = room + labels;
    double sum = 0;
    for (int64_t k = 0; k < documents; k++) {
        int64_t i = order[k], next = k + 1 < documents ? order[k + 1] : -1;
        sum_rows(ends, ids, values, i, next, rows, bias, bias_scale, labels, logits);
        float weight = weights ? weights[y[i]] : 1;
        float step = (float)(rate * (1 - (double)(done + k) / (double)steps)) * 2 * weight;
        float losses = 0;
        for (int64_t l = 0; l < labels; l++) {
            float sign = l == y[i] ? 1.0f : -1.0f, margin = 1 - sign * logits[l];
            margin = margin < 0 ? 0 : margin; /* what is no number stays none, and the loss tells it */
            change[l] = step * sign * margin;
            losses += margin * margin;
        }
        sum += (double)(weight * losses);
        if (losses == 0)
            continue;
        for (int64_t l = 0; l < labels; l++)
            bias[l] += bias_scale * change[l];
        for (int64_t p = i ? ends[i - 1] : 0; p < ends[i]; p++) {
            float *restrict row = rows + ids[p] * labels;
            float value = values[p];
            for (int64_t l = 0; l < labels; l++)
                row[l] += value * change[l];
        }
    }
    loss[0] = sum;
    loss[1] = (double)documents;
}

#endif
