/* Counting: documents to features, features to a table, the table to lines in order of their keys.
 *
 * Twin of mapreduce/features/counting.py. Features are looked up a batch at a time, so that the memory of a table that
 * is larger than the caches is asked for before it is needed.
 */

#ifndef COUNT_H
#define COUNT_H

#include "bytes.h"
#include "tokenise.h"
#include "table.h"

/* ---- counting ---- */

typedef struct counter {
    const tokenizer *tokenizer;
    int mode;
    table table;
    buffer normal, clean, scratch, out, ids;
    uint32_t *edges;
    size_t edges_capacity;
    item batch[BATCH];
    int pending;
    uint32_t label, document;
    uint64_t documents; /* since the last drain */
    reference *sorted;
    size_t drained;
    buffer label_bytes;
    uint64_t *label_begin; /* of label i; i + 1 ends it */
    uint32_t labels;
} counter;

API void fm_counter_free(counter *c)
{
    if (!c)
        return;
    table_free(&c->table);
    free(c->normal.data);
    free(c->clean.data);
    free(c->scratch.data);
    free(c->out.data);
    free(c->ids.data);
    free(c->edges);
    free(c->sorted);
    free(c->label_bytes.data);
    free(c->label_begin);
    free(c);
}

/* mode: 0 terms, 1 terms and documents, 2 the same by label. limit: bytes of memory. */
API counter *fm_counter_new(const tokenizer *t, int mode, uint64_t limit)
{
    counter *c = calloc(1, sizeof *c);
    make_masks();
    if (c && table_init(&c->table, mode == TERMS ? sizeof(slot) : sizeof(wide_slot), (size_t)limit)) {
        fm_counter_free(c);
        return NULL;
    }
    if (c) {
        c->tokenizer = t;
        c->mode = mode;
    }
    return c;
}

/* Returns the number of the label, which is new. */
API int64_t fm_counter_label(counter *c, const uint8_t *label, uint64_t size)
{
    if (c->labels == UINT32_MAX)
        return UNSUPPORTED;
    if (append(&c->label_bytes, label, (size_t)size))
        return NO_MEMORY;
    if (!(c->labels & (c->labels + 1))) { /* 0, 1, 3, 7, ...: space for twice as many */
        uint64_t *grown = realloc(c->label_begin, ((size_t)c->labels + 1) * 2 * sizeof *grown + sizeof *grown);
        if (!grown)
            return NO_MEMORY;
        grown[0] = 0;
        c->label_begin = grown;
    }
    c->label_begin[c->labels + 1] = c->label_bytes.size;
    return c->labels++;
}

static int count_batch(counter *c)
{
    table *t = &c->table;
    int n = c->pending, wide = c->mode != TERMS;
    c->pending = 0;
    for (int i = 0; i < n; i++) {
        const item *it = &c->batch[i];
        slot *s = find(t, it, c->label, wide);
        if (!s->length) {
            s->tf = 1;
            if (wide) {
                wide_slot *w = (wide_slot *)s;
                w->df = 1;
                w->last = c->document;
                w->label = c->label;
            }
            int error = insert(t, s, it);
            if (error)
                return error;
            continue;
        }
        s->tf++;
        if (wide) {
            wide_slot *w = (wide_slot *)s;
            w->df += w->last != c->document;
            w->last = c->document;
        }
    }
    return 0;
}

/* Looks the batch up: appends int32, little-endian. */
static int look_up_batch(counter *c)
{
    int n = c->pending;
    c->pending = 0;
    if (reserve(&c->ids, (size_t)n * 4))
        return NO_MEMORY;
    for (int i = 0; i < n; i++) {
        const slot *s = find(&c->table, &c->batch[i], 0, 0);
        uint64_t id = s->length ? s->tf : 1;
        uint8_t *to = c->ids.data + c->ids.size;
        for (int k = 0; k < 4; k++)
            to[k] = (uint8_t)(id >> (8 * k));
        c->ids.size += 4;
    }
    return 0;
}

typedef int (*batch_function)(counter *);

static inline int emit(counter *c, const uint8_t *key, uint32_t length, batch_function full)
{
    item *it = &c->batch[c->pending];
    make_item(it, key, length, c->label);
    PREFETCH(slot_at(&c->table, it->tag & (c->table.capacity - 1)));
    return LIKELY(++c->pending < BATCH) ? 0 : full(c);
}

/* A feature that stands nowhere as it is: two bytes before it. */
static int emit_prefixed(counter *c, char mark, const uint8_t *rest, uint32_t length, batch_function full)
{
    if (c->scratch.size + length + 2 + PAD > c->scratch.capacity) {
        int error = full(c);
        c->scratch.size = 0;
        if (error || reserve(&c->scratch, length + 2 + (BATCH << 6)))
            return error ? error : NO_MEMORY;
    }
    uint8_t *key = c->scratch.data + c->scratch.size;
    key[0] = ' ';
    key[1] = (uint8_t)mark;
    memcpy(key + 2, rest, length);
    c->scratch.size += length + 2;
    int error = emit(c, key, length + 2, full);
    if (!c->pending)
        c->scratch.size = 0;
    return error;
}

static int reserve_edges(counter *c, size_t bytes)
{
    size_t need = bytes + 2 + 64;
    if (need <= c->edges_capacity)
        return 0;
    uint32_t *grown = realloc(c->edges, need * 3 / 2 * sizeof *grown);
    if (!grown)
        return NO_MEMORY;
    c->edges = grown;
    c->edges_capacity = need * 3 / 2;
    return 0;
}

static int is_continuation(uint8_t b)
{
    return (b & 0xC0) == 0x80;
}

/* Rewrites the words in c->normal as " one two three " in c->clean, so that every n-gram stands there as it is. */
static int64_t clean_words(counter *c, size_t count)
{
    const tokenizer *t = c->tokenizer;
    buffer *to = &c->clean;
    size_t words = 0;
    to->size = 0;
    if (reserve(to, 2 * c->normal.size + 2))
        return NO_MEMORY;
    uint32_t *from = c->edges, *out = c->edges;
    if (t->characters) { /* more words than edges: the source of the edges is put at the end */
        if (reserve_edges(c, 2 * c->normal.size + count))
            return NO_MEMORY;
        from = c->edges + c->edges_capacity - count;
        out = c->edges;
        memmove(from, c->edges, count * sizeof *from);
    }
    to->data[to->size++] = ' ';
    for (size_t i = 0; i < count; i += 2) {
        uint32_t at = from[i], end = from[i + 1];
        while (at < end) {
            uint32_t stop = at + 1;
            if (t->characters)
                while (stop < end && is_continuation(c->normal.data[stop]))
                    stop++;
            else
                stop = end;
            out[2 * words] = (uint32_t)to->size;
            memcpy(to->data + to->size, c->normal.data + at, stop - at);
            to->size += stop - at;
            out[2 * words + 1] = (uint32_t)to->size;
            words++;
            to->data[to->size++] = ' ';
            at = stop;
        }
    }
    return (int64_t)words;
}

static int emit_characters(counter *c, uint32_t begin, uint32_t end, uint32_t width, batch_function full)
{
    const uint8_t *data = c->clean.data;
    uint32_t first = begin - 1, last = first, stop = end + 1; /* with the spaces around the word */
    uint32_t seen = 0;
    for (uint32_t i = first + 1; i <= stop; i++) { /* i: the end of a character */
        if (i < stop && is_continuation(data[i]))
            continue;
        if (++seen > width)
            do
                first++;
            while (is_continuation(data[first]));
        last = i;
        if (seen >= width) {
            int error = emit_prefixed(c, '~', data + first, last - first, full);
            if (error)
                return error;
        }
    }
    return 0;
}

/* All features of one document, in the order of the Python twin. */
static int features(counter *c, const uint8_t *text, size_t size, batch_function full)
{
    const tokenizer *t = c->tokenizer;
    int error = 0;
    c->normal.size = 0;
    if (size * t->longest > LONGEST_DOCUMENT)
        return UNSUPPORTED;
    if (normalize(t, text, size, &c->normal) || reserve_edges(c, c->normal.size))
        return NO_MEMORY;
    size_t count = edges(c->normal.data, c->normal.size, c->edges);
    const uint32_t *e = c->edges;
    if (t->words_only && !t->characters) {
        for (size_t i = 0; i < count && !error; i += 2)
            error = emit(c, c->normal.data + e[i], e[i + 1] - e[i], full);
        return error ? error : full(c);
    }
    int64_t words = clean_words(c, count);
    if (words < 0)
        return (int)words;
    e = c->edges;
    const uint8_t *data = c->clean.data;
    c->scratch.size = 0;
    for (uint32_t k = 0; k < t->ngram_count && !error; k++) {
        uint32_t width = t->ngrams[k];
        for (int64_t i = 0; i + width <= words && !error; i++)
            error = emit(c, data + e[2 * i], e[2 * (i + width - 1) + 1] - e[2 * i], full);
    }
    for (uint32_t k = 0; k < t->character_ngram_count && !error; k++)
        for (int64_t i = 0; i < words && !error; i++)
            error = emit_characters(c, e[2 * i], e[2 * i + 1], t->character_ngrams[k], full);
    for (int64_t i = 0; i < words && i < (int64_t)t->head && !error; i++)
        error = emit_prefixed(c, '^', data + e[2 * i], e[2 * i + 1] - e[2 * i], full);
    return error ? error : full(c);
}

static int count_document(counter *c, const uint8_t *text, size_t size)
{
    c->document++;
    int error = features(c, text, size, count_batch);
    c->documents += !error;
    return error;
}

/* Where a chunk from `begin` on ends: behind the last byte that ends a word, or behind the first where the chunk has
 * none. */
static uint64_t chunk_end(const tokenizer *t, const uint8_t *data, uint64_t begin, uint64_t n)
{
    if (n - begin <= CHUNK)
        return n;
    uint64_t end = begin + CHUNK;
    while (end > begin && !t->ends_word[data[end - 1]])
        end--;
    if (end == begin)
        for (end = begin + CHUNK; end < n && !t->ends_word[data[end - 1]];)
            end++;
    return end;
}

/* Counts the words of n bytes that do not end within a word; returns how many bytes were taken, fewer once the table
 * is full. */
API int64_t fm_count_block(counter *c, const uint8_t *data, uint64_t n)
{
    const tokenizer *t = c->tokenizer;
    uint64_t taken = 0;
    while (taken < n && !c->table.full) {
        uint64_t end = chunk_end(t, data, taken, n);
        if ((end - taken) * t->longest > LONGEST_DOCUMENT)
            return taken ? (int64_t)taken : UNSUPPORTED;
        c->normal.size = 0;
        if (normalize(t, data + taken, (size_t)(end - taken), &c->normal) || reserve_edges(c, c->normal.size))
            return NO_MEMORY;
        size_t count = edges(c->normal.data, c->normal.size, c->edges);
        const uint32_t *e = c->edges;
        int error = 0;
        for (size_t i = 0; i < count && !error; i += 2)
            error = emit(c, c->normal.data + e[i], e[i + 1] - e[i], count_batch);
        if (error || (error = count_batch(c)))
            return error;
        taken = end;
    }
    return (int64_t)taken;
}

/* Counts lines, each a document; returns how many bytes were taken, fewer once the table is full. */
API int64_t fm_count_lines(counter *c, const uint8_t *data, uint64_t n)
{
    uint64_t taken = 0;
    while (taken < n && !c->table.full) {
        const uint8_t *end = memchr(data + taken, '\n', (size_t)(n - taken));
        uint64_t size = end ? (uint64_t)(end - data) - taken : n - taken;
        if (!end && c->mode != TERMS)
            return (int64_t)n; /* what no line end follows is no document */
        int error = count_document(c, data + taken, (size_t)size);
        if (error)
            return error == UNSUPPORTED && taken ? (int64_t)taken : error;
        taken += size + (end != NULL);
    }
    return (int64_t)taken;
}

/* Counts documents that stand one behind the other; returns how many were taken, fewer once the table is full. */
API int64_t fm_count_documents(counter *c, const uint8_t *data, const uint64_t *sizes, const uint32_t *labels,
                               uint64_t count)
{
    uint64_t i = 0;
    for (; i < count && !c->table.full; i++) {
        c->label = labels[i];
        int error = count_document(c, data, (size_t)sizes[i]);
        if (error)
            return error == UNSUPPORTED && i ? (int64_t)i : error;
        data += sizes[i];
    }
    return (int64_t)i;
}

API uint64_t fm_counter_used(const counter *c)
{
    return c->table.used;
}

/* The order of the labels' bytes. */
static void rank_labels(const counter *c, uint32_t *rank, reference *r)
{
    for (uint32_t i = 0; i < c->labels; i++) {
        r[i].key = c->label_bytes.data + c->label_begin[i];
        r[i].length = (uint32_t)(c->label_begin[i + 1] - c->label_begin[i]);
        r[i].prefix = prefix_at(r[i].key, r[i].length, 0);
        r[i].order = r[i].index = i;
    }
    radix_sort(r, c->labels, 0, 56);
    for (uint32_t i = 0; i < c->labels; i++)
        rank[r[i].index] = i;
}

static int sort_table(counter *c)
{
    table *t = &c->table;
    uint32_t *rank = calloc(c->labels + 1, sizeof *rank);
    c->sorted = malloc((t->used + c->labels + 1) * sizeof *c->sorted);
    if (!c->sorted || !rank) {
        free(rank);
        free(c->sorted);
        c->sorted = NULL;
        return NO_MEMORY;
    }
    rank_labels(c, rank, c->sorted);
    size_t n = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        const slot *s = slot_at(t, i);
        if (!s->length)
            continue;
        reference *r = &c->sorted[n++];
        r->key = key_bytes(t, s);
        r->length = s->length - 1;
        r->prefix = prefix_at(r->key, r->length, 0);
        r->order = c->mode == LABELLED ? rank[((const wide_slot *)s)->label] : 0;
        r->index = (uint32_t)i;
    }
    free(rank);
    radix_sort(c->sorted, n, 0, 56);
    return 0;
}

/* A piece of the counts as lines, in order of keys, then labels; *to is good until the next call. Returns its size;
 * 0 when all was given and the table is empty again. */
API int64_t fm_drain(counter *c, const uint8_t **to)
{
    table *t = &c->table;
    buffer *out = &c->out;
    out->size = 0;
    if (!c->sorted) {
        if (sort_table(c))
            return NO_MEMORY;
        c->drained = 0;
        if (c->mode == DOCUMENTS) { /* b"", which is no token and the first of all keys */
            if (reserve(out, 64))
                return NO_MEMORY;
            for (int i = 0; i < 2; i++) {
                out->data[out->size++] = '\t';
                out->size += put_number(out->data + out->size, (int64_t)c->documents);
            }
            out->data[out->size++] = '\n';
        }
        c->documents = 0;
    }
    while (c->drained < t->used && out->size < PIECE) {
        const reference *r = &c->sorted[c->drained++];
        const slot *s = slot_at(t, r->index);
        const wide_slot *w = (const wide_slot *)s;
        size_t label = 0, label_size = 0;
        if (c->mode == LABELLED) {
            label = (size_t)c->label_begin[w->label];
            label_size = (size_t)c->label_begin[w->label + 1] - label;
        }
        if (reserve(out, r->length + label_size + 64))
            return NO_MEMORY;
        uint8_t *p = out->data + out->size;
        if (LIKELY(r->length <= INLINE_KEY))
            memcpy(p, r->key, INLINE_KEY);
        else
            memcpy(p, r->key, r->length);
        p += r->length;
        *p++ = '\t';
        if (c->mode == LABELLED) {
            memcpy(p, c->label_bytes.data + label, label_size);
            p += label_size;
            *p++ = '\t';
        }
        p += put_number(p, (int64_t)s->tf);
        if (c->mode != TERMS) {
            *p++ = '\t';
            p += put_number(p, w->df);
        }
        *p++ = '\n';
        out->size = (size_t)(p - out->data);
    }
    if (!out->size) {
        free(c->sorted);
        c->sorted = NULL;
        table_clear(t);
    }
    *to = out->data;
    return (int64_t)out->size;
}

#endif
